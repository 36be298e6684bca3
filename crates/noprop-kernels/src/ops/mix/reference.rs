//! The definitions, in plain loops.

use super::Mix;
use crate::math;
use crate::tensor::Real;

/// k = tanh(w).
fn share<T: Real>(op: &Mix, state: &[T]) -> f64 {
    let w = state[op.slot.offset].to_f64().unwrap_or(f64::NAN);
    1.0 - 2.0 / (math::exp(2.0 * w) + 1.0)
}

/// y = z + k (û − z)
pub fn forward<T: Real>(op: &Mix, y: &mut [T], z: &[T], estimate: &[T], state: &[T]) {
    let k = T::of(share(op, state));
    for ((y, z), u) in y[..op.len].iter_mut().zip(z).zip(estimate) {
        *y = *z + k * (*u - *z);
    }
}

/// dx = (1 − k) dy, or k dy
pub fn backward<T: Real>(op: &Mix, dx: &mut [T], dy: &[T], state: &[T], of_estimate: bool) {
    let k = share(op, state);
    let factor = T::of(if of_estimate { k } else { 1.0 - k });
    dx[..op.len].iter_mut().zip(dy).for_each(|(dx, dy)| *dx = factor * *dy);
}

/// (1 − k²) Σ dy (û − z)
pub fn backward_share<T: Real>(op: &Mix, dy: &[T], z: &[T], estimate: &[T], state: &[T]) -> T {
    let k = share(op, state);
    let value = |value: T| value.to_f64().unwrap_or(f64::NAN);
    let each = dy[..op.len].iter().zip(z).zip(estimate);
    let sum: f64 = each.map(|((dy, z), u)| value(*dy) * (value(*u) - value(*z))).sum();
    T::of((1.0 - k * k) * sum)
}
