//! The reference loops, compiled for the processor's vectors.

use super::reference;
use crate::ops::simd::vectorize;

/// See [`reference::forward`].
pub fn forward(y: &mut [f32], parameter: &[f32]) {
    vectorize(
        #[inline(always)]
        || reference::forward(y, parameter),
    );
}

/// See [`reference::backward_weights`].
pub fn backward_weights(columns: (usize, usize), gradient: &mut [f32], dy: &[f32]) {
    vectorize(
        #[inline(always)]
        || reference::backward_weights(columns, gradient, dy),
    );
}
