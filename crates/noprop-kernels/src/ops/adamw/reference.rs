//! The definition, in a plain loop.

use super::Factors;
use crate::tensor::Real;

/// θ ← (1 − lr·wd) θ;  m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;
/// θ ← θ − lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε)
///
/// With coupled decay g + wd·θ takes the place of g, and θ does not shrink by itself.
#[inline(always)]
pub fn step<T: Real>(f: Factors<T>, parameters: &mut [T], first: &mut [T], second: &mut [T], gradients: &[T]) {
    if f.coupled == T::zero() {
        walk(f, parameters, first, second, gradients, |_, g| g);
    } else {
        walk(f, parameters, first, second, gradients, |parameter, g| g + f.coupled * parameter);
    }
}

#[inline(always)]
fn walk<T: Real>(
    f: Factors<T>,
    parameters: &mut [T],
    first: &mut [T],
    second: &mut [T],
    gradients: &[T],
    gradient: impl Fn(T, T) -> T,
) {
    let moments = first.iter_mut().zip(second);
    for ((parameter, (m, v)), g) in parameters.iter_mut().zip(moments).zip(gradients) {
        let g = gradient(*parameter, *g);
        *m = f.beta1 * *m + (T::one() - f.beta1) * g;
        *v = f.beta2 * *v + (T::one() - f.beta2) * g * g;
        let root = v.sqrt() * f.inverse_root_correction + f.epsilon;
        *parameter = *parameter * f.keep - f.step_size * *m / root;
    }
}
