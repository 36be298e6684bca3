//! dw = Gᵀ [ Σ over tiles of V ⊙ (A dy Aᵀ) ] G.

use super::transform::{
    Square, frequencies_to_weights, gather, gather_frequencies, outputs_to_frequencies, patch_to_frequencies,
    put_frequencies,
};
use super::{Geometry, LINE, lanes};
use crate::error::Result;
use crate::ops::conv::Conv;
use crate::ops::heights;
use crate::ops::multiply::{Multiply, WithMultiply, dispatch_at};
use crate::ops::scratch;
use crate::ops::tile::{Factor, Onto, most_rows, panel, prefetch, product_tile, put, tile};
use crate::team::{Shared, coarse_parts, part_of, share};
use crate::tensor::StopFlag;
use pulp::Simd;
use std::ops::Range;

/// Tiles whose products are summed before the sums go back to memory: the more, the more sums there are.
fn group(pairs_of_channels: usize) -> usize {
    (pairs_of_channels / 512).clamp(64, 256)
}

/// The weight's part of [`Conv::backward_weights`]. Register tile: `P` channels of x × 2 vectors of `cout`, depth the tiles of a
/// group, groups in order. Threads share the pairs of channels: each transforms x and dy of its own.
pub fn backward_weights(op: &Conv<'_>, dw: &mut [f32], x: &[f32], dy: &[f32]) -> Result<()> {
    let geometry = Geometry::forward(&op.dims, op.samples);
    let (d, panel, dw) = (&op.dims, 2 * lanes(), Shared::new(dw));
    // Vectors of x's channels, panels of the output's.
    let most = [d.cin.div_ceil(panel / 2), d.cout.div_ceil(panel)];
    let count = coarse_parts(op.cost(), most[0] * most[1]);
    let of_columns = count.min(most[1]);
    let of_rows = count.div_ceil(of_columns).min(most[0]);
    share(of_rows * of_columns, |part| {
        let rows = part_of(d.cin, panel / 2, (part / of_columns, of_rows));
        let columns = part_of(d.cout, panel, (part % of_columns, of_columns));
        dispatch_at(op.precision, BackwardWeights { geometry, rows, columns, dw, x, dy, stop: op.stop })
    })
}

struct BackwardWeights<'a> {
    geometry: Geometry,
    /// Channels of x.
    rows: Range<usize>,
    /// Channels of the output.
    columns: Range<usize>,
    /// Of which this part writes its rows and columns.
    dw: Shared<'a, f32>,
    x: &'a [f32],
    dy: &'a [f32],
    stop: &'a StopFlag,
}

impl WithMultiply for BackwardWeights<'_> {
    type Output = Result<()>;
    #[inline(always)]
    fn with<M: Multiply>(self, m: M) -> Result<()> {
        if self.geometry.outputs_of::<M>() == 4 { run::<M, 6, 4>(m, self) } else { run::<M, 4, 2>(m, self) }
    }
}

