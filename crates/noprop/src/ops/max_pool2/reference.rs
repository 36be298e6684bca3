//! The definition, in plain loops.

use super::MaxPool2;
use crate::ops::Real;

/// y[b, r, c, k] = max of x[b, 2r..2r + 2, 2c..2c + 2, k]
pub fn forward<T: Real>(op: &MaxPool2, y: &mut [T], x: &[T]) {
    for_each_window(op, |at, window| y[at] = x[first_maximum(x, window)]);
}

/// x ← dy at the first maximum of each window (row by row), 0 elsewhere.
pub fn backward<T: Real>(op: &MaxPool2, x: &mut [T], dy: &[T]) {
    let mut dx = vec![T::zero(); op.samples * op.input()];
    for_each_window(op, |at, window| dx[first_maximum(x, window)] = dy[at]);
    x[..dx.len()].copy_from_slice(&dx);
}

fn first_maximum<T: Real>(x: &[T], window: [usize; 4]) -> usize {
    let mut best = window[0];
    for candidate in &window[1..] {
        if x[*candidate] > x[best] {
            best = *candidate;
        }
    }
    best
}

fn for_each_window(op: &MaxPool2, mut visit: impl FnMut(usize, [usize; 4])) {
    let mut at = 0;
    for b in 0..op.samples {
        for r in 0..op.height / 2 {
            for c in 0..op.width / 2 {
                for k in 0..op.channels {
                    let x = |i: usize, j: usize| ((b * op.height + 2 * r + i) * op.width + 2 * c + j) * op.channels + k;
                    visit(at, [x(0, 0), x(0, 1), x(1, 0), x(1, 1)]);
                    at += 1;
                }
            }
        }
    }
}
