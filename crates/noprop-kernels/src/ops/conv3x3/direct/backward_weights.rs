//! dw = xᵀ * da.

use super::units::{of_pixels, of_pixels_len, windows_as_units};
use crate::error::Result;
use crate::ops::conv3x3::pool::{self, Gradient};
use crate::ops::conv3x3::{Conv3x3, Dims, winograd};
use crate::ops::heights;
use crate::ops::multiply::{Multiply, WithMultiply, dispatch_at};
use crate::ops::scratch;
use crate::ops::tile::{load_tile, load2, most_rows, pack, packed_len, panel, store_tile, tile};
use crate::team::{Shared, coarse_parts, part_of, share};
use std::ops::Range;

/// Samples whose gradients are summed before the tiles go back to memory: their activations and one tile of channels stay in
/// the first-level cache, while loads and stores of the tile stay under 2 % of the work.
const SAMPLES: usize = 2;

/// See [`Conv3x3::backward_weights`]. Tile: `P` of the 3 · `cin` weights of a tap row (or of all three rows, where they fit
/// into one tile) × 2 vectors of `cout`, summed over the pixels of two samples at a time, samples in order. Threads share the
/// panels of `cout` and, if there are too few, the tap rows; one of them sums the bias's gradient.
pub fn backward_weights(
    op: &Conv3x3<'_>,
    (dw, db): (&mut [f32], &mut [f32]),
    x: &[f32],
    gradient: Gradient<'_, f32>,
) -> Result<()> {
    let (d, panel) = (&op.dims, winograd::panel_width());
    let panels = d.cout.div_ceil(panel);
    let count = coarse_parts(op.cost(), 3 * panels);
    let of_panels = count.min(panels);
    // One tile has all taps of a single channel.
    let of_taps = if d.cin == 1 { 1 } else { count.div_ceil(of_panels).min(3) };
    let (dw, db) = (Shared::new(dw), Shared::new(db));
    share(1 + of_panels * of_taps, |part| {
        let Some(part) = part.checked_sub(1) else {
            // SAFETY: no other part has the bias.
            pool::sum(&gradient, unsafe { db.part(0..db.len()) });
            return Ok(());
        };
        let columns = part_of(d.cout, panel, (part / of_taps, of_panels));
        let taps = part_of(3, 1, (part % of_taps, of_taps));
        dispatch_at(op.precision, BackwardWeights { op, dw, x, gradient, columns, taps })
    })
}

struct BackwardWeights<'a> {
    op: &'a Conv3x3<'a>,
    /// Of which this part writes its columns and tap rows.
    dw: Shared<'a, f32>,
    x: &'a [f32],
    gradient: Gradient<'a, f32>,
    /// Channels of the output.
    columns: Range<usize>,
    /// Tap rows.
    taps: Range<usize>,
}

impl WithMultiply for BackwardWeights<'_> {
    type Output = Result<()>;
    #[inline(always)]
    fn with<M: Multiply>(self, m: M) -> Result<()> {
        let Self { op, dw, x, gradient, columns, taps } = self;
        let (d, panel) = (&op.dims, panel::<M>());
        let (width, rows) = (columns.len().next_multiple_of(panel), SAMPLES * d.conv_height());
        let (da_len, x_len) = (packed_len::<M>(rows, d.conv_width(), panel), of_pixels_len::<M>(SAMPLES * d.input()));
        let mut scratch = scratch::take(width * 9 * d.cin + SAMPLES * d.convolved() + da_len + x_len);
        // Sums as panels of two vectors of cout: [columns / 2 vectors][9 · cin][2 vectors].
        let (sums, da) = scratch.split_at_mut(width * 9 * d.cin);
        let (da, rest) = da.split_at_mut(SAMPLES * d.convolved());
        let (da_panel, units) = rest.split_at_mut(da_len);
        sums.fill(0.0);
        for begin in (0..op.samples).step_by(SAMPLES) {
            op.stop.check()?;
            let count = SAMPLES.min(op.samples - begin);
            let x = of_pixels(m, units, &x[begin * d.input()..(begin + count) * d.input()], d.cin);
            let da = &mut da[..count * d.convolved()];
            let windows = M::DEPTH == 2 && d.pool && d.cout.is_multiple_of(panel / 2);
            if !windows {
                for (sample, da) in da.chunks_exact_mut(d.convolved()).enumerate() {
                    gradient.of_sample(begin + sample, da);
                }
            }
            for (first, sums) in columns.clone().step_by(panel).zip(sums.chunks_exact_mut(9 * d.cin * panel)) {
                let da = if windows {
                    windows_as_units(m, &gradient, (begin, count), first, da_panel);
                    &*da_panel
                } else if d.cout == panel && M::DEPTH == 1 {
                    &*da
                } else {
                    let (rows, used) = (count * d.conv_height(), (d.cout - first).min(panel));
                    pack(m, da_panel, (rows, d.conv_width(), used), da, |r| (r * d.cout + first, 1));
                    &*da_panel
                };
                weight_gradient(m, d, (count, taps.clone()), sums, x, da);
            }
        }
        let weights = taps.start * 3 * d.cin..taps.end * 3 * d.cin;
        for (first, sums) in columns.step_by(panel).zip(sums.chunks_exact(9 * d.cin * panel)) {
            let channels = (d.cout - first).min(panel);
            for weight in weights.clone() {
                let at = weight * d.cout + first;
                // SAFETY: no other part has this weight of these channels.
                let dw = unsafe { dw.part(at..at + channels) };
                dw.copy_from_slice(&sums[weight * panel..][..channels]);
            }
        }
        Ok(())
    }
}

