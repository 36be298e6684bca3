//! y = dropout(pool(relu(Aᵀ [U ⊙ V] A + bias))).

use super::FREQUENCIES;
use super::geometry::Geometry;
use super::transform::{self, Order, frequencies_to_outputs, gather_frequencies};
use crate::error::Result;
use crate::ops::conv3x3::Run;
use crate::ops::heights;
use crate::ops::multiply::{Multiply, Vector, WithMultiply, dispatch_at};
use crate::ops::scratch;
use crate::ops::tile::{load, most_rows, panel, prefetch, put};
use pulp::Simd;

/// See [`crate::ops::conv3x3::Conv3x3::forward`]. Register tile: `P` Winograd tiles × 2 vectors of `cout`, depth `cin`; the 16
/// frequencies of these go through the output transform while they are in the first-level cache.
pub fn forward(run: Run<'_>) -> Result<()> {
    dispatch_at(run.op.precision, Forward(run))
}

struct Forward<'a>(Run<'a>);

impl WithMultiply for Forward<'_> {
    type Output = Result<()>;
    #[inline(always)]
    fn with<M: Multiply>(self, m: M) -> Result<()> {
        let Run { op, dropout, y, winners, x, weight, bias } = self.0;
        let (d, g, panel, most) = (&op.dims, Geometry::new(&op.dims), panel::<M>(), most_rows::<M>());
        let depth = d.cin / M::DEPTH;
        let (u_len, v_len) = (FREQUENCIES * depth * d.cout, FREQUENCIES * g.group * g.tiles * depth);
        let mut scratch = scratch::take(u_len + v_len + FREQUENCIES * most * panel);
        let (u, rest) = scratch.split_at_mut(u_len);
        let (v, products) = rest.split_at_mut(v_len);
        transform::weights(m, u, weight, (d.cin, d.cout));
        for begin in (0..op.samples).step_by(g.group) {
            op.stop.check()?;
            let count = g.group.min(op.samples - begin);
            let tiles = count * g.tiles;
            let samples = &x[begin * d.input()..(begin + count) * d.input()];
            transform::inputs(m, &g, (tiles, 0..d.cin), v, samples, Order::Channels);
            let part = begin * d.output()..(begin + count) * d.output();
            let y = &mut y[part.clone()];
            let winners = if d.pool { &mut winners[part] } else { &mut [][..] };
            for part in 0..heights::tiles(tiles, most) {
                let rows = heights::start(tiles, most, part)..heights::start(tiles, most, part + 1);
                for first in (0..d.cout).step_by(panel) {
                    let place =
                        (part * (d.cout / panel) + first / panel, heights::tiles(tiles, most) * (d.cout / panel));
                    prefetch(g.next_part(x, (begin + count, op.samples), place));
                    super::products(m, products, (v, tiles, rows.clone()), (u, d.cout, first), depth);
                    for (row, tile) in rows.clone().enumerate() {
                        let place = if d.pool { (tile * d.cout, 0, 0) } else { g.outputs(tile) };
                        for half in [0, panel / 2] {
                            let frequencies = gather_frequencies(m, products, row * panel + half, most * panel);
                            let channel = first + half;
                            assert!(channel + panel / 2 <= bias.len());
                            // SAFETY: asserted above.
                            let bias = unsafe { load::<M>(bias.as_ptr().add(channel)) };
                            let mut out = frequencies_to_outputs(m, frequencies);
                            for row in 0..2 {
                                for column in 0..2 {
                                    let value = m.simd().add_f32s(out[row][column], bias);
                                    out[row][column] = m.simd().max_f32s(value, m.simd().splat_f32s(0.0));
                                }
                            }
                            store(m, &g, place, channel, out, y, winners);
                        }
                    }
                }
            }
            if let Some(dropout) = &dropout {
                for (sample, y) in y.chunks_exact_mut(d.output()).enumerate() {
                    dropout.apply(begin + sample, y);
                }
            }
        }
        Ok(())
    }
}

/// Stores the four outputs of the tile at a place, or their maximum and which it is.
#[inline(always)]
fn store<M: Multiply>(
    m: M,
    g: &Geometry,
    (start, rows, columns): (usize, usize, usize),
    channel: usize,
    out: [[Vector<M>; 2]; 2],
    y: &mut [f32],
    winners: &mut [f32],
) {
    let lanes = panel::<M>() / 2;
    if !g.dims.pool {
        let d = &g.dims;
        for row in 0..2 {
            for column in 0..2 {
                if (rows == 2 && columns == 2) || (row < rows && column < columns) {
                    let at = start + (row * d.conv_width() + column) * d.cout + channel;
                    assert!(y.len() >= at + lanes);
                    // SAFETY: asserted above.
                    unsafe { put::<M>(y.as_mut_ptr().add(at), out[row][column]) };
                }
            }
        }
        return;
    }
    let s = m.simd();
    let (zero, one) = (s.splat_f32s(0.0), s.splat_f32s(1.0));
    let (two, three) = (s.splat_f32s(2.0), s.splat_f32s(3.0));
    let [[a, b], [c, d]] = out;
    let upper = greater(m, (a, zero), (b, one));
    let lower = greater(m, (c, two), (d, three));
    let (value, winner) = greater(m, upper, lower);
    let place = start + channel;
    assert!(y.len() >= place + lanes && winners.len() >= place + lanes);
    // SAFETY: asserted above.
    unsafe {
        put::<M>(y.as_mut_ptr().add(place), value);
        put::<M>(winners.as_mut_ptr().add(place), winner);
    }
}

/// The greater of two values with its place, the first of equals.
#[inline(always)]
fn greater<M: Multiply>(
    m: M,
    (first, at_first): (Vector<M>, Vector<M>),
    (second, at_second): (Vector<M>, Vector<M>),
) -> (Vector<M>, Vector<M>) {
    let s = m.simd();
    let is_second = s.greater_than_f32s(second, first);
    (s.select_f32s(is_second, second, first), s.select_f32s(is_second, at_second, at_first))
}
