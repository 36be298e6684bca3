//! dw = Gᵀ [ Σ over tiles of V ⊙ (A dy Aᵀ) ] G.

use super::FREQUENCIES;
use super::geometry::Geometry;
use super::transform::{self, Order, frequencies_to_weights, gather_frequencies};
use crate::error::Result;
use crate::ops::conv3x3::Conv3x3;
use crate::ops::conv3x3::pool::Gradient;
use crate::ops::heights;
use crate::ops::multiply::{Multiply, WithMultiply, dispatch_at};
use crate::ops::scratch;
use crate::ops::tile::{Factor, Onto, most_rows, panel, prefetch, product_tile, put, tile};
use crate::team::{Shared, coarse_parts, part_of, share};
use std::ops::Range;

/// See [`Conv3x3::backward_weights`]. Register tile: `P` channels of x × 2 vectors of `cout`, depth the tiles of a group, groups
/// in order. The bias's gradient is summed on the way. Threads share the pairs of channels: each transforms the inputs and the
/// gradients of its own.
pub fn backward_weights(
    op: &Conv3x3<'_>,
    (dw, db): (&mut [f32], &mut [f32]),
    x: &[f32],
    gradient: Gradient<'_, f32>,
) -> Result<()> {
    let (d, panel) = (&op.dims, super::panel_width());
    // Vectors of x's channels, panels of the output's.
    let most = [d.cin / (panel / 2), d.cout / panel];
    let count = coarse_parts(op.cost(), most[0] * most[1]);
    let of_columns = count.min(most[1]);
    let of_rows = count.div_ceil(of_columns).min(most[0]);
    let (dw, db) = (Shared::new(dw), Shared::new(db));
    share(of_rows * of_columns, |part| {
        let rows = part_of(d.cin, panel / 2, (part / of_columns, of_rows));
        let columns = part_of(d.cout, panel, (part % of_columns, of_columns));
        // SAFETY: one part has these columns and the first rows.
        let db = (rows.start == 0).then(|| unsafe { db.part(columns.clone()) });
        dispatch_at(op.precision, BackwardWeights { op, dw, db, x, gradient, rows, columns })
    })
}

struct BackwardWeights<'a> {
    op: &'a Conv3x3<'a>,
    /// Of which this part writes its rows and columns.
    dw: Shared<'a, f32>,
    db: Option<&'a mut [f32]>,
    x: &'a [f32],
    gradient: Gradient<'a, f32>,
    /// Channels of x.
    rows: Range<usize>,
    /// Channels of the output.
    columns: Range<usize>,
}

impl WithMultiply for BackwardWeights<'_> {
    type Output = Result<()>;
    #[inline(always)]
    fn with<M: Multiply>(self, m: M) -> Result<()> {
        let Self { op, dw, mut db, x, gradient, rows, columns } = self;
        let (d, g, panel, most) = (&op.dims, Geometry::new(&op.dims), panel::<M>(), most_rows::<M>());
        let (cin, cout) = (rows.len(), columns.len());
        let units = (g.group * g.tiles).div_ceil(M::DEPTH);
        let (u_len, v_len) = (FREQUENCIES * cin * cout, FREQUENCIES * units * cin);
        let mut scratch = scratch::take(u_len + v_len + FREQUENCIES * units * cout);
        // Sums as panels of two vectors of columns: [16][columns / 2 vectors][rows][2 vectors].
        let (sums, rest) = scratch.split_at_mut(u_len);
        let (v, gradients) = rest.split_at_mut(v_len);
        sums.fill(0.0);
        if let Some(db) = &mut db {
            db.fill(0.0);
        }
        for begin in (0..op.samples).step_by(g.group) {
            op.stop.check()?;
            let count = g.group.min(op.samples - begin);
            let tiles = count * g.tiles;
            let samples = &x[begin * d.input()..(begin + count) * d.input()];
            transform::inputs(m, &g, (tiles, rows.clone()), v, samples, Order::Tiles);
            let how = (Order::TilesInPanels, db.as_deref_mut());
            transform::gradients(m, &g, (begin, tiles, columns.clone()), gradients, &gradient, how);
            let units = tiles.div_ceil(M::DEPTH);
            for f in 0..FREQUENCIES {
                for first in (0..cout).step_by(panel) {
                    let place = (f * (cout / panel) + first / panel, FREQUENCIES * (cout / panel));
                    let [dy, y, winners] = gradient.tensors();
                    for tensor in [x, dy, y, winners] {
                        prefetch(g.next_part(tensor, (begin + count, op.samples), place));
                    }
                    let b = Factor { units: &gradients[(f * cout + first) * units..], row: 0, step: panel };
                    let sums = &mut sums[(f * cout + first) * cin..][..cin * panel];
                    for part in 0..heights::tiles(cin, most) {
                        let rows = heights::start(cin, most, part)..heights::start(cin, most, part + 1);
                        let a = Factor { units: &v[f * units * cin + rows.start..], row: 1, step: cin };
                        let sums = Shared::new(&mut sums[rows.start * panel..]);
                        tile!(
                            rows.len(),
                            product_tile,
                            [M,],
                            (m, sums, (panel, panel, Onto::Destination), (a, b), units)
                        )
                    }
                }
            }
        }
        for first in (0..cout).step_by(panel) {
            for channel in 0..cin {
                for half in [0, panel / 2] {
                    let at = (first * cin) + channel * panel + half;
                    let taps = frequencies_to_weights(m, gather_frequencies(m, sums, at, cin * cout));
                    for i in 0..3 {
                        for j in 0..3 {
                            let row = (i * 3 + j) * d.cin + rows.start + channel;
                            let at = row * d.cout + columns.start + first + half;
                            assert!(dw.len() >= at + panel / 2);
                            // SAFETY: asserted above; no other part has this row and these columns.
                            unsafe { put::<M>(dw.as_mut_ptr().add(at), taps[i][j]) };
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