/// Adds to the sums `[9 · cin][panel]` of one panel of channels; x and da in units of pixels.
#[inline(always)]
fn weight_gradient<M: Multiply>(
    m: M,
    d: &Dims,
    (count, taps): (usize, Range<usize>),
    sums: &mut [f32],
    x: &[f32],
    da: &[f32],
) {
    let (most, weights, panel) = (most_rows::<M>(), 3 * d.cin, panel::<M>());
    if d.cin == 1 && 9 <= most {
        return weight_gradient_tile::<M, 3, 9>(m, d, (0, 0, count), sums, x, da);
    }
    for i in taps {
        for part in 0..heights::tiles(weights, most) {
            let (from, to) = (heights::start(weights, most, part), heights::start(weights, most, part + 1));
            let sums = &mut sums[(i * weights + from) * panel..(i * weights + to) * panel];
            tile!(to - from, weight_gradient_tile, [M, 1,], (m, d, (i, from, count), sums, x, da))
        }
    }
}

/// `ROWS` tap rows from `i` on, of each the `P / ROWS` weights from `from` on.
#[inline(always)]
fn weight_gradient_tile<M: Multiply, const ROWS: usize, const P: usize>(
    m: M,
    d: &Dims,
    (i, from, count): (usize, usize, usize),
    sums: &mut [f32],
    x: &[f32],
    da: &[f32],
) {
    // All nine weights of a single channel are one tile.
    assert!(P <= most_rows::<M>() && (ROWS == 3 || heights::is_height(P)));
    let (panel, each) = (panel::<M>(), P / ROWS);
    let (rows, columns) = (d.conv_height(), d.conv_width().div_ceil(M::DEPTH));
    assert!(x.len() == count * d.input() && da.len() >= count * rows * columns * panel);
    assert!(sums.len() == P * panel && from + each <= 3 * d.cin && i + ROWS <= 3);
    // SAFETY: the asserts above bound every pointer: row + i + ROWS ≤ height, and the last value read of a row of x is
    // (conv width − 1) · cin + from + each − 1 < (conv width + 2) · cin ≤ width · cin.
    unsafe {
        let mut tile = load_tile::<M, P>(m, sums.as_ptr(), panel);
        for sample in 0..count {
            for row in 0..rows {
                let x = x.as_ptr().add(sample * d.input() + (row + i) * d.width * d.cin + from);
                let da = da.as_ptr().add((sample * rows + row) * columns * panel);
                for column in 0..columns {
                    let da = load2::<M>(da.add(column * panel));
                    let x = x.add(column * M::DEPTH * d.cin);
                    for p in 0..P {
                        let offset = p / each * d.width * d.cin + p % each;
                        tile[p] = m.multiply_add_row((x, offset), da, tile[p]);
                    }
                }
            }
        }
        store_tile(m, tile, sums.as_mut_ptr(), (panel, panel, None));
    }
}
