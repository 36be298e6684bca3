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
    let whole = n / LANES * LANES;
    dx.fill(T::zero());
    each_window(
        op,
        #[inline(always)]
        |pixels, from| match op.kind {
            Kind::Max => {
                for i in (0..whole).step_by(LANES) {
                    winners::<T, LANES>(dx, pixels.map(|pixel| pixel + i), [dy, x, y], from + i);
                }
                for i in whole..n {
                    winners::<T, 1>(dx, pixels.map(|pixel| pixel + i), [dy, x, y], from + i);
                }
            }
            Kind::Mean => {
                for pixel in pixels {
                    for (dx, dy) in dx[pixel..pixel + n].iter_mut().zip(&dy[from..from + n]) {
                        *dx = *dy * quarter;
                    }
                }
            }
        },
    );
}

/// Channels that are worked on side by side.
const LANES: usize = 16;

/// dx of `N` channels of a window whose pixels lie at `pixels`: dy at the first that equals y, else 0. In arrays, since the compiler
/// does not see that four pixels of one slice are no part of one another.
#[inline(always)]
fn winners<T: Real, const N: usize>(dx: &mut [T], pixels: [usize; 4], [dy, x, y]: [&[T]; 3], from: usize) {
    let [a, b, c, d] = pixels;
    let (dy, y) = (channels::<T, N>(dy, from), channels::<T, N>(y, from));
    let mut window = [[T::zero(); N]; 4];
    for place in 0..4 {
        window[place] = channels::<T, N>(x, pixels[place]);
    }
    let [xa, xb, xc, xd] = window;
    let (mut da, mut db, mut dc, mut dd) = ([T::zero(); N], [T::zero(); N], [T::zero(); N], [T::zero(); N]);
    for i in 0..N {
        let (in_a, in_b, in_c, in_d) = (xa[i] == y[i], xb[i] == y[i], xc[i] == y[i], xd[i] == y[i]);
        da[i] = if in_a { dy[i] } else { T::zero() };
        db[i] = if in_b & !in_a { dy[i] } else { T::zero() };
        dc[i] = if in_c & !in_b & !in_a { dy[i] } else { T::zero() };
        dd[i] = if in_d & !in_c & !in_b & !in_a { dy[i] } else { T::zero() };
    }
    for (pixel, values) in [(a, da), (b, db), (c, dc), (d, dd)] {
        dx[pixel..pixel + N].copy_from_slice(&values);
    }
}

#[inline(always)]
fn channels<T: Real, const N: usize>(of: &[T], from: usize) -> [T; N] {
    let mut values = [T::zero(); N];
    values.copy_from_slice(&of[from..from + N]);
    values
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