/// Tiles of `O` × `O` outputs from `T` × `T` inputs.
#[inline(always)]
fn run<M: Multiply, const T: usize, const O: usize>(m: M, run: BackwardWeights<'_>) -> Result<()> {
    let BackwardWeights { geometry: g, rows: of_x, columns: of_y, dw, x, dy, stop } = run;
    let (panel, most) = (panel::<M>(), most_rows::<M>());
    let (cin, cout, (_, _, tiles)) = (of_x.len(), of_y.len(), g.tiles(O));
    let group = tiles.min(group(g.input.channels * g.output.channels));
    let padded = cout.next_multiple_of(panel);
    let most_units = group.div_ceil(M::DEPTH);
    let (v_stride, d_stride) = (most_units * cin + LINE, most_units * padded + LINE);
    let sums_stride = cin * padded;
    let zeros_len = g.input.channels.max(g.output.channels);
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
            let to = Shared::new(&mut v[unit * cin..]);
            inputs::<M, T, O>(m, &g, (pair.clone(), of_x.clone()), (to, v_stride), x, zeros);
            let to = Shared::new(&mut gradients[unit * panel..]);
            outputs::<M, T, O>(m, &g, (pair, of_y.clone()), (to, d_stride, most_units * panel), dy, zeros);
        }
        for f in 0..T * T {
            for first in (0..cout).step_by(panel) {
                let place = (f * (padded / panel) + first / panel, T * T * (padded / panel));
                let next = begin + count..tiles.min(begin + count + group);
                prefetch(g.part(&g.input, x, (next.clone(), O), place));
                prefetch(g.part(&g.output, dy, (next, O), place));
                let b = Factor { units: &gradients[f * d_stride + first * most_units..], row: 0, step: panel };
                let sums = &mut sums[f * sums_stride + first * cin..][..cin * panel];
                for part in 0..heights::tiles(cin, most) {
                    let rows = heights::start(cin, most, part)..heights::start(cin, most, part + 1);
                    let a = Factor { units: &v[f * v_stride + rows.start..], row: 1, step: cin };
                    let sums = Shared::new(&mut sums[rows.start * panel..]);
                    tile!(rows.len(), product_tile, [M,], (m, sums, (panel, panel, Onto::Destination), (a, b), units))
                }
            }
        }
    }
    let width = g.output.channels;
    assert!(dw.len() == 9 * g.input.channels * width && cout.is_multiple_of(panel / 2));
    for half in (0..cout).step_by(panel / 2) {
        for channel in 0..cin {
            let at = half / panel * panel * cin + channel * panel + half % panel;
            let taps = frequencies_to_weights::<M, T>(m, gather_frequencies(m, sums, at, sums_stride));
            for i in 0..3 {
                for j in 0..3 {
                    let row = (i * 3 + j) * g.input.channels + of_x.start + channel;
                    // SAFETY: asserted above; no other part has these channels.
                    unsafe { put::<M>(dw.as_mut_ptr().add(row * width + of_y.start + half), taps[i][j]) };
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
    (tiles, channels): (Range<usize>, Range<usize>),
    (v, stride): (Shared<'_, f32>, usize),
    x: &[f32],
    zeros: &[f32],
) {
    let from = |tile| g.input.read::<T>(x, g.place(tile, O), g.pad, zeros);
    let (first, second) = (from(tiles.start), from(tiles.end - 1));
    for channel in channels.clone().step_by(panel::<M>() / 2) {
        // SAFETY: every pointer is to all channels, of which the vector is a part.
        let mut frequencies = patch_to_frequencies(m, unsafe { gather(m, first, channel) });
        if M::DEPTH == 2 {
            // SAFETY: as above.
            let second = patch_to_frequencies(m, unsafe { gather(m, second, channel) });
            frequencies = units(m, frequencies, second, tiles.len() == 2);
        }
        put_frequencies(m, v, (channel - channels.start, stride), frequencies);
    }
}

/// A dy Aᵀ of `M::DEPTH` tiles as units, `[T²][panels][panel]`, frequencies and panels so far apart.
#[inline(always)]
fn outputs<M: Multiply, const T: usize, const O: usize>(
    m: M,
    g: &Geometry,
    (tiles, channels): (Range<usize>, Range<usize>),
    (to, stride, of_panel): (Shared<'_, f32>, usize, usize),
    dy: &[f32],
    zeros: &[f32],
) {
    let from = |tile| g.output.read::<O>(dy, g.place(tile, O), 0, zeros);
    let (first, second) = (from(tiles.start), from(tiles.end - 1));
    for channel in channels.clone().step_by(panel::<M>() / 2) {
        // SAFETY: every pointer is to all channels, of which the vector is a part.
        let mut frequencies = outputs_to_frequencies::<M, O, T>(m, unsafe { gather(m, first, channel) });
        if M::DEPTH == 2 {
            // SAFETY: as above.
            let second = outputs_to_frequencies::<M, O, T>(m, unsafe { gather(m, second, channel) });
            frequencies = units(m, frequencies, second, tiles.len() == 2);
        }
        let within = channel - channels.start;
        let at = within / panel::<M>() * of_panel + within % panel::<M>();
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
