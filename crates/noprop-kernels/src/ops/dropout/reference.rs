//! The definition, element by element.

use super::{Dropout, bits_at, scale, threshold};
use crate::tensor::Real;

/// y[e] = y[e] / (1 − p) where the element's bits reach the threshold, else 0.
pub fn apply<T: Real>(op: &Dropout<'_>, block: usize, sample: u32, y: &mut [T]) {
    let (scale, threshold) = (T::of(scale(op.rate)), threshold(op.rate));
    let stream = op.stream(block, sample);
    for (element, y) in y.iter_mut().enumerate() {
        let (index, word, shift) = bits_at(element);
        let bits = (stream.words(index)[word] >> shift) as u16;
        *y = if bits >= threshold { *y * scale } else { T::zero() };
    }
}
