//! dx = dy * weightᵀ.

use super::tile::{Tile, accumulate, assert_rows, most_rows, pack, packed_len, store, tile};
use crate::error::Result;
use crate::ops::conv3x3::Dims;
use crate::ops::simd::{dispatch, split};
use crate::ops::{StopFlag, scratch};
use pulp::{Simd, WithSimd};

/// See [`crate::ops::conv3x3::Conv3x3::backward_data`]. Tile: `P` pixels of one input row × 2 vectors of `cin`; depth 3 · 3 · `cout`.
/// Taps that would leave dy are left out, so borders cost nothing.
pub fn backward_data(
    dims: &Dims,
    samples: usize,
    stop: &StopFlag,
    dx: &mut [f32],
    dy: &[f32],
    weight: &[f32],
) -> Result<()> {
    struct Run<'a>(&'a Dims, usize, &'a StopFlag, &'a mut [f32], &'a [f32], &'a [f32]);
    impl WithSimd for Run<'_> {
        type Output = Result<()>;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Result<()> {
            let Run(d, samples, stop, dx, dy, weight) = self;
            let panel = 2 * S::F32_LANES;
            let depth = 9 * d.cout;
            let mut packed = scratch::take(packed_len::<S>(depth, d.cin));
            let packed = &mut *packed;
            // Row (tap, o), column k.
            pack::<S>(packed, (depth, d.cin), weight, |r| (r / d.cout * d.cin * d.cout + r % d.cout, d.cout));
            for (dx, dy) in dx.chunks_exact_mut(d.input()).zip(dy.chunks_exact(d.output())).take(samples) {
                stop.check()?;
                for (first, packed) in (0..d.cin).step_by(panel).zip(packed.chunks_exact(depth * panel)) {
                    for row in 0..d.height {
                        backward_row(simd, d, row, first, dx, dy, packed);
                    }
                }
            }
            Ok(())
        }
    }
    dispatch(Run(dims, samples, stop, dx, dy, weight))
}

#[inline(always)]
fn backward_row<S: Simd>(simd: S, d: &Dims, row: usize, first: usize, dx: &mut [f32], dy: &[f32], packed: &[f32]) {
    let most = most_rows::<S>();
    let parts = d.width.div_ceil(most);
    for part in 0..parts {
        let (from, to) = (split(d.width, most, part), split(d.width, most, part + 1));
        let dx = &mut dx[(row * d.width + from) * d.cin + first..];
        let channels = (d.cin - first).min(2 * S::F32_LANES);
        let args = BackwardTile { d, row, from, channels };
        match (part == 0, part + 1 == parts) {
            (true, true) => tile!(to - from, backward_tile, [S, true, true,], (simd, args, dx, dy, packed)),
            (true, false) => tile!(to - from, backward_tile, [S, true, false,], (simd, args, dx, dy, packed)),
            (false, true) => tile!(to - from, backward_tile, [S, false, true,], (simd, args, dx, dy, packed)),
            (false, false) => tile!(to - from, backward_tile, [S, false, false,], (simd, args, dx, dy, packed)),
        }
    }
}

struct BackwardTile<'a> {
    d: &'a Dims,
    row: usize,
    from: usize,
    channels: usize,
}

/// `LEFT` and `RIGHT` say whether the tile begins or ends the row; there tap j reaches only the pixels p ≥ j, or p < P − 2 + j.
#[inline(always)]
fn backward_tile<S: Simd, const LEFT: bool, const RIGHT: bool, const P: usize>(
    simd: S,
    args: BackwardTile<'_>,
    dx: &mut [f32],
    dy: &[f32],
    packed: &[f32],
) {
    assert_rows::<S, P>();
    let BackwardTile { d, row, from, channels } = args;
    let panel = 2 * S::F32_LANES;
    // A part of a split row has at least 4 pixels, a whole row at least 3, so the two outermost belong to this tile.
    assert!(
        if LEFT { from == 0 } else { from >= 2 } && if RIGHT { from + P == d.width } else { from + P + 2 <= d.width }
    );
    assert!(dy.len() == d.output() && packed.len() >= 9 * d.cout * panel && dx.len() >= (P - 1) * d.cin + channels);
    let mut tile: Tile<S, P> = [[simd.splat_f32s(0.0); 2]; P];
    for i in 0..3 {
        let Some(dy_row) = row.checked_sub(i).filter(|dy_row| *dy_row < d.out_height()) else { continue };
        let dy = dy[dy_row * d.out_width() * d.cout..].as_ptr();
        // Pixel p of the tile takes tap j from column from + p − j of dy.
        let column = |j: usize| dy.wrapping_add(from * d.cout).wrapping_sub(j * d.cout);
        let tap = |j: usize| packed[(i * 3 + j) * d.cout * panel..].as_ptr();
        // SAFETY: the row bounds above and the ranges below keep every column inside 0..out_width; depth is cout values
        // of one pixel; each tap's panel has cout rows.
        unsafe {
            let end = |j: usize| if RIGHT { P - 2 + j } else { P };
            accumulate(simd, &mut tile, 0..end(0), (column(0), d.cout), tap(0), d.cout);
            accumulate(simd, &mut tile, LEFT as usize..end(1), (column(1), d.cout), tap(1), d.cout);
            accumulate(simd, &mut tile, 2 * LEFT as usize..end(2), (column(2), d.cout), tap(2), d.cout);
        }
    }
    // SAFETY: asserted above.
    unsafe { store(simd, &tile, dx.as_mut_ptr(), d.cin, channels) }
}
