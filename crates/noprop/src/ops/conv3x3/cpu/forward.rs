//! y = relu(x * weight + bias).

use super::tile::{Tile, accumulate, assert_rows, load2, most_rows, pack, packed_len, store, tile};
use crate::error::Result;
use crate::ops::conv3x3::Dims;
use crate::ops::simd::{dispatch, split};
use crate::ops::{StopFlag, scratch};
use pulp::{Simd, WithSimd};

/// See [`crate::ops::conv3x3::Conv3x3::forward_relu`]. Tile: `P` pixels of one output row × 2 vectors of `cout`; depth 3 · 3 · `cin`.
pub fn forward_relu(
    dims: &Dims,
    samples: usize,
    stop: &StopFlag,
    y: &mut [f32],
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
) -> Result<()> {
    struct Run<'a>(&'a Dims, usize, &'a StopFlag, &'a mut [f32], &'a [f32], &'a [f32], &'a [f32]);
    impl WithSimd for Run<'_> {
        type Output = Result<()>;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Result<()> {
            let Run(d, samples, stop, y, x, weight, bias) = self;
            let panel = 2 * S::F32_LANES;
            let depth = 9 * d.cin;
            let mut scratch = scratch::take(packed_len::<S>(1 + depth, d.cout));
            let (first_row, packed) = scratch.split_at_mut(packed_len::<S>(1, d.cout));
            pack::<S>(first_row, (1, d.cout), bias, |_| (0, 1));
            pack::<S>(packed, (depth, d.cout), weight, |r| (r * d.cout, 1));
            for (x, y) in x.chunks_exact(d.input()).zip(y.chunks_exact_mut(d.output())).take(samples) {
                stop.check()?;
                for (part, packed) in packed.chunks_exact(depth * panel).enumerate() {
                    let bias = &first_row[part * panel..(part + 1) * panel];
                    for row in 0..d.out_height() {
                        forward_row(simd, d, (row, part * panel), y, x, (bias, packed));
                    }
                }
            }
            Ok(())
        }
    }
    dispatch(Run(dims, samples, stop, y, x, weight, bias))
}

/// The packed bias and weights of one panel of output channels.
type Packed<'a> = (&'a [f32], &'a [f32]);

#[inline(always)]
fn forward_row<S: Simd>(simd: S, d: &Dims, (row, first): (usize, usize), y: &mut [f32], x: &[f32], packed: Packed<'_>) {
    let most = most_rows::<S>();
    let channels = (d.cout - first).min(2 * S::F32_LANES);
    for part in 0..d.out_width().div_ceil(most) {
        let (from, to) = (split(d.out_width(), most, part), split(d.out_width(), most, part + 1));
        let x = &x[(row * d.width + from) * d.cin..];
        let y = &mut y[(row * d.out_width() + from) * d.cout + first..];
        tile!(to - from, forward_tile, [S,], (simd, d, y, x, packed, channels))
    }
}

#[inline(always)]
fn forward_tile<S: Simd, const P: usize>(
    simd: S,
    d: &Dims,
    y: &mut [f32],
    x: &[f32],
    (bias, weight): Packed<'_>,
    channels: usize,
) {
    assert_rows::<S, P>();
    let panel = 2 * S::F32_LANES;
    assert!(x.len() >= (2 * d.width + P + 2) * d.cin && y.len() >= (P - 1) * d.cout + channels);
    assert!(bias.len() >= panel && weight.len() >= 9 * d.cin * panel);
    // SAFETY: the asserts above bound the last element that each pointer reaches.
    unsafe {
        let (low, high) = load2(simd, bias.as_ptr());
        let mut tile: Tile<S, P> = [[low, high]; P];
        for i in 0..3 {
            // The three taps of a row lie side by side in x, so one walk covers them.
            let a = x.as_ptr().add(i * d.width * d.cin);
            let b = weight.as_ptr().add(i * 3 * d.cin * panel);
            accumulate(simd, &mut tile, 0..P, (a, d.cin), b, 3 * d.cin);
        }
        let zero = simd.splat_f32s(0.0);
        for row in &mut tile {
            *row = row.map(|value| simd.max_f32s(value, zero));
        }
        store(simd, &tile, y.as_mut_ptr(), d.cout, channels);
    }
}
