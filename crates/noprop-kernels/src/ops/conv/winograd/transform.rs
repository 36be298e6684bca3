//! The transforms on vectors of channels: of lines of 4 values, with the points 0, 1, −1 and ∞, and of 6, with 0, ±1/√2, ±√2
//! and ∞, which are off by half as much as whole points would be.

use crate::ops::multiply::{Multiply, Vector};
use crate::ops::scratch;
use crate::ops::tile::{load, panel, put};
use crate::ops::transpose::to_panel;
use crate::team::Shared;
use pulp::Simd;
use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

use super::LINE;

/// A square of vectors, row by row.
pub type Square<M, const N: usize> = [[Vector<M>; N]; N];

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

/// Bᵀ d B, of patches of x.
#[inline(always)]
pub fn patch_to_frequencies<M: Multiply, const T: usize>(m: M, patch: Square<M, T>) -> Square<M, T> {
    let s = m.simd();
    let (zero, half, two) = (s.splat_f32s(0.0), s.splat_f32s(0.5), s.splat_f32s(2.0));
    let (root, inverse, more) = (s.splat_f32s(SQRT_2), s.splat_f32s(FRAC_1_SQRT_2), s.splat_f32s(2.5));
    separable(
        zero,
        patch,
        #[inline(always)]
        |d: [Vector<M>; T]| {
            let mut f = [zero; T];
            if T == 4 {
                f[0] = s.sub_f32s(d[0], d[2]);
                f[1] = s.add_f32s(d[1], d[2]);
                f[2] = s.sub_f32s(d[2], d[1]);
                f[3] = s.sub_f32s(d[1], d[3]);
                return f;
            }
            f[0] = s.sub_f32s(s.add_f32s(d[0], d[4]), s.mul_f32s(more, d[2]));
            let (even, odd) = (
                s.sub_f32s(d[4], s.mul_f32s(two, d[2])),
                s.sub_f32s(s.mul_f32s(inverse, d[3]), s.mul_f32s(root, d[1])),
            );
            f[1] = s.add_f32s(even, odd);
            f[2] = s.sub_f32s(even, odd);
            let (even, odd) = (
                s.sub_f32s(d[4], s.mul_f32s(half, d[2])),
                s.sub_f32s(s.mul_f32s(root, d[3]), s.mul_f32s(inverse, d[1])),
            );
            f[3] = s.add_f32s(even, odd);
            f[4] = s.sub_f32s(even, odd);
            f[5] = s.sub_f32s(s.add_f32s(d[1], d[5]), s.mul_f32s(more, d[3]));
            f
        },
    )
}

/// Aᵀ m A, to outputs.
#[inline(always)]
pub fn frequencies_to_outputs<M: Multiply, const T: usize, const O: usize>(
    m: M,
    frequencies: Square<M, T>,
) -> Square<M, O> {
    let s = m.simd();
    let (zero, half, two) = (s.splat_f32s(0.0), s.splat_f32s(0.5), s.splat_f32s(2.0));
    let (root, inverse) = (s.splat_f32s(SQRT_2), s.splat_f32s(FRAC_1_SQRT_2));
    separable(
        zero,
        frequencies,
        #[inline(always)]
        |f: [Vector<M>; T]| {
            let mut y = [zero; O];
            let (sum, difference) = (s.add_f32s(f[1], f[2]), s.sub_f32s(f[1], f[2]));
            if T == 4 {
                y[0] = s.add_f32s(f[0], sum);
                y[1] = s.sub_f32s(difference, f[3]);
                return y;
            }
            let (sum4, difference4) = (s.add_f32s(f[3], f[4]), s.sub_f32s(f[3], f[4]));
            y[0] = s.add_f32s(f[0], s.add_f32s(sum, sum4));
            let (small, great) = (s.mul_f32s(inverse, difference), s.mul_f32s(root, difference4));
            y[1] = s.add_f32s(small, great);
            y[2] = s.add_f32s(s.mul_f32s(half, sum), s.mul_f32s(two, sum4));
            y[3] = s.add_f32s(s.add_f32s(s.mul_f32s(half, small), s.mul_f32s(two, great)), f[5]);
            y
        },
    )
}

