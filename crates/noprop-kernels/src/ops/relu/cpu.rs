//! The reference loops, compiled for the processor's vectors.

use super::reference;
use crate::ops::simd::vectorize;

/// y = max(y, 0)
pub fn forward(y: &mut [f32]) {
    vectorize(
        #[inline(always)]
        || reference::forward(y),
    );
}

/// dy = dy · scale · [y > 0]
pub fn backward(dy: &mut [f32], y: &[f32], scale: f32) {
    vectorize(
        #[inline(always)]
        || reference::backward(dy, y, scale),
    );
}
