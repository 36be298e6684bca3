//! dw = Gᵀ [ Σ over tiles of V ⊙ (A dy Aᵀ) ] G.

use super::FREQUENCIES;
use super::geometry::Geometry;
use super::transform::{self, Order, frequencies_to_weights, gather_frequencies};
use crate::error::Result;
use crate::ops::conv3x3::Conv3x3;
use crate::ops::conv3x3::pool::Gradient;
use crate::ops::multiply::{Multiply, WithMultiply, dispatch_at};
use crate::ops::scratch;
use crate::ops::simd::split;
use crate::ops::tile::{Factor, most_rows, panel, prefetch, product_tile, put, tile};

/// See [`Conv3x3::backward_weights`]. Register tile: `P` channels of x × 2 vectors of `cout`, depth the tiles of a group, groups
/// in order. The bias's gradient is summed on the way.
pub fn backward_weights(
    op: &Conv3x3<'_>,
    (dw, db): (&mut [f32], &mut [f32]),
    x: &[f32],
    gradient: Gradient<'_, f32>,
) -> Result<()> {
    dispatch_at(op.precision, BackwardWeights { op, dw, db, x, gradient })
}

struct BackwardWeights<'a> {
    op: &'a Conv3x3<'a>,
    dw: &'a mut [f32],
    db: &'a mut [f32],
    x: &'a [f32],
    gradient: Gradient<'a, f32>,
}

impl WithMultiply for BackwardWeights<'_> {
    type Output = Result<()>;
    #[inline(always)]
    fn with<M: Multiply>(self, m: M) -> Result<()> {
        let Self { op, dw, db, x, gradient } = self;
        let (d, g, panel, most) = (&op.dims, Geometry::new(&op.dims), panel::<M>(), most_rows::<M>());
        let units = (g.group * g.tiles).div_ceil(M::DEPTH);
        let (u_len, v_len) = (FREQUENCIES * d.cin * d.cout, FREQUENCIES * units * d.cin);
        let mut scratch = scratch::take(u_len + v_len + FREQUENCIES * units * d.cout);
        // Sums as panels of two vectors of cout: [16][cout / 2 vectors][cin][2 vectors].
        let (sums, rest) = scratch.split_at_mut(u_len);
        let (v, gradients) = rest.split_at_mut(v_len);
        sums.fill(0.0);
        db.fill(0.0);
        for begin in (0..op.samples).step_by(g.group) {
            op.stop.check()?;
            let count = g.group.min(op.samples - begin);
            let tiles = count * g.tiles;
            transform::inputs(m, &g, tiles, v, &x[begin * d.input()..(begin + count) * d.input()], Order::Tiles);
            let how = (Order::TilesInPanels, Some(&mut *db));
            transform::gradients(m, &g, (begin, tiles), gradients, &gradient, how);
            let units = tiles.div_ceil(M::DEPTH);
            for f in 0..FREQUENCIES {
                for first in (0..d.cout).step_by(panel) {
                    let place = (f * (d.cout / panel) + first / panel, FREQUENCIES * (d.cout / panel));
                    let [dy, y, winners] = gradient.tensors();
                    for tensor in [x, dy, y, winners] {
                        prefetch(g.next_part(tensor, (begin + count, op.samples), place));
                    }
                    let b = Factor { units: &gradients[(f * d.cout + first) * units..], row: 0, step: panel };
                    let sums = &mut sums[(f * d.cout + first) * d.cin..][..d.cin * panel];
                    for part in 0..d.cin.div_ceil(most) {
                        let rows = split(d.cin, most, part)..split(d.cin, most, part + 1);
                        let a = Factor { units: &v[f * units * d.cin + rows.start..], row: 1, step: d.cin };
                        let sums = &mut sums[rows.start * panel..];
                        tile!(rows.len(), product_tile, [M,], (m, sums, (panel, panel, true), (a, b), units))
                    }
                }
            }
        }
        for first in (0..d.cout).step_by(panel) {
            for channel in 0..d.cin {
                for half in [0, panel / 2] {
                    let at = (first * d.cin) + channel * panel + half;
                    let taps = frequencies_to_weights(m, gather_frequencies(m, sums, at, d.cin * d.cout));
                    for i in 0..3 {
                        for j in 0..3 {
                            let at = ((i * 3 + j) * d.cin + channel) * d.cout + first + half;
                            assert!(dw.len() >= at + panel / 2);
                            // SAFETY: asserted above.
                            unsafe { put::<M>(dw.as_mut_ptr().add(at), taps[i][j]) };
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
