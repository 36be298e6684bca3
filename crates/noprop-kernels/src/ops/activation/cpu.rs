//! Loops without branches, compiled for the processor's vectors.

use super::{GELU_CUBE, GELU_SLOPE, Kind};
use crate::ops::exp::{MOST, exp};
use crate::ops::simd::vectorize;

/// y = f(x)
pub fn forward(kind: Kind, y: &mut [f32], x: &[f32]) {
    match kind {
        Kind::Gelu => forward_of::<true>(y, x),
        Kind::Silu => forward_of::<false>(y, x),
    }
}

/// dx = dy · f'(x)
pub fn backward(kind: Kind, dx: &mut [f32], dy: &[f32], x: &[f32]) {
    match kind {
        Kind::Gelu => backward_of::<true>(dx, dy, x),
        Kind::Silu => backward_of::<false>(dx, dy, x),
    }
}

/// The argument of the sigmoid, and its derivative.
#[inline(always)]
fn inner<const GELU: bool>(x: f32) -> (f32, f32) {
    if !GELU {
        return (x, 1.0);
    }
    let (linear, cubic) = (GELU_SLOPE as f32, (GELU_SLOPE * GELU_CUBE) as f32);
    let square = cubic * x * x;
    (x * (linear + square), linear + 3.0 * square)
}

fn forward_of<const GELU: bool>(y: &mut [f32], x: &[f32]) {
    vectorize(
        #[inline(always)]
        || {
            for (y, x) in y.iter_mut().zip(x) {
                *y = *x / (1.0 + exp(-inner::<GELU>(*x).0));
            }
        },
    );
}

fn backward_of<const GELU: bool>(dx: &mut [f32], dy: &[f32], x: &[f32]) {
    vectorize(
        #[inline(always)]
        || {
            for ((dx, dy), x) in dx.iter_mut().zip(dy).zip(x) {
                let (u, slope) = inner::<GELU>(*x);
                let power = exp(-u);
                let gate = 1.0 / (1.0 + power);
                // Where σ is 0 or 1, the slope may be so great that it would show.
                let slope = if u.abs() < MOST { slope } else { 0.0 };
                // 1 − σ is power · σ, which keeps its digits where σ is near 1.
                *dx = *dy * (gate + (*x * gate) * (power * gate) * slope);
            }
        },
    );
}
