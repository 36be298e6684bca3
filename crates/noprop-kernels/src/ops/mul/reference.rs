//! The definition, in a plain loop.

use crate::tensor::Real;

/// y = a · b
#[inline(always)]
pub fn mul<T: Real>(y: &mut [T], a: &[T], b: &[T]) {
    for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
        *y = *a * *b;
    }
}
