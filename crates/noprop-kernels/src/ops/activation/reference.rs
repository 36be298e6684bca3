//! The definition, in plain loops.

use super::{GELU_CUBE, GELU_SLOPE, Kind};
use crate::tensor::Real;

/// The argument of the sigmoid, and its derivative.
fn inner<T: Real>(kind: Kind, x: T) -> (T, T) {
    let (slope, cube, one) = (T::of(GELU_SLOPE), T::of(GELU_CUBE), T::one());
    match kind {
        Kind::Gelu => (slope * (x + cube * x * x * x), slope * (one + T::of(3.0) * cube * x * x)),
        Kind::Silu => (x, one),
    }
}

/// 1 / (1 + exp(−u))
fn sigmoid<T: Real>(u: T) -> T {
    T::one() / (T::one() + (-u).exp_anywhere())
}

/// y = x · σ(u(x))
pub fn forward<T: Real>(kind: Kind, y: &mut [T], x: &[T]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = *x * sigmoid(inner(kind, *x).0);
    }
}

/// dx = dy · (σ + x · σ · (1 − σ) · u'(x))
pub fn backward<T: Real>(kind: Kind, dx: &mut [T], dy: &[T], x: &[T]) {
    for ((dx, dy), x) in dx.iter_mut().zip(dy).zip(x) {
        let (u, slope) = inner(kind, *x);
        let gate = sigmoid(u);
        *dx = *dy * (gate + *x * gate * (T::one() - gate) * slope);
    }
}
