//! The six transforms on vectors of channels, and V, M and U made by them.

use super::FREQUENCIES;
use super::geometry::Geometry;
use crate::ops::conv3x3::pool::Gradient;
use crate::ops::multiply::{Multiply, Vector};
use crate::ops::tile::{load, panel, put};
use pulp::Simd;
use std::ops::Range;

/// A square of vectors, row by row.
type Square<M, const N: usize> = [[Vector<M>; N]; N];

/// Applies `line` to the rows of a square, then to the columns of the result. Plain loops over indices, which the compiler
/// unrolls early, so that the vectors stay in registers.
#[inline(always)]
fn separable<V: Copy, const I: usize, const O: usize>(
    zero: V,
    square: [[V; I]; I],
    line: impl Fn([V; I]) -> [V; O],
) -> [[V; O]; O] {
    let mut rows = [[zero; O]; I];
    for i in 0..I {
        rows[i] = line(square[i]);
    }
    let mut out = [[zero; O]; O];
    for o in 0..O {
        let mut column = [zero; I];
        for i in 0..I {
            column[i] = rows[i][o];
        }
        let column = line(column);
        for i in 0..O {
            out[i][o] = column[i];
        }
    }
    out
}

/// Bᵀ d B.
#[inline(always)]
fn patch_to_frequencies<M: Multiply>(m: M, patch: Square<M, 4>) -> Square<M, 4> {
    let s = m.simd();
    separable(
        s.splat_f32s(0.0),
        patch,
        #[inline(always)]
        |[a, b, c, d]| [s.sub_f32s(a, c), s.add_f32s(b, c), s.sub_f32s(c, b), s.sub_f32s(b, d)],
    )
}

/// B v Bᵀ.
#[inline(always)]
pub fn frequencies_to_patch<M: Multiply>(m: M, frequencies: Square<M, 4>) -> Square<M, 4> {
    let s = m.simd();
    separable(
        s.splat_f32s(0.0),
        frequencies,
        #[inline(always)]
        |[a, b, c, d]| {
            let second = s.add_f32s(s.sub_f32s(b, c), d);
            [a, second, s.sub_f32s(s.add_f32s(b, c), a), s.neg_f32s(d)]
        },
    )
}

/// Aᵀ m A.
#[inline(always)]
pub fn frequencies_to_outputs<M: Multiply>(m: M, frequencies: Square<M, 4>) -> Square<M, 2> {
    let s = m.simd();
    separable(
        s.splat_f32s(0.0),
        frequencies,
        #[inline(always)]
        |[a, b, c, d]| [s.add_f32s(a, s.add_f32s(b, c)), s.sub_f32s(s.sub_f32s(b, c), d)],
    )
}

/// A dy Aᵀ.
#[inline(always)]
fn outputs_to_frequencies<M: Multiply>(m: M, outputs: Square<M, 2>) -> Square<M, 4> {
    let s = m.simd();
    separable(
        s.splat_f32s(0.0),
        outputs,
        #[inline(always)]
        |[a, b]| [a, s.add_f32s(a, b), s.sub_f32s(a, b), s.neg_f32s(b)],
    )
}

/// G g Gᵀ.
#[inline(always)]
fn weights_to_frequencies<M: Multiply>(m: M, weights: Square<M, 3>) -> Square<M, 4> {
    let s = m.simd();
    let half = s.splat_f32s(0.5);
    separable(
        half,
        weights,
        #[inline(always)]
        |[a, b, c]| {
            let (outer, inner) = (s.mul_f32s(half, s.add_f32s(a, c)), s.mul_f32s(half, b));
            [a, s.add_f32s(outer, inner), s.sub_f32s(outer, inner), c]
        },
    )
}

/// Gᵀ u G.
#[inline(always)]
pub fn frequencies_to_weights<M: Multiply>(m: M, frequencies: Square<M, 4>) -> Square<M, 3> {
    let s = m.simd();
    let half = s.splat_f32s(0.5);
    separable(
        half,
        frequencies,
        #[inline(always)]
        |[a, b, c, d]| {
            let (sum, difference) = (s.mul_f32s(half, s.add_f32s(b, c)), s.mul_f32s(half, s.sub_f32s(b, c)));
            [s.add_f32s(a, sum), difference, s.add_f32s(sum, d)]
        },
    )
}

/// A square of vectors that lie `row` and `column` apart.
#[inline(always)]
pub fn gather<M: Multiply, const N: usize>(
    m: M,
    from: &[f32],
    at: usize,
    (row, column): (usize, usize),
) -> Square<M, N> {
    assert!(from.len() >= at + (N - 1) * (row + column) + panel::<M>() / 2);
    let mut square = [[m.simd().splat_f32s(0.0); N]; N];
    for r in 0..N {
        for c in 0..N {
            // SAFETY: asserted above.
            square[r][c] = unsafe { load::<M>(from.as_ptr().add(at + r * row + c * column)) };
        }
    }
    square
}

