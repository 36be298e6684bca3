//! The reference loop, compiled for the processor's vectors.

use super::{Factors, reference};
use crate::ops::simd::vectorize;

/// See [`reference::step`].
pub fn step(factors: Factors<f32>, parameters: &mut [f32], first: &mut [f32], second: &mut [f32], gradients: &[f32]) {
    vectorize(
        #[inline(always)]
        || reference::step(factors, parameters, first, second, gradients),
    );
}
