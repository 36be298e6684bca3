//! y = Aᵀ [U ⊙ V] A + bias, and dx as the same of dy.

use super::transform::{
    frequencies_to_outputs, gather, gather_frequencies, patch_to_frequencies, turned_weights, weights,
};
use super::{Geometry, LINE};
use crate::error::Result;
use crate::ops::conv::Conv;
use crate::ops::heights;
use crate::ops::multiply::{Multiply, WithMultiply, dispatch_at};
use crate::ops::scratch;
use crate::ops::tile::{Factor, Onto, load, most_rows, panel, prefetch, product_tile, put, tile};
use crate::team::{Cost, Shared, part_of, parts, share};
use crate::tensor::StopFlag;
use pulp::Simd;
use std::ops::Range;

/// Tiles at a time, at most: V of them and a panel of U fit into a second-level cache of 1 MiB with 64 channels, and U is read
/// from memory once for all of them.
const GROUP: usize = 66;

/// See [`Conv::forward`]. Register tile: `P` Winograd tiles × 2 vectors of `cout`, depth `cin`; the frequencies of these go through
/// the output transform while they are in the caches.
pub fn forward(op: &Conv<'_>, y: &mut [f32], x: &[f32], (weight, bias): (&[f32], Option<&[f32]>)) -> Result<()> {
    run(op, Geometry::forward(&op.dims, op.samples), false, y, x, (weight, bias))
}

/// See [`Conv::backward_data`].
pub fn backward_data(op: &Conv<'_>, dx: &mut [f32], dy: &[f32], weight: &[f32]) -> Result<()> {
    run(op, Geometry::backward(&op.dims, op.samples), true, dx, dy, (weight, None))
}

/// Threads share the panels of U, and then the tiles. If `turned`, the kernel is turned round and its channels exchanged.
fn run(
    op: &Conv<'_>,
    geometry: Geometry,
    turned: bool,
    y: &mut [f32],
    x: &[f32],
    (weight, bias): (&[f32], Option<&[f32]>),
) -> Result<()> {
    let Sizes { panel, len, tiles } = dispatch_at(op.precision, SizesOf(geometry));
    let mut u = scratch::take(len);
    let (columns, shared) = (geometry.output.channels, Shared::new(&mut u));
    // Each value of U takes about 8 operations.
    let count = parts(Cost { multiply_adds: 8 * len, ..Cost::of_values(len) }, columns.div_ceil(panel));
    share(count, |part| {
        for first in part_of(columns, panel, (part, count)).step_by(panel) {
            dispatch_at(op.precision, Weights { geometry, turned, first, u: shared, weight });
        }
        Ok(())
    })?;
    let (u, y) = (&*u, Shared::new(y));
    let count = parts(op.cost(), tiles.div_ceil(TILES));
    share(count, |part| {
        let tiles = part_of(tiles, TILES, (part, count));
        dispatch_at(op.precision, Pass { geometry, tiles, u, y, x, bias, stop: op.stop })
    })
}

/// Parts begin at multiples of so many tiles.
const TILES: usize = 13;

/// Asks for what depends on the instruction set and the precision.
struct SizesOf(Geometry);

struct Sizes {
    /// Columns of a panel.
    panel: usize,
    /// Of U.
    len: usize,
    /// Of the batch.
    tiles: usize,
}

impl WithMultiply for SizesOf {
    type Output = Sizes;
    #[inline(always)]
    fn with<M: Multiply>(self, _: M) -> Sizes {
        let outputs = self.0.outputs_of::<M>();
        let len = (outputs + 2) * (outputs + 2) * self.0.shape().stride::<M>();
        Sizes { panel: panel::<M>(), len, tiles: self.0.tiles(outputs).2 }
    }
}

struct Weights<'a> {
    geometry: Geometry,
    turned: bool,
    /// The first column of the panel.
    first: usize,
    u: Shared<'a, f32>,
    weight: &'a [f32],
}

impl WithMultiply for Weights<'_> {
    type Output = ();
    #[inline(always)]
    fn with<M: Multiply>(self, m: M) {
        let Self { geometry, turned, first, u, weight } = self;
        let shape = geometry.shape();
        match (geometry.outputs_of::<M>() == 4, turned) {
            (true, false) => weights::<M, 6>(m, shape, first, u, weight),
            (true, true) => turned_weights::<M, 6>(m, shape, first, u, weight),
            (false, false) => weights::<M, 4>(m, shape, first, u, weight),
            (false, true) => turned_weights::<M, 4>(m, shape, first, u, weight),
        }
    }
}

struct Pass<'a> {
    geometry: Geometry,
    /// Which tiles.
    tiles: Range<usize>,
    u: &'a [f32],
    /// Of which this part writes its tiles' outputs.
    y: Shared<'a, f32>,
    x: &'a [f32],
    bias: Option<&'a [f32]>,
    stop: &'a StopFlag,
}

impl WithMultiply for Pass<'_> {
    type Output = Result<()>;
    #[inline(always)]
    fn with<M: Multiply>(self, m: M) -> Result<()> {
        if self.geometry.outputs_of::<M>() == 4 { pass::<M, 6, 4>(m, self) } else { pass::<M, 4, 2>(m, self) }
    }
}