/// The 16 frequencies of one place, `stride` apart.
#[inline(always)]
pub fn gather_frequencies<M: Multiply>(m: M, from: &[f32], at: usize, stride: usize) -> Square<M, 4> {
    gather(m, from, at, (4 * stride, stride))
}

/// How V and M lie in memory.
#[derive(Clone, Copy, PartialEq)]
pub enum Order {
    /// `[16][tile][channels as units]`: the summed dimension is the channels.
    Channels,
    /// `[16][tiles as units][channels]`: the summed dimension is the tiles.
    Tiles,
    /// `[16][panel][tiles as units][channels of a panel]`: the same for the right factor.
    TilesInPanels,
}

/// V or M of a group in the making.
struct Frequencies<'a> {
    to: &'a mut [f32],
    order: Order,
    tiles: usize,
    channels: usize,
}

impl Frequencies<'_> {
    /// Stores the frequencies of `M::DEPTH` tiles (from `tile` on) at channel `channel`.
    #[inline(always)]
    fn put<M: Multiply>(&mut self, m: M, (tile, channel): (usize, usize), first: Square<M, 4>, second: Square<M, 4>) {
        let Self { to, order, tiles, channels } = self;
        let (panel, units) = (panel::<M>(), tiles.div_ceil(M::DEPTH));
        let (stride, at) = match order {
            Order::Channels => (*tiles * *channels / M::DEPTH, tile * *channels / M::DEPTH),
            Order::Tiles => (units * *channels, tile / M::DEPTH * *channels + channel),
            Order::TilesInPanels => {
                (units * *channels, (channel / panel * units + tile / M::DEPTH) * panel + channel % panel)
            }
        };
        // The last tile of an odd number has no second one.
        let two = *order == Order::Channels && M::DEPTH == 2 && tile + 1 < *tiles;
        let width = if *order == Order::Channels { *channels / M::DEPTH } else { panel / 2 };
        assert!(to.len() >= (FREQUENCIES - 1) * stride + at + width * (1 + usize::from(two)));
        assert!(channel + panel / 2 <= *channels);
        for row in 0..4 {
            for column in 0..4 {
                // SAFETY: asserted above.
                unsafe {
                    let to = to.as_mut_ptr().add((row * 4 + column) * stride + at);
                    if *order == Order::Channels {
                        m.put_values(to, channel, first[row][column]);
                        if two {
                            m.put_values(to.add(width), channel, second[row][column]);
                        }
                    } else {
                        put::<M>(to, m.unit(first[row][column], second[row][column]));
                    }
                }
            }
        }
    }
}

/// V = Bᵀ d B of the first `tiles` tiles of a group with inputs `x`, of some channels.
#[inline(always)]
pub fn inputs<M: Multiply>(
    m: M,
    g: &Geometry,
    (tiles, channels): (usize, Range<usize>),
    v: &mut [f32],
    x: &[f32],
    order: Order,
) {
    let zero = [[m.simd().splat_f32s(0.0); 4]; 4];
    let mut v = Frequencies { to: v, order, tiles, channels: channels.len() };
    for tile in (0..tiles).step_by(M::DEPTH) {
        let two = M::DEPTH == 2 && tile + 1 < tiles;
        let places = [g.patch(tile), if two { g.patch(tile + 1) } else { (0, 0, 0) }];
        for channel in channels.clone().step_by(panel::<M>() / 2) {
            let first = patch_to_frequencies(m, patch(m, g, places[0], channel, x));
            let second = if two { patch_to_frequencies(m, patch(m, g, places[1], channel, x)) } else { zero };
            v.put(m, (tile, channel - channels.start), first, second);
        }
    }
}

/// The 4×4 patch of the tile at a place, zeros beyond the border.
#[inline(always)]
fn patch<M: Multiply>(m: M, g: &Geometry, place: (usize, usize, usize), channel: usize, x: &[f32]) -> Square<M, 4> {
    let (d, (start, rows, columns)) = (&g.dims, place);
    if rows == 4 && columns == 4 {
        return gather(m, x, start + channel, (d.width * d.cin, d.cin));
    }
    let mut patch = [[m.simd().splat_f32s(0.0); 4]; 4];
    for row in 0..4 {
        for column in 0..4 {
            if row < rows && column < columns {
                let at = start + (row * d.width + column) * d.cin + channel;
                assert!(x.len() >= at + panel::<M>() / 2);
                // SAFETY: asserted above.
                patch[row][column] = unsafe { load::<M>(x.as_ptr().add(at)) };
            }
        }
    }
    patch
}

