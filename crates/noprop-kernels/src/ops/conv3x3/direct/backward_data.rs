//! dx from dy.

use super::units::{channel_units, of_channels, of_channels_len};
use crate::error::Result;
use crate::ops::conv3x3::pool::Gradient;
use crate::ops::conv3x3::{Conv3x3, Dims};
use crate::ops::multiply::{Multiply, WithMultiply, dispatch_at};
use crate::ops::scratch;
use crate::ops::tile::{Left, accumulate, most_rows, pack, packed_len, panel, store_tile, tile, zeros};

/// See [`Conv3x3::backward_data`]. Tile: `P` pixels of one input row × 2 vectors of `cin`; depth 3 · 3 · `cout`.
/// Taps that would leave the convolution's output are left out, so borders cost nothing.
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
        let (d, panel) = (&op.dims, panel::<M>());
        let (depth, weights) = (9 * channel_units::<M>(d.cout), packed_len::<M>(9, d.cout, d.cin));
        let pixels = d.conv_height() * d.conv_width();
        let mut scratch = scratch::take(weights + d.convolved() + of_channels_len::<M>(pixels, d.cout));
        let (packed, rest) = scratch.split_at_mut(weights);
        let (da, units) = rest.split_at_mut(d.convolved());
        // Row (tap, o), column k.
        pack(m, packed, (9, d.cout, d.cin), weight, |r| (r / d.cout * d.cin * d.cout + r % d.cout, d.cout));
        for (sample, dx) in dx.chunks_exact_mut(d.input()).enumerate() {
            op.stop.check()?;
            gradient.of_sample(sample, da);
            let da = of_channels(m, units, da, d.cout);
            // Pooling may leave the last row and column unread.
            let row = d.width * d.cin;
            dx[(d.conv_height() + 2) * row..].fill(0.0);
            for dx in dx.chunks_exact_mut(row) {
                dx[(d.conv_width() + 2) * d.cin..].fill(0.0);
            }
            for (first, packed) in (0..d.cin).step_by(panel).zip(packed.chunks_exact(depth * panel)) {
                for row in 0..d.conv_height() + 2 {
                    backward_row(m, d, (row, first), dx, da, packed);
                }
            }
        }
        Ok(())
    }
}

/// One row of dx, the channels from `first` on; da in units.
#[inline(always)]
fn backward_row<M: Multiply>(m: M, d: &Dims, (row, first): (usize, usize), dx: &mut [f32], da: &[f32], packed: &[f32]) {
    let width = d.conv_width() + 2;
    let mut from = 0;
    while from < width {
        let pixels = pixels(width, from, most_rows::<M>());
        let dx = &mut dx[(row * d.width + from) * d.cin + first..];
        let channels = (d.cin - first).min(panel::<M>());
        let at = At { d, row, from, channels };
        match (from == 0, from + pixels == width) {
            (true, true) => tile!(pixels, backward_tile, [M, true, true,], (m, at, dx, da, packed)),
            (true, false) => tile!(pixels, backward_tile, [M, true, false,], (m, at, dx, da, packed)),
            (false, true) => tile!(pixels, backward_tile, [M, false, true,], (m, at, dx, da, packed)),
            (false, false) => tile!(pixels, backward_tile, [M, false, false,], (m, at, dx, da, packed)),
        }
        from += pixels;
    }
}

/// Pixels of the tile that begins at the pixel `from` of a row: as many as there may be, but few sums of their own would wait for each other,
/// so that a row whose last tile would be short begins with a shorter one.
#[inline(always)]
fn pixels(width: usize, from: usize, most: usize) -> usize {
    let is_short = width > most && (width - 1) % most + 1 < least(most);
    if from == 0 && is_short { shorter(most) } else { most.min(width - from) }
}

/// The first tile of a row whose last one would be short.
#[inline(always)]
const fn shorter(most: usize) -> usize {
    most - most / 3
}

/// Pixels of a row's last tile at least: the two outermost belong to it.
#[inline(always)]
const fn least(most: usize) -> usize {
    if most / 3 < 2 { 2 } else { most / 3 }
}

struct At<'a> {
    d: &'a Dims,
    row: usize,
    from: usize,
    channels: usize,
}

/// `LEFT` and `RIGHT` say whether the tile begins or ends the row; there tap j reaches only the pixels p ≥ j, or p < P − 2 + j.
#[inline(always)]
fn backward_tile<M: Multiply, const LEFT: bool, const RIGHT: bool, const P: usize>(
    m: M,
    at: At<'_>,
    dx: &mut [f32],
    da: &[f32],
    packed: &[f32],
) {
    // What `pixels` never asks for is not compiled.
    let most = most_rows::<M>();
    assert!(P <= most);
    assert!(match (LEFT, RIGHT) {
        (true, true) => P >= 3,
        (true, false) => P == most || P == shorter(most),
        (false, true) => P >= least(most),
        (false, false) => P == most,
    });
    let At { d, row, from, channels } = at;
    let (panel, width, cout) = (panel::<M>(), d.conv_width() + 2, channel_units::<M>(d.cout));
    assert!(if LEFT { from == 0 } else { from >= 2 } && if RIGHT { from + P == width } else { from + P + 2 <= width });
    assert!(da.len() >= d.conv_height() * d.conv_width() * cout && packed.len() >= 9 * cout * panel);
    assert!(dx.len() >= (P - 1) * d.cin + channels);
    let mut tile = zeros::<M, P>(m);
    for i in 0..3 {
        let Some(da_row) = row.checked_sub(i).filter(|da_row| *da_row < d.conv_height()) else { continue };
        let da = da[da_row * d.conv_width() * cout..].as_ptr();
        // Pixel p of the tile takes tap j from column from + p − j of da.
        let column = |j: usize| Left { start: da.wrapping_add(from * cout).wrapping_sub(j * cout), row: cout, step: 1 };
        let tap = |j: usize| (packed[(i * 3 + j) * cout * panel..].as_ptr(), panel);
        // SAFETY: the row bounds above and the ranges below keep every column inside 0..conv_width; depth is the cout units
        // of one pixel; each tap's panel has as many rows.
        unsafe {
            let end = |j: usize| if RIGHT { P - 2 + j } else { P };
            tile = accumulate(m, tile, 0..end(0), column(0), tap(0), cout);
            tile = accumulate(m, tile, LEFT as usize..end(1), column(1), tap(1), cout);
            tile = accumulate(m, tile, 2 * LEFT as usize..end(2), column(2), tap(2), cout);
        }
    }
    // SAFETY: asserted above.
    unsafe { store_tile(m, tile, dx.as_mut_ptr(), (d.cin, channels, None)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_a_row_and_the_two_outermost_pixels_belong_to_one() {
        for most in [3, 6, 13] {
            for width in 3..100 {
                let (mut from, mut tiles) = (0, Vec::new());
                while from < width {
                    tiles.push(pixels(width, from, most));
                    from += tiles[tiles.len() - 1];
                }
                assert_eq!(from, width);
                let [first, .., last] = tiles[..] else {
                    assert_eq!(tiles, [width]);
                    continue;
                };
                assert!(first == most || first == shorter(most), "{width}: {tiles:?}");
                assert!(last >= least(most), "{width}: {tiles:?}");
                assert!(tiles[1..tiles.len() - 1].iter().all(|tile| *tile == most), "{width}: {tiles:?}");
                assert!(tiles.len() <= width.div_ceil(most), "{width}: {tiles:?}");
            }
        }
    }
}
