//! The definition, in plain loops.

use crate::tensor::Real;

/// y = max(y, 0)
#[inline(always)]
pub fn forward<T: Real>(y: &mut [T]) {
    for value in y {
        *value = if *value > T::zero() { *value } else { T::zero() };
    }
}

/// dy = dy · scale · [y > 0]
#[inline(always)]
pub fn backward<T: Real>(dy: &mut [T], y: &[T], scale: T) {
    for (dy, y) in dy.iter_mut().zip(y) {
        *dy = if *y > T::zero() { *dy * scale } else { T::zero() };
    }
}
