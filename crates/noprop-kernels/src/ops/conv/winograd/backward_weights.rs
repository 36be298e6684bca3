//! dw = Gᵀ [ Σ over tiles of V ⊙ (A dy Aᵀ) ] G.

use super::transform::{
    Square, frequencies_to_weights, gather, gather_frequencies, outputs_to_frequencies, patch_to_frequencies,
    put_frequencies,
};
use super::{Geometry, LINE};
use crate::error::Result;
use crate::ops::conv::Conv;
use crate::ops::multiply::{Multiply, WithMultiply, dispatch_at};
use crate::ops::scratch;
use crate::ops::simd::split;
use crate::ops::tile::{Factor, most_rows, panel, prefetch, product_tile, put, tile};
use crate::tensor::StopFlag;
use pulp::Simd;
use std::ops::Range;

/// Tiles whose products are summed before the sums go back to memory: the more, the more sums there are.
fn group(pairs_of_channels: usize) -> usize {
    (pairs_of_channels / 512).clamp(64, 256)
}

/// The weight's part of [`Conv::backward_weights`]. Register tile: `P` channels of x × 2 vectors of `cout`, depth the tiles of a
/// group, groups in order.
pub fn backward_weights(op: &Conv<'_>, dw: &mut [f32], x: &[f32], dy: &[f32]) -> Result<()> {
    let geometry = Geometry::forward(&op.dims, op.samples);
    dispatch_at(op.precision, BackwardWeights { geometry, dw, x, dy, stop: op.stop })
}

struct BackwardWeights<'a> {
    geometry: Geometry,
    dw: &'a mut [f32],
    x: &'a [f32],
    dy: &'a [f32],
    stop: &'a StopFlag,
}

impl WithMultiply for BackwardWeights<'_> {
    type Output = Result<()>;
    #[inline(always)]
    fn with<M: Multiply>(self, m: M) -> Result<()> {
        if M::DEPTH == 1 && self.geometry.prefers_large() { run::<M, 6, 4>(m, self) } else { run::<M, 4, 2>(m, self) }
    }
}

/// Tiles of `O` × `O` outputs from `T` × `T` inputs.
#[inline(always)]
fn run<M: Multiply, const T: usize, const O: usize>(m: M, run: BackwardWeights<'_>) -> Result<()> {
    let BackwardWeights { geometry: g, dw, x, dy, stop } = run;
    let (panel, most) = (panel::<M>(), most_rows::<M>());
    let (cin, cout, (_, _, tiles)) = (g.input.channels, g.output.channels, g.tiles(O));
    let (padded, group) = (cout.next_multiple_of(panel), tiles.min(group(cin * cout)));
    let most_units = group.div_ceil(M::DEPTH);
    let (v_stride, d_stride) = (most_units * cin + LINE, most_units * padded + LINE);
    let sums_stride = cin * padded;
    let zeros_len = cin.max(cout);
    let mut scratch = scratch::take(zeros_len + T * T * (sums_stride + v_stride + d_stride));
    let (zeros, rest) = scratch.split_at_mut(zeros_len);
    // Sums as panels of two vectors of cout: [T²][panels][cin][panel]. Where cout ends amid a panel, zeros fill it.
    let (sums, rest) = rest.split_at_mut(T * T * sums_stride);
    let (v, gradients) = rest.split_at_mut(T * T * v_stride);
    zeros.fill(0.0);
    sums.fill(0.0);
    gradients.fill(0.0);
    for begin in (0..tiles).step_by(group) {
        stop.check()?;
        let count = group.min(tiles - begin);
        let units = count.div_ceil(M::DEPTH);
        for at in (0..count).step_by(M::DEPTH) {
            let pair = begin + at..begin + count.min(at + M::DEPTH);
            let unit = at / M::DEPTH;
            inputs::<M, T, O>(m, &g, pair.clone(), (&mut v[unit * cin..], v_stride), x, zeros);
            let to = &mut gradients[unit * panel..];
            outputs::<M, T, O>(m, &g, pair, (to, d_stride, most_units * panel), dy, zeros);
        }
        for f in 0..T * T {
            for first in (0..cout).step_by(panel) {
                let place = (f * (padded / panel) + first / panel, T * T * (padded / panel));
                let next = begin + count..tiles.min(begin + count + group);
                prefetch(g.part(&g.input, x, (next.clone(), O), place));
                prefetch(g.part(&g.output, dy, (next, O), place));
                let b = Factor { units: &gradients[f * d_stride + first * most_units..], row: 0, step: panel };
                let sums = &mut sums[f * sums_stride + first * cin..][..cin * panel];
                for part in 0..cin.div_ceil(most) {
                    let rows = split(cin, most, part)..split(cin, most, part + 1);
                    let a = Factor { units: &v[f * v_stride + rows.start..], row: 1, step: cin };
                    let sums = &mut sums[rows.start * panel..];
                    tile!(rows.len(), product_tile, [M,], (m, sums, (panel, panel, true), (a, b), units))
                }
            }
        }
    }
    assert!(dw.len() == 9 * cin * cout && cout.is_multiple_of(panel / 2));
    for half in (0..cout).step_by(panel / 2) {
        for channel in 0..cin {
            let at = half / panel * panel * cin + channel * panel + half % panel;
            let taps = frequencies_to_weights::<M, T>(m, gather_frequencies(m, sums, at, sums_stride));
            for i in 0..3 {
                for j in 0..3 {
                    // SAFETY: asserted above.
                    unsafe { put::<M>(dw.as_mut_ptr().add(((i * 3 + j) * cin + channel) * cout + half), taps[i][j]) };
                }
            }
        }
    }
    Ok(())
}

