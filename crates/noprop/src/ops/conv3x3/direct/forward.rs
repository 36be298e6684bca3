//! y = dropout(pool(relu(x * weight + bias))).

use crate::error::Result;
use crate::ops::conv3x3::{Dims, Run, pool};
use crate::ops::multiply::{Multiply, WithMultiply, dispatch};
use crate::ops::scratch;
use crate::ops::simd::split;
use crate::ops::tile::{
    Left, Tile, accumulate, assert_rows, load2, most_rows, pack, packed_len, panel, store_tile, tile,
};
use pulp::Simd;

/// See [`crate::ops::conv3x3::Conv3x3::forward`]. Tile: `P` pixels of one row of the convolution × 2 vectors of `cout`;
/// depth 3 · 3 · `cin`. Two rows at a time go through the pooling while they are in the first-level cache.
pub fn forward(run: Run<'_>) -> Result<()> {
    dispatch(run)
}

impl WithMultiply for Run<'_> {
    type Output = Result<()>;
    #[inline(always)]
    fn with<M: Multiply>(self, m: M) -> Result<()> {
        let Self { op, dropout, y, winners, x, weight, bias } = self;
        let (d, panel) = (&op.dims, panel::<M>());
        let (depth, row) = (9 * d.cin, d.conv_width() * d.cout);
        let weights = packed_len::<M>(depth, d.cout);
        let mut scratch = scratch::take(packed_len::<M>(1, d.cout) + weights + 2 * row);
        let (packed, two_rows) = scratch.split_at_mut(packed_len::<M>(1, d.cout) + weights);
        let (packed_bias, packed) = packed.split_at_mut(packed_len::<M>(1, d.cout));
        pack(m, packed_bias, (1, d.cout), bias, |_| (0, 1));
        pack(m, packed, (depth, d.cout), weight, |r| (r * d.cout, 1));
        for (sample, x) in x.chunks_exact(d.input()).enumerate() {
            op.stop.check()?;
            let part = sample * d.output()..(sample + 1) * d.output();
            let y = &mut y[part.clone()];
            for strip in (0..d.conv_height()).step_by(2) {
                let rows = strip..d.conv_height().min(strip + 2);
                let to = if d.pool { &mut *two_rows } else { &mut y[strip * row..rows.end * row] };
                for (part, packed) in packed.chunks_exact(depth * panel).enumerate() {
                    let bias = &packed_bias[part * panel..(part + 1) * panel];
                    for (at, to) in rows.clone().zip(to.chunks_exact_mut(row)) {
                        forward_row(m, d, (at, part * panel), to, x, (bias, packed));
                    }
                }
                if d.pool {
                    let pooled = strip / 2 * row / 2..(strip / 2 + 1) * row / 2;
                    let winners = &mut winners[part.clone()];
                    pool::pool_rows(d, &mut y[pooled.clone()], &mut winners[pooled], two_rows);
                }
            }
            if let Some(dropout) = &dropout {
                dropout.apply(sample, y);
            }
        }
        Ok(())
    }
}

/// The packed bias and weights of one panel of output channels.
type Packed<'a> = (&'a [f32], &'a [f32]);

/// One row of the convolution, `[conv width, cout]`, the channels from `first` on.
#[inline(always)]
fn forward_row<M: Multiply>(
    m: M,
    d: &Dims,
    (row, first): (usize, usize),
    to: &mut [f32],
    x: &[f32],
    packed: Packed<'_>,
) {
    let (most, width) = (most_rows::<M>(), d.conv_width());
    let channels = (d.cout - first).min(panel::<M>());
    for part in 0..width.div_ceil(most) {
        let (from, end) = (split(width, most, part), split(width, most, part + 1));
        let x = &x[(row * d.width + from) * d.cin..];
        let to = &mut to[from * d.cout + first..];
        tile!(end - from, forward_tile, [M,], (m, d, to, x, packed, channels))
    }
}

#[inline(always)]
fn forward_tile<M: Multiply, const P: usize>(
    m: M,
    d: &Dims,
    to: &mut [f32],
    x: &[f32],
    (bias, weight): Packed<'_>,
    channels: usize,
) {
    assert_rows::<M, P>();
    let panel = panel::<M>();
    assert!(x.len() >= (2 * d.width + P + 2) * d.cin && to.len() >= (P - 1) * d.cout + channels);
    assert!(bias.len() >= panel && weight.len() >= 9 * d.cin * panel);
    // SAFETY: the asserts above bound the last element that each pointer reaches.
    unsafe {
        let mut tile: Tile<M, P> = [load2::<M>(bias.as_ptr()); P];
        for i in 0..3 {
            // The three taps of a row lie side by side in x, so one walk covers them.
            let a = Left { start: x.as_ptr().add(i * d.width * d.cin), row: d.cin, step: 1 };
            let b = weight.as_ptr().add(i * 3 * d.cin * panel);
            tile = accumulate(m, tile, 0..P, a, (b, panel), 3 * d.cin);
        }
        let zero = m.simd().splat_f32s(0.0);
        for p in 0..P {
            tile[p][0] = m.simd().max_f32s(tile[p][0], zero);
            tile[p][1] = m.simd().max_f32s(tile[p][1], zero);
        }
        store_tile(m, tile, to.as_mut_ptr(), (d.cout, channels, false));
    }
}
