//! Stochastic gradient descent with momentum, as PyTorch computes it.

use crate::ops::simd::vectorize;
use crate::tensor::Real;

/// What every parameter of one step shares.
#[derive(Debug, Clone, Copy)]
pub struct Factors<T> {
    learning_rate: T,
    weight_decay: T,
    momentum: T,
}

impl<T: Real> Factors<T> {
    pub fn of(learning_rate: f64, weight_decay: f64, momentum: f64) -> Self {
        Self { learning_rate: T::of(learning_rate), weight_decay: T::of(weight_decay), momentum: T::of(momentum) }
    }
}

/// m ← μ m + (g + wd θ);  θ ← θ − lr m
pub fn step<T: Real>(f: Factors<T>, parameters: &mut [T], gathered: &mut [T], gradients: &[T]) {
    vectorize(
        #[inline(always)]
        || {
            for ((parameter, m), g) in parameters.iter_mut().zip(gathered).zip(gradients) {
                *m = f.momentum * *m + (*g + f.weight_decay * *parameter);
                *parameter -= f.learning_rate * *m;
            }
        },
    );
}

/// g ← g + wd θ;  m ← μ m + g;  θ ← θ − lr (g + μ m)
pub fn step_ahead<T: Real>(f: Factors<T>, parameters: &mut [T], gathered: &mut [T], gradients: &[T]) {
    vectorize(
        #[inline(always)]
        || {
            for ((parameter, m), g) in parameters.iter_mut().zip(gathered).zip(gradients) {
                let g = *g + f.weight_decay * *parameter;
                *m = f.momentum * *m + g;
                *parameter -= f.learning_rate * (g + f.momentum * *m);
            }
        },
    );
}
