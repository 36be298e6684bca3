//! y = dropout(pool(relu(x * weight + bias))).

use super::units::{channel_units, of_channels, of_channels_len};
use crate::error::Result;
use crate::ops::conv3x3::{Dims, Run, pool};
use crate::ops::heights;
use crate::ops::multiply::{Multiply, WithMultiply, dispatch_at};
use crate::ops::scratch;
use crate::ops::tile::{
    Left, Tile, accumulate, assert_rows, load2, most_rows, pack, packed_len, panel, store_tile, tile,
};
use pulp::Simd;

/// See [`crate::ops::conv3x3::Conv3x3::forward`]. Tile: `P` pixels of one row of the convolution × 2 vectors of `cout`;
/// depth 3 · 3 · `cin`. Two rows at a time go through the pooling while they are in the first-level cache.
pub fn forward(run: Run<'_>) -> Result<()> {
    dispatch_at(run.op.precision, run)
}

impl WithMultiply for Run<'_> {
    type Output = Result<()>;
    #[inline(always)]
    fn with<M: Multiply>(self, m: M) -> Result<()> {
        let Self { op, dropout, y, winners, x, weight, bias } = self;
        let (d, panel) = (&op.dims, panel::<M>());
        let (depth, row) = (9 * channel_units::<M>(d.cin), d.conv_width() * d.cout);
        let (biases, weights) = (d.cout.next_multiple_of(panel), packed_len::<M>(9, d.cin, d.cout));
        let pixels = d.height * d.width;
        let mut scratch = scratch::take(biases + weights + 2 * row + of_channels_len::<M>(pixels, d.cin));
        let (padded_bias, rest) = scratch.split_at_mut(biases);
        let (packed, rest) = rest.split_at_mut(weights);
        let (two_rows, units) = rest.split_at_mut(2 * row);
        padded_bias[..d.cout].copy_from_slice(bias);
        padded_bias[d.cout..].fill(0.0);
        pack(m, packed, (9, d.cin, d.cout), weight, |r| (r * d.cout, 1));
        for (sample, x) in x.chunks_exact(d.input()).enumerate() {
            op.stop.check()?;
            let x = of_channels(m, units, x, d.cin);
            let part = sample * d.output()..(sample + 1) * d.output();
            let y = &mut y[part.clone()];
            for strip in (0..d.conv_height()).step_by(2) {
                let rows = strip..d.conv_height().min(strip + 2);
                let to = if d.pool { &mut *two_rows } else { &mut y[strip * row..rows.end * row] };
                for (part, packed) in packed.chunks_exact(depth * panel).enumerate() {
                    let bias = &padded_bias[part * panel..(part + 1) * panel];
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

/// One row of the convolution, `[conv width, cout]`, the channels from `first` on; x in units.
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
    for part in 0..heights::tiles(width, most) {
        let (from, end) = (heights::start(width, most, part), heights::start(width, most, part + 1));
        let x = &x[(row * d.width + from) * channel_units::<M>(d.cin)..];
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
    let (panel, cin) = (panel::<M>(), channel_units::<M>(d.cin));
    assert!(x.len() >= (2 * d.width + P + 2) * cin && to.len() >= (P - 1) * d.cout + channels);
    assert!(bias.len() >= panel && weight.len() >= 9 * cin * panel);
    // SAFETY: the asserts above bound the last element that each pointer reaches.
    unsafe {
        let mut tile: Tile<M, P> = [load2::<M>(bias.as_ptr()); P];
        for i in 0..3 {
            // The three taps of a row lie side by side in x, so one walk covers them.
            let a = Left { start: x.as_ptr().add(i * d.width * cin), row: cin, step: 1 };
            let b = weight.as_ptr().add(i * 3 * cin * panel);
            tile = accumulate(m, tile, 0..P, a, (b, panel), 3 * cin);
        }
        let zero = m.simd().splat_f32s(0.0);
        for p in 0..P {
            tile[p][0] = m.simd().max_f32s(tile[p][0], zero);
            tile[p][1] = m.simd().max_f32s(tile[p][1], zero);
        }
        store_tile(m, tile, to.as_mut_ptr(), (d.cout, channels, None));
    }
}
