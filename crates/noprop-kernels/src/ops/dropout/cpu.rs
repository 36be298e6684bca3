//! Sixteen Philox blocks side by side, one lane each.

use super::{Dropout, GROUP};
use crate::ops::simd::vectorize;

/// See [`super::OfBlock::apply`].
pub fn apply(op: &Dropout<'_>, block: usize, sample: u32, y: &mut [f32]) {
    let (scale, threshold) = (super::scale(op.rate) as f32, u32::from(super::threshold(op.rate)));
    vectorize(
        #[inline(always)]
        || {
            let stream = op.stream(block, sample);
            for (group, y) in y.chunks_mut(GROUP).enumerate() {
                let words = stream.words16(group as u32 * 16);
                // Element = half · 64 + word · 16 + block.
                for (part, y) in y.chunks_mut(16).enumerate() {
                    let (word, shift) = (&words[part % 4], part / 4 * 16);
                    for (y, bits) in y.iter_mut().zip(word) {
                        *y = if (bits >> shift) & 0xFFFF >= threshold { *y * scale } else { 0.0 };
                    }
                }
            }
        },
    );
}