/// A dy Aᵀ, of gradients of outputs.
#[inline(always)]
pub fn outputs_to_frequencies<M: Multiply, const O: usize, const T: usize>(
    m: M,
    outputs: Square<M, O>,
) -> Square<M, T> {
    let s = m.simd();
    let (zero, half, two) = (s.splat_f32s(0.0), s.splat_f32s(0.5), s.splat_f32s(2.0));
    let (root, inverse) = (s.splat_f32s(SQRT_2), s.splat_f32s(FRAC_1_SQRT_2));
    separable(
        zero,
        outputs,
        #[inline(always)]
        |y: [Vector<M>; O]| {
            let mut f = [zero; T];
            f[0] = y[0];
            if O == 2 {
                f[1] = s.add_f32s(y[0], y[1]);
                f[2] = s.sub_f32s(y[0], y[1]);
                f[3] = s.neg_f32s(y[1]);
                return f;
            }
            let even = s.add_f32s(y[0], s.mul_f32s(half, y[2]));
            let odd = s.mul_f32s(inverse, s.add_f32s(y[1], s.mul_f32s(half, y[3])));
            f[1] = s.add_f32s(even, odd);
            f[2] = s.sub_f32s(even, odd);
            let even = s.add_f32s(y[0], s.mul_f32s(two, y[2]));
            let odd = s.mul_f32s(root, s.add_f32s(y[1], s.mul_f32s(two, y[3])));
            f[3] = s.add_f32s(even, odd);
            f[4] = s.sub_f32s(even, odd);
            f[5] = y[3];
            f
        },
    )
}

/// G g Gᵀ, of weights.
#[inline(always)]
fn weights_to_frequencies<M: Multiply, const T: usize>(m: M, weights: Square<M, 3>) -> Square<M, T> {
    let s = m.simd();
    let (zero, half, third, sixth) =
        (s.splat_f32s(0.0), s.splat_f32s(0.5), s.splat_f32s(1.0 / 3.0), s.splat_f32s(1.0 / 6.0));
    let (root, minus_two) = (s.splat_f32s(SQRT_2), s.splat_f32s(-2.0));
    separable(
        zero,
        weights,
        #[inline(always)]
        |[a, b, c]: [Vector<M>; 3]| {
            let mut f = [zero; T];
            f[0] = a;
            if T == 4 {
                let (outer, inner) = (s.mul_f32s(half, s.add_f32s(a, c)), s.mul_f32s(half, b));
                f[1] = s.add_f32s(outer, inner);
                f[2] = s.sub_f32s(outer, inner);
                f[3] = c;
                return f;
            }
            // −(2a + c) / 3 ∓ √2 b / 3
            let even = s.mul_f32s(third, s.sub_f32s(s.mul_f32s(minus_two, a), c));
            let odd = s.mul_f32s(third, s.mul_f32s(root, b));
            f[1] = s.sub_f32s(even, odd);
            f[2] = s.add_f32s(even, odd);
            // (a + 2c) / 6 ± √2 b / 6
            let even = s.mul_f32s(sixth, s.sub_f32s(a, s.mul_f32s(minus_two, c)));
            let odd = s.mul_f32s(half, odd);
            f[3] = s.add_f32s(even, odd);
            f[4] = s.sub_f32s(even, odd);
            f[5] = c;
            f
        },
    )
}

/// Gᵀ u G, to gradients of weights.
#[inline(always)]
pub fn frequencies_to_weights<M: Multiply, const T: usize>(m: M, frequencies: Square<M, T>) -> Square<M, 3> {
    let s = m.simd();
    let (zero, half, third, sixth) =
        (s.splat_f32s(0.0), s.splat_f32s(0.5), s.splat_f32s(1.0 / 3.0), s.splat_f32s(1.0 / 6.0));
    let (two, root) = (s.splat_f32s(2.0), s.splat_f32s(SQRT_2));
    separable(
        zero,
        frequencies,
        #[inline(always)]
        |f: [Vector<M>; T]| {
            let (sum, difference) = (s.add_f32s(f[1], f[2]), s.sub_f32s(f[1], f[2]));
            if T == 4 {
                let sum = s.mul_f32s(half, sum);
                return [s.add_f32s(f[0], sum), s.mul_f32s(half, difference), s.add_f32s(sum, f[3])];
            }
            let (sum4, difference4) = (s.add_f32s(f[3], f[4]), s.sub_f32s(f[3], f[4]));
            [
                s.add_f32s(f[0], s.mul_f32s(sixth, s.sub_f32s(sum4, s.mul_f32s(two, s.add_f32s(sum, sum))))),
                s.mul_f32s(root, s.mul_f32s(sixth, s.sub_f32s(difference4, s.mul_f32s(two, difference)))),
                s.add_f32s(f[5], s.mul_f32s(third, s.sub_f32s(sum4, sum))),
            ]
        },
    )
}

/// Vectors from channel `channel` on of pixels.
///
/// # Safety
/// Every pointer must be readable for a vector from there on.
#[inline(always)]
pub unsafe fn gather<M: Multiply, const N: usize>(m: M, from: [[*const f32; N]; N], channel: usize) -> Square<M, N> {
    let mut square = [[m.simd().splat_f32s(0.0); N]; N];
    for i in 0..N {
        for j in 0..N {
            // SAFETY: by contract.
            square[i][j] = unsafe { load::<M>(from[i][j].add(channel)) };
        }
    }
    square
}

