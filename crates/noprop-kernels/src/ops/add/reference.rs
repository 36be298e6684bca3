//! The definition, in a plain loop.

use crate::tensor::Real;

/// y += x
#[inline(always)]
pub fn add<T: Real>(y: &mut [T], x: &[T]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += *x;
    }
}

/// y = a + b
#[inline(always)]
pub fn sum<T: Real>(y: &mut [T], a: &[T], b: &[T]) {
    for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
        *y = *a + *b;
    }
}
