//! The definition, in plain loops.

use super::Dims;
use crate::ops::Real;

/// y[b, r, c, o] = relu(bias[o] + Σ_{i, j, k} x[b, r + i, c + j, k] · w[i, j, k, o])
pub fn forward_relu<T: Real>(d: &Dims, samples: usize, y: &mut [T], x: &[T], weight: &[T], bias: &[T]) {
    for_each_output(d, samples, |at, b, r, c, o| {
        let mut sum = bias[o];
        for_each_tap(d, |i, j, k| sum += x[x_at(d, b, r + i, c + j, k)] * weight[w_at(d, i, j, k, o)]);
        y[at] = sum.max(T::zero());
    });
}

/// dx[b, r + i, c + j, k] += dy[b, r, c, o] · w[i, j, k, o]
pub fn backward_data<T: Real>(d: &Dims, samples: usize, dx: &mut [T], dy: &[T], weight: &[T]) {
    dx[..samples * d.input()].fill(T::zero());
    for_each_output(d, samples, |at, b, r, c, o| {
        for_each_tap(d, |i, j, k| dx[x_at(d, b, r + i, c + j, k)] += dy[at] * weight[w_at(d, i, j, k, o)]);
    });
}

/// dw[i, j, k, o] = Σ_{b, r, c} x[b, r + i, c + j, k] · dy[b, r, c, o]
pub fn backward_weights<T: Real>(d: &Dims, samples: usize, dw: &mut [T], x: &[T], dy: &[T]) {
    dw.fill(T::zero());
    for_each_output(d, samples, |at, b, r, c, o| {
        for_each_tap(d, |i, j, k| dw[w_at(d, i, j, k, o)] += x[x_at(d, b, r + i, c + j, k)] * dy[at]);
    });
}

/// db[o] = Σ_{b, r, c} dy[b, r, c, o]
pub fn backward_bias<T: Real>(d: &Dims, samples: usize, db: &mut [T], dy: &[T]) {
    db.fill(T::zero());
    for_each_output(d, samples, |at, _, _, _, o| db[o] += dy[at]);
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
        for r in 0..d.out_height() {
            for c in 0..d.out_width() {
                for o in 0..d.cout {
                    visit(at, b, r, c, o);
                    at += 1;
                }
            }
        }
    }
}
