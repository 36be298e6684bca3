//! The definition, element by element.

use super::{Dropout, bits_at, scale, threshold};
use crate::ops::Real;

/// y[b, e] = y[b, e] / (1 − p) where the element's bits reach the threshold, else 0.
pub fn forward<T: Real>(op: &Dropout<'_>, block: usize, y: &mut [T]) {
    let (scale, threshold) = (T::of(scale(op.rate)), threshold(op.rate));
    for (sample, y) in op.samples.iter().zip(y.chunks_exact_mut(op.len)) {
        let stream = op.stream(block, *sample);
        for (element, y) in y.iter_mut().enumerate() {
            let (index, word, shift) = bits_at(element);
            let bits = (stream.words(index)[word] >> shift) as u16;
            *y = if bits >= threshold { *y * scale } else { T::zero() };
        }
    }
}
