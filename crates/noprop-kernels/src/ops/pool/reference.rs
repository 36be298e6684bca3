//! The definition, in loops over the channels of pixels, which vectorise.

use super::{GlobalMean, Kind, Pool};
use crate::tensor::Real;

/// Where the four pixels of a window begin, and that of the output, for each window.
#[inline(always)]
fn each_window(op: &Pool, mut work: impl FnMut([usize; 4], usize)) {
    let Pool { samples, height, width, channels, .. } = *op;
    let (rows, columns) = (height / 2, width / 2);
    for sample in 0..samples {
        for row in 0..rows {
            for column in 0..columns {
                let upper = ((sample * height + 2 * row) * width + 2 * column) * channels;
                let lower = upper + width * channels;
                let to = ((sample * rows + row) * columns + column) * channels;
                work([upper, upper + channels, lower, lower + channels], to);
            }
        }
    }
}

/// The greater of two, the first of equals; NaN if one is.
#[inline(always)]
fn greater<T: Real>(a: T, b: T) -> T {
    if b > a || b.is_nan() { b } else { a }
}

/// y[row, column] = the greatest or the mean of x[2 row .. 2 row + 2, 2 column .. 2 column + 2]
#[inline(always)]
pub fn forward<T: Real>(op: &Pool, y: &mut [T], x: &[T]) {
    let (n, quarter) = (op.channels, T::of(0.25));
    each_window(
        op,
        #[inline(always)]
        |[a, b, c, d], to| {
            let (y, a, b, c, d) = (&mut y[to..to + n], &x[a..a + n], &x[b..b + n], &x[c..c + n], &x[d..d + n]);
            match op.kind {
                Kind::Max => {
                    for i in 0..n {
                        y[i] = greater(greater(a[i], b[i]), greater(c[i], d[i]));
                    }
                }
                Kind::Mean => {
                    for i in 0..n {
                        y[i] = ((a[i] + b[i]) + (c[i] + d[i])) * quarter;
                    }
                }
            }
        },
    );
}

/// dx = dy at the first of the greatest values of a window, or a quarter of dy at each; 0 elsewhere
#[inline(always)]
pub fn backward<T: Real>(op: &Pool, dx: &mut [T], [dy, x, y]: [&[T]; 3]) {
    let (n, quarter) = (op.channels, T::of(0.25));
    dx.fill(T::zero());
    each_window(
        op,
        #[inline(always)]
        |pixels, from| {
            let (dy, y) = (&dy[from..from + n], &y[from..from + n]);
            match op.kind {
                Kind::Max => {
                    let [a, b, c, d] = pixels;
                    let window = [&x[a..a + n], &x[b..b + n], &x[c..c + n], &x[d..d + n]];
                    for place in 0..4 {
                        let dx = &mut dx[pixels[place]..pixels[place] + n];
                        for i in 0..n {
                            let mut wins = window[place][i] == y[i];
                            for before in 0..place {
                                wins &= window[before][i] != y[i];
                            }
                            dx[i] = if wins { dy[i] } else { T::zero() };
                        }
                    }
                }
                Kind::Mean => {
                    for pixel in pixels {
                        for (dx, dy) in dx[pixel..pixel + n].iter_mut().zip(dy) {
                            *dx = *dy * quarter;
                        }
                    }
                }
            }
        },
    );
}

/// y[b, i] = Σ_p x[b, p, i] / positions, in the order of the positions
#[inline(always)]
pub fn global_forward<T: Real>(op: &GlobalMean, y: &mut [T], x: &[T]) {
    let n = T::of(op.positions as f64);
    for (y, x) in y.chunks_exact_mut(op.channels).zip(x.chunks_exact(op.positions * op.channels)) {
        y.fill(T::zero());
        for x in x.chunks_exact(op.channels) {
            for (y, x) in y.iter_mut().zip(x) {
                *y += *x;
            }
        }
        for y in y {
            *y /= n;
        }
    }
}

/// dx[b, p, i] = dy[b, i] / positions
#[inline(always)]
pub fn global_backward<T: Real>(op: &GlobalMean, dx: &mut [T], dy: &[T]) {
    let share = T::one() / T::of(op.positions as f64);
    for (dx, dy) in dx.chunks_exact_mut(op.positions * op.channels).zip(dy.chunks_exact(op.channels)) {
        for dx in dx.chunks_exact_mut(op.channels) {
            for (dx, dy) in dx.iter_mut().zip(dy) {
                *dx = *dy * share;
            }
        }
    }
}