/// V = Bᵀ d B of `M::DEPTH` tiles as units, `[T²][cin]`, frequencies `stride` apart.
#[inline(always)]
fn inputs<M: Multiply, const T: usize, const O: usize>(
    m: M,
    g: &Geometry,
    tiles: Range<usize>,
    (v, stride): (&mut [f32], usize),
    x: &[f32],
    zeros: &[f32],
) {
    let from = |tile| g.input.read::<T>(x, g.place(tile, O), g.pad, zeros);
    let (first, second) = (from(tiles.start), from(tiles.end - 1));
    for channel in (0..g.input.channels).step_by(panel::<M>() / 2) {
        // SAFETY: every pointer is to all channels, of which the vector is a part.
        let mut frequencies = patch_to_frequencies(m, unsafe { gather(m, first, channel) });
        if M::DEPTH == 2 {
            // SAFETY: as above.
            let second = patch_to_frequencies(m, unsafe { gather(m, second, channel) });
            frequencies = units(m, frequencies, second, tiles.len() == 2);
        }
        put_frequencies(m, v, (channel, stride), frequencies);
    }
}

/// A dy Aᵀ of `M::DEPTH` tiles as units, `[T²][panels][panel]`, frequencies and panels so far apart.
#[inline(always)]
fn outputs<M: Multiply, const T: usize, const O: usize>(
    m: M,
    g: &Geometry,
    tiles: Range<usize>,
    (to, stride, of_panel): (&mut [f32], usize, usize),
    dy: &[f32],
    zeros: &[f32],
) {
    let from = |tile| g.output.read::<O>(dy, g.place(tile, O), 0, zeros);
    let (first, second) = (from(tiles.start), from(tiles.end - 1));
    for channel in (0..g.output.channels).step_by(panel::<M>() / 2) {
        // SAFETY: every pointer is to all channels, of which the vector is a part.
        let mut frequencies = outputs_to_frequencies::<M, O, T>(m, unsafe { gather(m, first, channel) });
        if M::DEPTH == 2 {
            // SAFETY: as above.
            let second = outputs_to_frequencies::<M, O, T>(m, unsafe { gather(m, second, channel) });
            frequencies = units(m, frequencies, second, tiles.len() == 2);
        }
        let at = channel / panel::<M>() * of_panel + channel % panel::<M>();
        put_frequencies(m, to, (at, stride), frequencies);
    }
}

/// Units of two tiles' frequencies, or of one and zeros.
#[inline(always)]
fn units<M: Multiply, const T: usize>(m: M, first: Square<M, T>, second: Square<M, T>, both: bool) -> Square<M, T> {
    let zero = m.simd().splat_f32s(0.0);
    let mut units = first;
    for i in 0..T {
        for j in 0..T {
            units[i][j] = m.unit(first[i][j], if both { second[i][j] } else { zero });
        }
    }
    units
}
