//! dw = xᵀ * dy and db = Σ dy.

use super::tile::{Tile, assert_rows, load2, most_rows, pack, store, tile};
use crate::error::Result;
use crate::ops::conv3x3::Dims;
use crate::ops::simd::{dispatch, split};
use crate::ops::{StopFlag, scratch};
use pulp::{Simd, WithSimd};

/// Samples whose gradients are summed before the weight-gradient tiles go back to memory: their activations and one
/// tile of channels stay in the first-level cache, while loads and stores of the tile stay under 2 % of the work.
const WEIGHT_GRADIENT_SAMPLES: usize = 2;
/// See [`crate::ops::conv3x3::Conv3x3::backward_weights`]. Tile: `P` of the 3 · `cin` weights of a tap row × 2 vectors of `cout`, summed
/// over the pixels of two samples at a time, samples in order.
pub fn backward_weights(
    dims: &Dims,
    samples: usize,
    stop: &StopFlag,
    dw: &mut [f32],
    x: &[f32],
    dy: &[f32],
) -> Result<()> {
    struct Run<'a>(&'a Dims, usize, &'a StopFlag, &'a mut [f32], &'a [f32], &'a [f32]);
    impl WithSimd for Run<'_> {
        type Output = Result<()>;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Result<()> {
            let Run(d, samples, stop, dw, x, dy) = self;
            let panel = 2 * S::F32_LANES;
            let columns = d.cout.next_multiple_of(panel);
            let pixels = WEIGHT_GRADIENT_SAMPLES * d.out_height() * d.out_width();
            let mut scratch = scratch::take(columns * 9 * d.cin + pixels * panel);
            // Sums as panels of two vectors of cout: [cout / 2 vectors][9 · cin][2 vectors].
            let (sums, dy_panel) = scratch.split_at_mut(columns * 9 * d.cin);
            sums.fill(0.0);
            for begin in (0..samples).step_by(WEIGHT_GRADIENT_SAMPLES) {
                stop.check()?;
                let count = WEIGHT_GRADIENT_SAMPLES.min(samples - begin);
                let x = &x[begin * d.input()..(begin + count) * d.input()];
                let dy = &dy[begin * d.output()..(begin + count) * d.output()];
                for (first, sums) in (0..d.cout).step_by(panel).zip(sums.chunks_exact_mut(9 * d.cin * panel)) {
                    let dy = if d.cout == panel {
                        dy
                    } else {
                        let rows = dy.len() / d.cout;
                        let used = (d.cout - first).min(panel);
                        pack::<S>(&mut dy_panel[..rows * panel], (rows, used), dy, |r| (r * d.cout + first, 1));
                        &*dy_panel
                    };
                    for i in 0..3 {
                        weight_gradient_rows(simd, d, i, count, sums, x, dy);
                    }
                }
            }
            for (first, sums) in (0..d.cout).step_by(panel).zip(sums.chunks_exact(9 * d.cin * panel)) {
                let channels = (d.cout - first).min(panel);
                for (sums, dw) in sums.chunks_exact(panel).zip(dw.chunks_exact_mut(d.cout)) {
                    dw[first..first + channels].copy_from_slice(&sums[..channels]);
                }
            }
            Ok(())
        }
    }
    dispatch(Run(dims, samples, stop, dw, x, dy))
}

#[inline(always)]
fn weight_gradient_rows<S: Simd>(simd: S, d: &Dims, i: usize, count: usize, sums: &mut [f32], x: &[f32], dy: &[f32]) {
    let most = most_rows::<S>();
    let panel = 2 * S::F32_LANES;
    let weights = 3 * d.cin;
    for part in 0..weights.div_ceil(most) {
        let (from, to) = (split(weights, most, part), split(weights, most, part + 1));
        let sums = &mut sums[(i * weights + from) * panel..(i * weights + to) * panel];
        tile!(to - from, weight_gradient_tile, [S,], (simd, d, (i, from, count), sums, x, dy))
    }
}

#[inline(always)]
fn weight_gradient_tile<S: Simd, const P: usize>(
    simd: S,
    d: &Dims,
    (i, from, count): (usize, usize, usize),
    sums: &mut [f32],
    x: &[f32],
    dy: &[f32],
) {
    assert_rows::<S, P>();
    let panel = 2 * S::F32_LANES;
    let (rows, columns) = (d.out_height(), d.out_width());
    assert!(x.len() == count * d.input() && dy.len() >= count * rows * columns * panel);
    assert!(sums.len() == P * panel && from + P <= 3 * d.cin && i < 3);
    // SAFETY: the asserts above bound every pointer: row + i < height, and the last value read of a row of x is
    // (columns − 1) · cin + from + P − 1 < (columns + 2) · cin = width · cin.
    unsafe {
        let mut tile: Tile<S, P> = [[simd.splat_f32s(0.0); 2]; P];
        for (p, row) in tile.iter_mut().enumerate() {
            *row = load2(simd, sums.as_ptr().add(p * panel)).into();
        }
        for sample in 0..count {
            for row in 0..rows {
                let x = x.as_ptr().add(sample * d.input() + (row + i) * d.width * d.cin + from);
                let dy = dy.as_ptr().add((sample * rows + row) * columns * panel);
                for column in 0..columns {
                    let (low, high) = load2(simd, dy.add(column * panel));
                    let x = x.add(column * d.cin);
                    for (p, sums) in tile.iter_mut().enumerate() {
                        let value = simd.splat_f32s(*x.add(p));
                        sums[0] = simd.mul_add_e_f32s(value, low, sums[0]);
                        sums[1] = simd.mul_add_e_f32s(value, high, sums[1]);
                    }
                }
            }
        }
        store(simd, &tile, sums.as_mut_ptr(), panel, panel);
    }
}

/// db = Σ dy over samples and pixels, in order.
pub fn backward_bias(dims: &Dims, samples: usize, db: &mut [f32], dy: &[f32]) {
    crate::ops::linear::cpu::sum_rows(db, &dy[..samples * dims.output()]);
}
