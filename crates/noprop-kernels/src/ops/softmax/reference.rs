//! The definition, in plain loops. A handful of values a sample: there is nothing to speed up.

use crate::tensor::Real;

/// p[b, k] = exp(l[b, k] − m) / Σ_j exp(l[b, j] − m), m the greatest logit; p replaces l
pub fn forward<T: Real>(classes: usize, logits: &mut [T]) {
    for row in logits.chunks_exact_mut(classes) {
        let most = row.iter().copied().fold(T::neg_infinity(), T::max);
        let mut sum = T::zero();
        for value in row.iter_mut() {
            *value = (*value - most).exp_anywhere();
            sum += *value;
        }
        for value in row {
            *value /= sum;
        }
    }
}

/// dl[b, k] = p[b, k] · (dp[b, k] − Σ_j dp[b, j] p[b, j])
pub fn backward<T: Real>(classes: usize, gradient: &mut [T], probabilities: &[T]) {
    for (g, p) in gradient.chunks_exact_mut(classes).zip(probabilities.chunks_exact(classes)) {
        let mut inner = T::zero();
        for (g, p) in g.iter().zip(p) {
            inner += *g * *p;
        }
        for (g, p) in g.iter_mut().zip(p) {
            *g = *p * (*g - inner);
        }
    }
}
