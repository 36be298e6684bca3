//! The definition, in plain loops.

use super::Embed;
use crate::tensor::Real;

/// to = from · W, or from · Wᵀ
pub fn forward<T: Real>(op: &Embed, to: &mut [T], from: &[T], embeddings: &[T]) {
    let (inputs, outputs) = op.sizes();
    for (to, from) in to.chunks_exact_mut(outputs).zip(from.chunks_exact(inputs)).take(op.samples) {
        if op.is_transposed {
            for (to, row) in to.iter_mut().zip(embeddings.chunks_exact(op.width)) {
                *to = from.iter().zip(row).fold(T::zero(), |sum, (from, value)| sum + *from * *value);
            }
        } else {
            to.fill(T::zero());
            for (from, row) in from.iter().zip(embeddings.chunks_exact(op.width)) {
                to.iter_mut().zip(row).for_each(|(to, value)| *to += *from * *value);
            }
        }
    }
}