/// The frequencies of one place, `stride` apart.
#[inline(always)]
pub fn gather_frequencies<M: Multiply, const T: usize>(m: M, from: &[f32], at: usize, stride: usize) -> Square<M, T> {
    assert!(from.len() >= at + (T * T - 1) * stride + panel::<M>() / 2);
    let mut square = [[m.simd().splat_f32s(0.0); T]; T];
    for i in 0..T {
        for j in 0..T {
            // SAFETY: asserted above.
            square[i][j] = unsafe { load::<M>(from.as_ptr().add(at + (i * T + j) * stride)) };
        }
    }
    square
}

/// Stores frequencies `stride` apart.
#[inline(always)]
pub fn put_frequencies<M: Multiply, const T: usize>(
    _: M,
    to: Shared<'_, f32>,
    (at, stride): (usize, usize),
    frequencies: Square<M, T>,
) {
    assert!(to.len() >= at + (T * T - 1) * stride + panel::<M>() / 2);
    for i in 0..T {
        for j in 0..T {
            // SAFETY: asserted above; no two parts of an operation write one value.
            unsafe { put::<M>(to.as_mut_ptr().add(at + (i * T + j) * stride), frequencies[i][j]) };
        }
    }
}

/// How U lies in memory: `[T²][panel of columns][rows as units][columns of a panel]`, frequencies `stride` apart.
#[derive(Clone, Copy)]
pub struct Shape {
    pub rows: usize,
    pub columns: usize,
}

impl Shape {
    #[inline(always)]
    pub fn stride<M: Multiply>(&self) -> usize {
        self.rows / M::DEPTH * self.columns.next_multiple_of(panel::<M>()) + LINE
    }
}

/// A panel of U = G g Gᵀ of weights g `[9][rows][columns]`, from column `first` on, zeros behind the last column.
#[inline(always)]
pub fn weights<M: Multiply, const T: usize>(m: M, shape: Shape, first: usize, u: Shared<'_, f32>, g: &[f32]) {
    let Shape { rows, columns } = shape;
    assert!(g.len() == 9 * rows * columns);
    of_taps::<M, T>(m, shape, first, u, &g[first..], [rows * columns, columns], false);
}

/// The same of weights `[9][columns][rows]`, turned round.
#[inline(always)]
pub fn turned_weights<M: Multiply, const T: usize>(m: M, shape: Shape, first: usize, u: Shared<'_, f32>, g: &[f32]) {
    let (Shape { rows, columns }, panel) = (shape, panel::<M>());
    assert!(g.len() == 9 * rows * columns);
    let mut taps = scratch::take(9 * rows * panel);
    for (tap, to) in taps.chunks_exact_mut(rows * panel).enumerate() {
        to_panel(m, to, &g[(tap * columns + first) * rows..], rows, (rows, panel.min(columns - first)));
    }
    of_taps::<M, T>(m, shape, first, u, &taps, [rows * panel, panel], true);
}

/// A panel of U from weights whose taps and rows lie so far apart.
#[inline(always)]
fn of_taps<M: Multiply, const T: usize>(
    m: M,
    shape: Shape,
    first: usize,
    u: Shared<'_, f32>,
    g: &[f32],
    [of_tap, of_row]: [usize; 2],
    turned: bool,
) {
    let (Shape { rows, columns }, panel, stride) = (shape, panel::<M>(), shape.stride::<M>());
    let depth = rows / M::DEPTH;
    assert!(rows.is_multiple_of(M::DEPTH) && columns.is_multiple_of(panel / 2) && first.is_multiple_of(panel));
    for within in [0, panel / 2] {
        for row in (0..rows).step_by(M::DEPTH) {
            let to = (first * depth + row / M::DEPTH * panel + within, stride);
            if first + within >= columns {
                put_frequencies::<M, T>(m, u, to, [[m.simd().splat_f32s(0.0); T]; T]);
                continue;
            }
            let at = row * of_row + within;
            let of_first = of_row_taps::<M, T>(m, g, at, of_tap, turned);
            let mut units = of_first;
            if M::DEPTH == 2 {
                let second = of_row_taps::<M, T>(m, g, at + of_row, of_tap, turned);
                for i in 0..T {
                    for j in 0..T {
                        units[i][j] = m.unit(of_first[i][j], second[i][j]);
                    }
                }
            }
            put_frequencies::<M, T>(m, u, to, units);
        }
    }
}

/// G g Gᵀ of a vector of columns whose taps lie `of_tap` apart.
#[inline(always)]
fn of_row_taps<M: Multiply, const T: usize>(m: M, g: &[f32], at: usize, of_tap: usize, turned: bool) -> Square<M, T> {
    assert!(g.len() >= at + 8 * of_tap + panel::<M>() / 2);
    let mut taps = [[m.simd().splat_f32s(0.0); 3]; 3];
    for i in 0..3 {
        for j in 0..3 {
            let tap = if turned { 8 - (3 * i + j) } else { 3 * i + j };
            // SAFETY: asserted above.
            taps[i][j] = unsafe { load::<M>(g.as_ptr().add(at + tap * of_tap)) };
        }
    }
    weights_to_frequencies::<M, T>(m, taps)
}
