//! The definition, in plain loops. Factors are rounded to the operation's precision. `da` is the gradient of the
//! convolution's used output (see [`super::pool`]).

use super::pool::pool_rows;
use super::{Conv3x3, Dims};
use crate::tensor::Real;

/// a[b, r, c, o] = relu(bias[o] + Σ_{i, j, k} x[b, r + i, c + j, k] · w[i, j, k, o]); y = pool(a) or a.
pub fn forward<T: Real>(op: &Conv3x3<'_>, y: &mut [T], winners: &mut [T], x: &[T], weight: &[T], bias: &[T]) {
    let (d, factor) = (&op.dims, |value| op.precision.factor(value));
    let samples = x.len() / d.input();
    let mut a = vec![T::zero(); samples * d.convolved()];
    for_each_output(d, samples, |at, b, r, c, o| {
        let mut sum = bias[o];
        for_each_tap(d, |i, j, k| sum += factor(x[x_at(d, b, r + i, c + j, k)]) * factor(weight[w_at(d, i, j, k, o)]));
        a[at] = sum.max(T::zero());
    });
    if !d.pool {
        y[..a.len()].copy_from_slice(&a);
        return;
    }
    let row = d.out_width() * d.cout;
    let out = y.chunks_exact_mut(row).zip(winners.chunks_exact_mut(row));
    for (rows, (y, winners)) in a.chunks_exact(4 * row).zip(out) {
        pool_rows(d, y, winners, rows);
    }
}

/// dx[b, r + i, c + j, k] += da[b, r, c, o] · w[i, j, k, o]
pub fn backward_data<T: Real>(op: &Conv3x3<'_>, dx: &mut [T], da: &[T], weight: &[T]) {
    let (d, factor) = (&op.dims, |value| op.precision.factor(value));
    dx.fill(T::zero());
    for_each_output(d, dx.len() / d.input(), |at, b, r, c, o| {
        for_each_tap(d, |i, j, k| {
            dx[x_at(d, b, r + i, c + j, k)] += factor(da[at]) * factor(weight[w_at(d, i, j, k, o)])
        });
    });
}

/// dw[i, j, k, o] = Σ_{b, r, c} x[b, r + i, c + j, k] · da[b, r, c, o]
pub fn backward_weights<T: Real>(op: &Conv3x3<'_>, dw: &mut [T], x: &[T], da: &[T]) {
    let (d, factor) = (&op.dims, |value| op.precision.factor(value));
    dw.fill(T::zero());
    for_each_output(d, x.len() / d.input(), |at, b, r, c, o| {
        for_each_tap(d, |i, j, k| dw[w_at(d, i, j, k, o)] += factor(x[x_at(d, b, r + i, c + j, k)]) * factor(da[at]));
    });
}

fn x_at(d: &Dims, b: usize, row: usize, column: usize, k: usize) -> usize {
    ((b * d.height + row) * d.width + column) * d.cin + k
}

fn w_at(d: &Dims, i: usize, j: usize, k: usize, o: usize) -> usize {
    ((i * 3 + j) * d.cin + k) * d.cout + o
}

fn for_each_tap(d: &Dims, mut visit: impl FnMut(usize, usize, usize)) {
    for i in 0..3 {
        for j in 0..3 {
            for k in 0..d.cin {
                visit(i, j, k);
            }
        }
    }
}

fn for_each_output(d: &Dims, samples: usize, mut visit: impl FnMut(usize, usize, usize, usize, usize)) {
    let mut at = 0;
    for b in 0..samples {
        for r in 0..d.conv_height() {
            for c in 0..d.conv_width() {
                for o in 0..d.cout {
                    visit(at, b, r, c, o);
                    at += 1;
                }
            }
        }
    }
}
