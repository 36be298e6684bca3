//! The definition, in plain loops. Factors are rounded to the operation's precision.

use super::Linear;
use crate::tensor::Real;

/// y[b, o] += Σ_i x[b, i] · w[i, o]
pub fn add_product<T: Real>(op: &Linear, y: &mut [T], x: &[T], weight: &[T]) {
    let factor = |value| op.precision.factor(value);
    for b in 0..op.samples {
        for o in 0..op.outputs {
            let mut sum = T::zero();
            for i in 0..op.inputs {
                sum += factor(x[b * op.inputs + i]) * factor(weight[i * op.outputs + o]);
            }
            y[b * op.outputs + o] += sum;
        }
    }
}

/// dx[b, i] = Σ_o dy[b, o] · w[i, o]
pub fn backward_data<T: Real>(op: &Linear, dx: &mut [T], dy: &[T], weight: &[T]) {
    let factor = |value| op.precision.factor(value);
    for b in 0..op.samples {
        for i in 0..op.inputs {
            let mut sum = T::zero();
            for o in 0..op.outputs {
                sum += factor(dy[b * op.outputs + o]) * factor(weight[i * op.outputs + o]);
            }
            dx[b * op.inputs + i] = sum;
        }
    }
}

/// dw[i, o] = Σ_b x[b, i] · dy[b, o]
pub fn backward_weights<T: Real>(op: &Linear, dw: &mut [T], x: &[T], dy: &[T]) {
    let factor = |value| op.precision.factor(value);
    for i in 0..op.inputs {
        for o in 0..op.outputs {
            let mut sum = T::zero();
            for b in 0..op.samples {
                sum += factor(x[b * op.inputs + i]) * factor(dy[b * op.outputs + o]);
            }
            dw[i * op.outputs + o] = sum;
        }
    }
}

/// sums[o] = Σ_r rows[r, first + o], of rows of `width` values
#[inline(always)]
pub fn sum_rows<T: Real>((width, first): (usize, usize), sums: &mut [T], rows: &[T]) {
    sums.fill(T::zero());
    for row in rows.chunks_exact(width) {
        for (sum, value) in sums.iter_mut().zip(&row[first..]) {
            *sum += *value;
        }
    }
}
