//! The reference loops, compiled for the processor's vectors: rows are contiguous, so they vectorise over the width.

use super::reference;
use crate::ops::simd::vectorize;

/// See [`reference::statistics`].
pub fn statistics(mean: &mut [f32], variance: &mut [f32], x: &[f32]) {
    vectorize(
        #[inline(always)]
        || reference::statistics(mean, variance, x),
    );
}

/// See [`reference::normalise`].
pub fn normalise(relu: bool, y: &mut [f32], sources: [&[f32]; 5]) {
    vectorize(
        #[inline(always)]
        || reference::normalise(relu, y, sources),
    );
}

/// See [`reference::backward_weights`].
pub fn backward_weights(relu: bool, weight: &mut [f32], bias: &mut [f32], sources: [&[f32]; 5]) {
    vectorize(
        #[inline(always)]
        || reference::backward_weights(relu, weight, bias, sources),
    );
}

/// See [`reference::backward_data`].
pub fn backward_data(relu: bool, dx: &mut [f32], sources: [&[f32]; 8]) {
    vectorize(
        #[inline(always)]
        || reference::backward_data(relu, dx, sources),
    );
}