/// A dy Aᵀ of the first `tiles` tiles of the group that begins with sample `first`, of some channels. Adds each one's gradients to
/// `sums` `[channels]`, if there are any: they are at hand here, and would have to come from memory once more.
#[inline(always)]
pub fn gradients<M: Multiply>(
    m: M,
    g: &Geometry,
    (first, tiles, channels): (usize, usize, Range<usize>),
    to: &mut [f32],
    gradient: &Gradient<'_, f32>,
    (order, mut sums): (Order, Option<&mut [f32]>),
) {
    let (s, lanes) = (m.simd(), panel::<M>() / 2);
    let zero = s.splat_f32s(0.0);
    let mut to = Frequencies { to, order, tiles, channels: channels.len() };
    assert!(sums.as_ref().is_none_or(|sums| sums.len() == channels.len()) && channels.len().is_multiple_of(lanes));
    for tile in (0..tiles).step_by(M::DEPTH) {
        let two = M::DEPTH == 2 && tile + 1 < tiles;
        let places = [g.outputs(tile), if two { g.outputs(tile + 1) } else { (0, 0, 0) }];
        for channel in channels.clone().step_by(lanes) {
            let outputs = tile_gradient(m, g, (first, tile, places[0]), channel, gradient);
            let mut second = [[zero; 2]; 2];
            if two {
                second = tile_gradient(m, g, (first, tile + 1, places[1]), channel, gradient);
            }
            if let Some(sums) = &mut sums {
                let mut sum = sum_of(m, outputs);
                if two {
                    sum = s.add_f32s(sum, sum_of(m, second));
                }
                // SAFETY: whole vectors of the channels, as many as there are sums.
                unsafe {
                    let sums = sums.as_mut_ptr().add(channel - channels.start);
                    put::<M>(sums, s.add_f32s(load::<M>(sums), sum));
                }
            }
            let second = if M::DEPTH == 2 { outputs_to_frequencies(m, second) } else { [[zero; 4]; 4] };
            to.put(m, (tile, channel - channels.start), outputs_to_frequencies(m, outputs), second);
        }
    }
}

/// The sum of a tile's four values.
#[inline(always)]
fn sum_of<M: Multiply>(m: M, square: Square<M, 2>) -> Vector<M> {
    let s = m.simd();
    s.add_f32s(s.add_f32s(square[0][0], square[0][1]), s.add_f32s(square[1][0], square[1][1]))
}

/// The gradient of a tile's four outputs, which lie at a place.
#[inline(always)]
fn tile_gradient<M: Multiply>(
    m: M,
    g: &Geometry,
    (first, tile, place): (usize, usize, (usize, usize, usize)),
    channel: usize,
    gradient: &Gradient<'_, f32>,
) -> Square<M, 2> {
    let (zero, d) = (m.simd().splat_f32s(0.0), &g.dims);
    if d.pool {
        return gradient.window(m, first * d.output() + tile * d.cout + channel);
    }
    let (start, rows, columns) = place;
    let at =
        |row: usize, column: usize| first * d.convolved() + start + (row * d.conv_width() + column) * d.cout + channel;
    let mut square = [[zero; 2]; 2];
    if rows == 2 && columns == 2 {
        // Most tiles, without a branch for each value.
        for row in 0..2 {
            for column in 0..2 {
                square[row][column] = gradient.vector(m, at(row, column));
            }
        }
        return square;
    }
    for row in 0..2 {
        for column in 0..2 {
            if row < rows && column < columns {
                square[row][column] = gradient.vector(m, at(row, column));
            }
        }
    }
    square
}

/// U = G g Gᵀ of weights g `[9][rows][columns]`, as `[16][panel of columns][rows as units][columns of a panel]`.
#[inline(always)]
pub fn weights<M: Multiply>(m: M, u: &mut [f32], g: &[f32], (rows, columns): (usize, usize)) {
    let (lanes, panel) = (panel::<M>() / 2, panel::<M>());
    let stride = rows / M::DEPTH * columns;
    assert!(g.len() == 9 * rows * columns && u.len() >= FREQUENCIES * stride);
    assert!(rows.is_multiple_of(M::DEPTH) && columns.is_multiple_of(panel));
    for row in (0..rows).step_by(M::DEPTH) {
        for column in (0..columns).step_by(lanes) {
            let of = (rows * columns * 3, rows * columns);
            let first = weights_to_frequencies(m, gather(m, g, row * columns + column, of));
            let second = if M::DEPTH == 2 {
                weights_to_frequencies(m, gather(m, g, (row + 1) * columns + column, of))
            } else {
                first
            };
            let at = (column / panel * (rows / M::DEPTH) + row / M::DEPTH) * panel + column % panel;
            for r in 0..4 {
                for c in 0..4 {
                    let unit = m.unit(first[r][c], second[r][c]);
                    // SAFETY: at + lanes ≤ stride; the length of u is asserted above.
                    unsafe { put::<M>(u.as_mut_ptr().add((4 * r + c) * stride + at), unit) };
                }
            }
        }
    }
}
