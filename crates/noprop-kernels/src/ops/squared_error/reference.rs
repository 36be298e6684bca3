//! The definition, in plain loops. A handful of values a sample: there is nothing to speed up.

use super::SquaredError;
use crate::tensor::Real;

/// (1 / samples) Σ_b Σ_k (û[b, k] − [k = y_b])²
pub fn forward<T: Real>(op: &SquaredError<'_>, estimate: &[T]) -> T {
    let mut sum = T::zero();
    for (estimate, class) in estimate.chunks_exact(op.width).zip(op.classes) {
        for (k, value) in estimate.iter().enumerate() {
            let error = *value - one_hot(k, *class);
            sum += error * error;
        }
    }
    sum / T::of(op.classes.len() as f64)
}

/// g[b, k] = weight · 2 (û[b, k] − [k = y_b]) / samples
pub fn backward<T: Real>(op: &SquaredError<'_>, gradient: &mut [T], estimate: &[T], weight: T) {
    let scale = weight * T::of(2.0 / op.classes.len() as f64);
    let rows = gradient.chunks_exact_mut(op.width).zip(estimate.chunks_exact(op.width));
    for ((gradient, estimate), class) in rows.zip(op.classes) {
        for (k, (g, value)) in gradient.iter_mut().zip(estimate).enumerate() {
            *g = scale * (*value - one_hot(k, *class));
        }
    }
}

fn one_hot<T: Real>(k: usize, class: u32) -> T {
    if k == class as usize { T::one() } else { T::zero() }
}
