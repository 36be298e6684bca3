//! From the classes' shares to a vector of the label's kind.

use super::{Fit, Misfit, Signature, Spec, one};
use crate::diffusion::ClassVectors;
use crate::net::shape::Shape;

/// û = Σ_k y_k u_k: shares y of the classes by their embeddings, which are no tensors of the net. Users' nets cannot name it.
#[derive(Debug, Clone, PartialEq)]
pub struct Embed {
    /// u_k of every class k.
    pub vectors: ClassVectors,
}

impl Spec for Embed {
    fn output(&self, inputs: &[Shape], classes: usize) -> Fit {
        match one(inputs)? {
            Shape::Vector(len) if len == classes => Ok(Shape::Vector(self.vectors.width())),
            other => Err(Misfit::new(format!("a vector [{classes}]"), other.to_string()).field("from")),
        }
    }
    fn multiply_adds(&self, s: &Signature) -> Vec<usize> {
        s.inputs.iter().map(|input| input.len() * s.output.len()).collect()
    }
}
