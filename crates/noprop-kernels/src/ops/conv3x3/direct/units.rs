//! Activations as units of the arithmetic's depth. Where a unit is one value they are left where they lie.

use crate::ops::conv3x3::pool::Gradient;
use crate::ops::multiply::Multiply;
use crate::ops::tile::{load, panel, put};
use pulp::Simd;

/// Units of one pixel.
#[inline(always)]
pub fn channel_units<M: Multiply>(channels: usize) -> usize {
    channels.div_ceil(M::DEPTH)
}

/// Room that [`of_channels`] needs.
#[inline(always)]
pub fn of_channels_len<M: Multiply>(pixels: usize, channels: usize) -> usize {
    if M::DEPTH == 1 { 0 } else { pixels * channel_units::<M>(channels) }
}

/// Pixels `[pixels, channels]` as units along the channels, `[pixels, channel units]`; a zero fills up an odd number.
#[inline(always)]
pub fn of_channels<'a, M: Multiply>(m: M, units: &'a mut [f32], values: &'a [f32], channels: usize) -> &'a [f32] {
    if M::DEPTH == 1 {
        return values;
    }
    let lanes = panel::<M>() / 2;
    let pixels = values.len() / channels;
    assert!(units.len() >= pixels * channel_units::<M>(channels));
    if channels.is_multiple_of(2) {
        // Two vectors at a time, so that what is left begins with a unit.
        let whole = values.len() / panel::<M>() * panel::<M>();
        for at in (0..whole).step_by(lanes) {
            // SAFETY: at + lanes ≤ the number of values, and the units have room for as many.
            unsafe { m.put_values(units.as_mut_ptr(), at, load::<M>(values.as_ptr().add(at))) };
        }
        for (unit, pair) in units[whole / 2..].iter_mut().zip(values[whole..].chunks_exact(2)) {
            *unit = M::unit_of(pair[0], pair[1]);
        }
    } else if channels == 1 {
        let (whole, zero) = (pixels / lanes * lanes, m.simd().splat_f32s(0.0));
        for at in (0..whole).step_by(lanes) {
            // SAFETY: at + lanes ≤ the number of pixels, and the units have room for as many.
            unsafe { put::<M>(units.as_mut_ptr().add(at), m.unit(load::<M>(values.as_ptr().add(at)), zero)) };
        }
        for at in whole..pixels {
            units[at] = M::unit_of(values[at], 0.0);
        }
    } else {
        // Loops over indices: iterators over parts would be compiled without the vectors.
        let each = channel_units::<M>(channels);
        for pixel in 0..pixels {
            let (units, values) = (&mut units[pixel * each..][..each], &values[pixel * channels..][..channels]);
            for unit in 0..each {
                let second = if 2 * unit + 1 < channels { values[2 * unit + 1] } else { 0.0 };
                units[unit] = M::unit_of(values[2 * unit], second);
            }
        }
    }
    &*units
}

/// Room that [`of_pixels`] needs.
#[inline(always)]
pub fn of_pixels_len<M: Multiply>(values: usize) -> usize {
    if M::DEPTH == 1 { 0 } else { values }
}

/// Pixels `[pixels, channels]` as units of each value and the same channel's of the next pixel, in the same order; the last
/// pixel's next is zeros. So a sum over the pixels of a row may begin at any of them.
#[inline(always)]
pub fn of_pixels<'a, M: Multiply>(m: M, units: &'a mut [f32], values: &'a [f32], channels: usize) -> &'a [f32] {
    if M::DEPTH == 1 {
        return values;
    }
    let lanes = panel::<M>() / 2;
    let len = values.len();
    assert!(units.len() >= len);
    let (units, whole) = (&mut units[..len], (len - channels) / lanes * lanes);
    for at in (0..whole).step_by(lanes) {
        // SAFETY: at + channels + lanes ≤ len.
        unsafe {
            let (first, second) = (values.as_ptr().add(at), values.as_ptr().add(at + channels));
            put::<M>(units.as_mut_ptr().add(at), m.unit(load::<M>(first), load::<M>(second)));
        }
    }
    for at in whole..len {
        units[at] = M::unit_of(values[at], values.get(at + channels).copied().unwrap_or(0.0));
    }
    units
}

/// The gradient of the pooled convolution's output of `count` samples from `begin` on as units of pixels, for the panel of
/// channels from `first` on, `[count, conv height, conv width / 2, panel]`. The two pixels of a unit are a row of a window, so
/// the gradient itself need not be written down. The channels must fill whole vectors; beyond the last are zeros.
#[inline(always)]
pub fn windows_as_units<M: Multiply>(
    m: M,
    gradient: &Gradient<'_, f32>,
    (begin, count): (usize, usize),
    first: usize,
    units: &mut [f32],
) {
    let (d, panel, zero) = (&gradient.dims, panel::<M>(), m.simd().splat_f32s(0.0));
    let (rows, columns) = (count * d.out_height(), d.out_width());
    assert!(d.pool && units.len() >= 2 * rows * columns * panel);
    for row in 0..rows {
        for column in 0..columns {
            let at = begin * d.output() + (row * columns + column) * d.cout + first;
            for half in [0, panel / 2] {
                let window = if first + half < d.cout { gradient.window(m, at + half) } else { [[zero; 2]; 2] };
                for part in 0..2 {
                    let to = ((2 * row + part) * columns + column) * panel + half;
                    // SAFETY: to + panel / 2 ≤ 2 · rows · columns · panel.
                    unsafe { put::<M>(units.as_mut_ptr().add(to), m.unit(window[part][0], window[part][1])) };
                }
            }
        }
    }
}