/// Tiles of `O` × `O` outputs from `T` × `T` inputs.
#[inline(always)]
fn pass<M: Multiply, const T: usize, const O: usize>(m: M, run: Pass<'_>) -> Result<()> {
    let Pass { geometry: g, tiles: Range { start, end: tiles }, u, y, x, bias, stop } = run;
    let (panel, most) = (panel::<M>(), most_rows::<M>());
    let (cin, cout) = (g.input.channels, g.output.channels);
    let (depth, padded, group) =
        (cin / M::DEPTH, cout.next_multiple_of(panel), (tiles - start).min(GROUP / most * most));
    let (u_stride, v_stride) = (g.shape().stride::<M>(), group * depth + LINE);
    let mut scratch = scratch::take(cin + 2 * padded + T * T * (most * panel + v_stride));
    let (zeros, rest) = scratch.split_at_mut(cin);
    let (biases, rest) = rest.split_at_mut(padded);
    let (beyond, rest) = rest.split_at_mut(padded);
    let (products, v) = rest.split_at_mut(T * T * most * panel);
    zeros.fill(0.0);
    biases.fill(0.0);
    if let Some(bias) = bias {
        biases[..cout].copy_from_slice(bias);
    }
    for begin in (start..tiles).step_by(group) {
        stop.check()?;
        let count = group.min(tiles - begin);
        inputs::<M, T, O>(m, &g, begin..begin + count, (v, v_stride), x, zeros);
        // A panel of U stays in the second-level cache for all tiles.
        for first in (0..cout).step_by(panel) {
            for part in 0..heights::tiles(count, most) {
                let rows = heights::start(count, most, part)..heights::start(count, most, part + 1);
                let parts = heights::tiles(count, most);
                let place = (first / panel * parts + part, padded / panel * parts);
                prefetch(g.part(&g.input, x, (begin + count..tiles.min(begin + count + group), O), place));
                for f in 0..T * T {
                    let a = Factor { units: &v[f * v_stride + rows.start * depth..], row: depth, step: 1 };
                    let b = Factor { units: &u[f * u_stride + first * depth..], row: 0, step: panel };
                    let to = Shared::new(&mut products[f * most * panel..]);
                    tile!(rows.len(), product_tile, [M,], (m, to, (panel, panel, Onto::Nothing), (a, b), depth))
                }
                let rows = begin + rows.start..begin + rows.end;
                outputs::<M, T, O>(m, &g, (rows, first), products, (y, beyond), biases);
            }
        }
    }
    Ok(())
}

/// V = Bᵀ d B of tiles, `[T²][tiles][cin as units]`, frequencies `stride` apart.
#[inline(always)]
fn inputs<M: Multiply, const T: usize, const O: usize>(
    m: M,
    g: &Geometry,
    tiles: Range<usize>,
    (v, stride): (&mut [f32], usize),
    x: &[f32],
    zeros: &[f32],
) {
    let (channels, depth) = (g.input.channels, g.input.channels / M::DEPTH);
    assert!(channels.is_multiple_of(panel::<M>() / 2) && v.len() >= (T * T - 1) * stride + tiles.len() * depth);
    for (at, tile) in tiles.enumerate() {
        let from = g.input.read::<T>(x, g.place(tile, O), g.pad, zeros);
        for channel in (0..channels).step_by(panel::<M>() / 2) {
            // SAFETY: every pointer is to `channels` values, of which the vector is a part.
            let frequencies = patch_to_frequencies(m, unsafe { gather(m, from, channel) });
            for i in 0..T {
                for j in 0..T {
                    // SAFETY: asserted above.
                    unsafe {
                        let to = v.as_mut_ptr().add((i * T + j) * stride + at * depth);
                        m.put_values(to, channel, frequencies[i][j]);
                    }
                }
            }
        }
    }
}

/// The outputs of tiles and of the panel of channels from `first` on, from `[T²][most rows][panel]`. Those outside go `beyond`.
#[inline(always)]
fn outputs<M: Multiply, const T: usize, const O: usize>(
    m: M,
    g: &Geometry,
    (tiles, first): (Range<usize>, usize),
    products: &[f32],
    (y, beyond): (Shared<'_, f32>, &mut [f32]),
    biases: &[f32],
) {
    let (panel, most, channels) = (panel::<M>(), most_rows::<M>(), g.output.channels);
    assert!(channels.is_multiple_of(panel / 2) && biases.len() >= channels && beyond.len() >= channels);
    for (row, tile) in tiles.enumerate() {
        let places = g.output.pixels::<O>(g.place(tile, O), 0);
        let mut to = [[beyond.as_mut_ptr(); O]; O];
        for i in 0..O {
            for j in 0..O {
                if let Some(at) = places[i][j] {
                    // No other part has this pixel.
                    assert!(at + channels <= y.len());
                    to[i][j] = y.as_mut_ptr().wrapping_add(at);
                }
            }
        }
        for half in [0, panel / 2] {
            let channel = first + half;
            if channel >= channels {
                continue;
            }
            let frequencies = gather_frequencies::<M, T>(m, products, row * panel + half, most * panel);
            let out = frequencies_to_outputs::<M, T, O>(m, frequencies);
            // SAFETY: asserted above.
            let bias = unsafe { load::<M>(biases.as_ptr().add(channel)) };
            for i in 0..O {
                for j in 0..O {
                    // SAFETY: every pointer is to `channels` values, of which the vector is a part.
                    unsafe { put::<M>(to[i][j].add(channel), m.simd().add_f32s(out[i][j], bias)) };
                }
            }
        }
    }
}
