//! dx = Σ over tiles of B [U ⊙ (A dy Aᵀ)] Bᵀ.

use super::FREQUENCIES;
use super::geometry::Geometry;
use super::transform::{self, Order, frequencies_to_patch, gather_frequencies};
use crate::error::Result;
use crate::ops::conv3x3::Conv3x3;
use crate::ops::conv3x3::pool::Gradient;
use crate::ops::heights;
use crate::ops::multiply::{Multiply, Vector, WithMultiply, dispatch_at};
use crate::ops::scratch;
use crate::ops::tile::{load, most_rows, panel, prefetch, put};
use pulp::Simd;

/// See [`Conv3x3::backward_data`]. Register tile: `P` Winograd tiles × 2 vectors of `cin`, depth `cout`. Overlapping patches are
/// added in the order of their tiles.
pub fn backward_data(op: &Conv3x3<'_>, dx: &mut [f32], gradient: Gradient<'_, f32>, weight: &[f32]) -> Result<()> {
    dispatch_at(op.precision, BackwardData { op, dx, gradient, weight })
}

struct BackwardData<'a> {
    op: &'a Conv3x3<'a>,
    dx: &'a mut [f32],
    gradient: Gradient<'a, f32>,
    weight: &'a [f32],
}

impl WithMultiply for BackwardData<'_> {
    type Output = Result<()>;
    #[inline(always)]
    fn with<M: Multiply>(self, m: M) -> Result<()> {
        let Self { op, dx, gradient, weight } = self;
        let (d, g, panel, most) = (&op.dims, Geometry::new(&op.dims), panel::<M>(), most_rows::<M>());
        let depth = d.cout / M::DEPTH;
        let (u_len, v_len) = (FREQUENCIES * depth * d.cin, FREQUENCIES * g.group * g.tiles * depth);
        let products_len = FREQUENCIES * most * panel;
        let mut scratch = scratch::take(u_len + v_len + products_len.max(weight.len()));
        let (u, rest) = scratch.split_at_mut(u_len);
        let (v, products) = rest.split_at_mut(v_len);
        let transposed = &mut products[..weight.len()];
        transpose(transposed, weight, (d.cin, d.cout));
        transform::weights(m, u, transposed, (d.cout, d.cin));
        for begin in (0..op.samples).step_by(g.group) {
            op.stop.check()?;
            let count = g.group.min(op.samples - begin);
            let tiles = count * g.tiles;
            transform::gradients(m, &g, (begin, tiles, 0..d.cout), v, &gradient, (Order::Channels, None));
            let dx = &mut dx[begin * d.input()..(begin + count) * d.input()];
            dx.fill(0.0);
            for part in 0..heights::tiles(tiles, most) {
                let rows = heights::start(tiles, most, part)..heights::start(tiles, most, part + 1);
                for first in (0..d.cin).step_by(panel) {
                    let place = (part * (d.cin / panel) + first / panel, heights::tiles(tiles, most) * (d.cin / panel));
                    for tensor in gradient.tensors() {
                        prefetch(g.next_part(tensor, (begin + count, op.samples), place));
                    }
                    super::products(m, products, (v, tiles, rows.clone()), (u, d.cin, first), depth);
                    for (row, tile) in rows.clone().enumerate() {
                        let place = g.patch(tile);
                        for half in [0, panel / 2] {
                            let frequencies = gather_frequencies(m, products, row * panel + half, most * panel);
                            let patch = frequencies_to_patch(m, frequencies);
                            add(m, &g, place, first + half, patch, dx);
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// Adds the patch of the tile at a place to the group's dx.
#[inline(always)]
fn add<M: Multiply>(
    m: M,
    g: &Geometry,
    (start, rows, columns): (usize, usize, usize),
    channel: usize,
    patch: [[Vector<M>; 4]; 4],
    dx: &mut [f32],
) {
    let d = &g.dims;
    let last = start + ((rows - 1) * d.width + columns - 1) * d.cin + channel;
    assert!(dx.len() >= last + panel::<M>() / 2);
    if rows == 4 && columns == 4 {
        // Most tiles, without a branch for each value.
        for row in 0..4 {
            for column in 0..4 {
                // SAFETY: asserted above.
                unsafe {
                    let to = dx.as_mut_ptr().add(start + (row * d.width + column) * d.cin + channel);
                    put::<M>(to, m.simd().add_f32s(load::<M>(to), patch[row][column]));
                }
            }
        }
        return;
    }
    for row in 0..4 {
        for column in 0..4 {
            if row < rows && column < columns {
                // SAFETY: asserted above.
                unsafe {
                    let to = dx.as_mut_ptr().add(start + (row * d.width + column) * d.cin + channel);
                    put::<M>(to, m.simd().add_f32s(load::<M>(to), patch[row][column]));
                }
            }
        }
    }
}

/// `[9][rows][columns]` to `[9][columns][rows]`.
#[inline(always)]
fn transpose(to: &mut [f32], from: &[f32], (rows, columns): (usize, usize)) {
    for (to, from) in to.chunks_exact_mut(rows * columns).zip(from.chunks_exact(rows * columns)) {
        for (row, from) in from.chunks_exact(columns).enumerate() {
            for (to, value) in to[row..].iter_mut().step_by(rows).zip(from) {
                *to = *value;
            }
        }
    }
}
