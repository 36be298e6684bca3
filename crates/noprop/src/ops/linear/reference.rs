//! The definition, in plain loops.

use super::Linear;
use crate::ops::Real;

/// y[b, o] += Σ_i x[b, i] · w[i, o]
pub fn add_product<T: Real>(op: &Linear, y: &mut [T], x: &[T], weight: &[T]) {
    for b in 0..op.samples {
        for o in 0..op.outputs {
            let mut sum = T::zero();
            for i in 0..op.inputs {
                sum += x[b * op.inputs + i] * weight[i * op.outputs + o];
            }
            y[b * op.outputs + o] += sum;
        }
    }
}

/// dx[b, i] = Σ_o dy[b, o] · w[i, o]
pub fn backward_data<T: Real>(op: &Linear, dx: &mut [T], dy: &[T], weight: &[T]) {
    for b in 0..op.samples {
        for i in 0..op.inputs {
            let mut sum = T::zero();
            for o in 0..op.outputs {
                sum += dy[b * op.outputs + o] * weight[i * op.outputs + o];
            }
            dx[b * op.inputs + i] = sum;
        }
    }
}

/// dw[i, o] = Σ_b x[b, i] · dy[b, o]
pub fn backward_weights<T: Real>(op: &Linear, dw: &mut [T], x: &[T], dy: &[T]) {
    for i in 0..op.inputs {
        for o in 0..op.outputs {
            let mut sum = T::zero();
            for b in 0..op.samples {
                sum += x[b * op.inputs + i] * dy[b * op.outputs + o];
            }
            dw[i * op.outputs + o] = sum;
        }
    }
}

/// sums[o] = Σ_r rows[r, o]
pub fn sum_rows<T: Real>(sums: &mut [T], rows: &[T]) {
    sums.fill(T::zero());
    for row in rows.chunks_exact(sums.len()) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += *value;
        }
    }
}
