//! The definitions, in plain loops.

use super::Embed;
use crate::tensor::Real;

/// to = from · W, or from · Wᵀ
pub fn forward<T: Real>(op: &Embed, to: &mut [T], from: &[T], embeddings: &[T]) {
    let ((inputs, outputs), embeddings) = (op.sizes(), &embeddings[op.offset..][..op.classes * op.width]);
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

/// dW = sharesᵀ · dy, or more of it, in the order of the samples.
pub fn backward_rows<T: Real>(op: &Embed, gradients: &mut [T], shares: &[T], dy: &[T], add: bool) {
    let gradients = &mut gradients[op.offset..][..op.classes * op.width];
    if !add {
        gradients.fill(T::zero());
    }
    for (shares, dy) in shares.chunks_exact(op.classes).zip(dy.chunks_exact(op.width)).take(op.samples) {
        for (row, share) in gradients.chunks_exact_mut(op.width).zip(shares) {
            row.iter_mut().zip(dy).for_each(|(to, dy)| *to += *share * *dy);
        }
    }
}
