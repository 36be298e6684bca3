//! A row of windows at a time, vectorised over channels.

use super::MaxPool2;
use crate::ops::simd::vectorize;

/// See [`super::MaxPool2::forward`].
pub fn forward(op: &MaxPool2, y: &mut [f32], x: &[f32]) {
    let (row, k) = (op.width * op.channels, op.channels);
    vectorize(
        #[inline(always)]
        || {
            let samples = x.chunks_exact(op.input()).zip(y.chunks_exact_mut(op.output())).take(op.samples);
            for (x, y) in samples {
                for (x, y) in x.chunks_exact(2 * row).zip(y.chunks_exact_mut(op.width / 2 * k)) {
                    let (upper, lower) = x.split_at(row);
                    let windows = upper.chunks_exact(2 * k).zip(lower.chunks_exact(2 * k));
                    for ((upper, lower), y) in windows.zip(y.chunks_exact_mut(k)) {
                        let (a, b) = upper.split_at(k);
                        let (c, d) = lower.split_at(k);
                        for i in 0..k {
                            y[i] = max(max(a[i], b[i]), max(c[i], d[i]));
                        }
                    }
                }
            }
        },
    );
}

#[inline(always)]
fn max(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// See [`super::MaxPool2::backward`].
pub fn backward(op: &MaxPool2, x: &mut [f32], dy: &[f32]) {
    let (row, k) = (op.width * op.channels, op.channels);
    vectorize(
        #[inline(always)]
        || {
            let samples = x.chunks_exact_mut(op.input()).zip(dy.chunks_exact(op.output())).take(op.samples);
            for (x, dy) in samples {
                let rows = op.height / 2 * 2 * row;
                x[rows..].fill(0.0);
                for (x, dy) in x.chunks_exact_mut(2 * row).zip(dy.chunks_exact(op.width / 2 * k)) {
                    let (upper, lower) = x.split_at_mut(row);
                    upper[op.width / 2 * 2 * k..].fill(0.0);
                    lower[op.width / 2 * 2 * k..].fill(0.0);
                    let windows = upper.chunks_exact_mut(2 * k).zip(lower.chunks_exact_mut(2 * k));
                    for ((upper, lower), dy) in windows.zip(dy.chunks_exact(k)) {
                        let (a, b) = upper.split_at_mut(k);
                        let (c, d) = lower.split_at_mut(k);
                        for i in 0..k {
                            let most = max(max(a[i], b[i]), max(c[i], d[i]));
                            // The gradient goes to the first maximum; what is left after it is 0.
                            let mut left = dy[i];
                            for value in [&mut a[i], &mut b[i], &mut c[i], &mut d[i]] {
                                let is_most = *value == most;
                                *value = if is_most { left } else { 0.0 };
                                left = if is_most { 0.0 } else { left };
                            }
                        }
                    }
                }
            }
        },
    );
}
