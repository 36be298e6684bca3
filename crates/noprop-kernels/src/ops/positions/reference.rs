//! The definition, in plain loops over samples.

use crate::tensor::Real;

/// y[b, i] += parameter[i]
#[inline(always)]
pub fn forward<T: Real>(y: &mut [T], parameter: &[T]) {
    for y in y.chunks_exact_mut(parameter.len()) {
        for (y, parameter) in y.iter_mut().zip(parameter) {
            *y += *parameter;
        }
    }
}

/// gradient[i] = Σ_b dy[b, i], in the order of the samples, of the columns from `first` on
#[inline(always)]
pub fn backward_weights<T: Real>((len, first): (usize, usize), gradient: &mut [T], dy: &[T]) {
    gradient.fill(T::zero());
    for dy in dy.chunks_exact(len) {
        for (gradient, dy) in gradient.iter_mut().zip(&dy[first..]) {
            *gradient += *dy;
        }
    }
}
