//! y = Aᵀ [U ⊙ V] A + bias, and dx as the same of dy.

use super::transform::{
    Shape, frequencies_to_outputs, gather, gather_frequencies, patch_to_frequencies, turned_weights, weights,
};
use super::{Geometry, LINE};
use crate::error::Result;
use crate::ops::conv::Conv;
use crate::ops::multiply::{Multiply, WithMultiply, dispatch_at};
use crate::ops::scratch;
use crate::ops::simd::split;
use crate::ops::tile::{Factor, load, most_rows, panel, prefetch, product_tile, put, tile};
use crate::tensor::StopFlag;
use pulp::Simd;
use std::ops::Range;

/// Tiles at a time, at most: V of them and a panel of U fit into a second-level cache of 1 MiB with 64 channels, and U is read
/// from memory once for all of them.
const GROUP: usize = 66;

/// See [`Conv::forward`]. Register tile: `P` Winograd tiles × 2 vectors of `cout`, depth `cin`; the frequencies of these go through
/// the output transform while they are in the caches.
pub fn forward(op: &Conv<'_>, y: &mut [f32], x: &[f32], (weight, bias): (&[f32], Option<&[f32]>)) -> Result<()> {
    let geometry = Geometry::forward(&op.dims, op.samples);
    dispatch_at(op.precision, Pass { geometry, turned: false, y, x, weight, bias, stop: op.stop })
}

/// See [`Conv::backward_data`].
pub fn backward_data(op: &Conv<'_>, dx: &mut [f32], dy: &[f32], weight: &[f32]) -> Result<()> {
    let geometry = Geometry::backward(&op.dims, op.samples);
    dispatch_at(op.precision, Pass { geometry, turned: true, y: dx, x: dy, weight, bias: None, stop: op.stop })
}

struct Pass<'a> {
    geometry: Geometry,
    /// Whether the kernel is to be turned round, and its channels exchanged.
    turned: bool,
    y: &'a mut [f32],
    x: &'a [f32],
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
    stop: &'a StopFlag,
}

impl WithMultiply for Pass<'_> {
    type Output = Result<()>;
    #[inline(always)]
    fn with<M: Multiply>(self, m: M) -> Result<()> {
        if M::DEPTH == 1 && self.geometry.prefers_large() { pass::<M, 6, 4>(m, self) } else { pass::<M, 4, 2>(m, self) }
    }
}

/// Tiles of `O` × `O` outputs from `T` × `T` inputs.
#[inline(always)]
fn pass<M: Multiply, const T: usize, const O: usize>(m: M, run: Pass<'_>) -> Result<()> {
    let Pass { geometry: g, turned, y, x, weight, bias, stop } = run;
    let (panel, most) = (panel::<M>(), most_rows::<M>());
    let (cin, cout, (_, _, tiles)) = (g.input.channels, g.output.channels, g.tiles(O));
    let (depth, padded, group) = (cin / M::DEPTH, cout.next_multiple_of(panel), tiles.min(GROUP / most * most));
    let shape = Shape { rows: cin, columns: cout };
    let (u_stride, v_stride) = (shape.stride::<M>(), group * depth + LINE);
    let v_len = (T * T * v_stride).max(if turned { shape.turned::<M>() } else { 0 });
    let mut scratch = scratch::take(cin + 2 * padded + T * T * (u_stride + most * panel) + v_len);
    let (zeros, rest) = scratch.split_at_mut(cin);
    let (biases, rest) = rest.split_at_mut(padded);
    let (beyond, rest) = rest.split_at_mut(padded);
    let (u, rest) = rest.split_at_mut(T * T * u_stride);
    let (products, v) = rest.split_at_mut(T * T * most * panel);
    zeros.fill(0.0);
    biases.fill(0.0);
    if let Some(bias) = bias {
        biases[..cout].copy_from_slice(bias);
    }
    if turned {
        turned_weights::<M, T>(m, shape, u, v, weight);
    } else {
        weights::<M, T>(m, shape, u, weight);
    }
    for begin in (0..tiles).step_by(group) {
        stop.check()?;
        let count = group.min(tiles - begin);
        inputs::<M, T, O>(m, &g, begin..begin + count, (v, v_stride), x, zeros);
        // A panel of U stays in the second-level cache for all tiles.
        for first in (0..cout).step_by(panel) {
            for part in 0..count.div_ceil(most) {
                let rows = split(count, most, part)..split(count, most, part + 1);
                let parts = count.div_ceil(most);
                let place = (first / panel * parts + part, padded / panel * parts);
                prefetch(g.part(&g.input, x, (begin + count..tiles.min(begin + count + group), O), place));
                for f in 0..T * T {
                    let a = Factor { units: &v[f * v_stride + rows.start * depth..], row: depth, step: 1 };
                    let b = Factor { units: &u[f * u_stride + first * depth..], row: 0, step: panel };
                    let to = &mut products[f * most * panel..];
                    tile!(rows.len(), product_tile, [M,], (m, to, (panel, panel, false), (a, b), depth))
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
    (y, beyond): (&mut [f32], &mut [f32]),
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
                    to[i][j] = y[at..at + channels].as_mut_ptr();
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
