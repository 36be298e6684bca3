//! From the classes' shares to a vector of the label's kind.

use super::{Fit, Misfit, Signature, Spec, one};
use crate::diffusion::ClassVectors;
use crate::net::shape::Shape;
use crate::onnx::{Layer, Value};

/// û = Σ_k y_k u_k: shares y of the classes by their embeddings, which are no tensors of the net. Users' nets cannot name it.
#[derive(Debug, Clone, PartialEq)]
pub struct Embed {
    /// u_k of every class k.
    pub vectors: ClassVectors,
    /// Shape of one of them.
    pub shape: Shape,
}

impl Spec for Embed {
    fn output(&self, inputs: &[Shape], classes: usize) -> Fit {
        match one(inputs)? {
            Shape::Vector(len) if len == classes => Ok(self.shape),
            other => Err(Misfit::new(format!("a vector [{classes}]"), other.to_string()).field("from")),
        }
    }
    fn onnx(&self, s: &Signature, layer: &mut Layer<'_>) -> Value {
        let y = layer.last(0);
        let rows: Vec<_> = (0..s.inputs[0].len()).flat_map(|class| self.vectors.vector(class)).collect();
        let vectors = layer.to.floats(&[s.inputs[0].len(), s.output.len()], &rows);
        let estimate = layer.op("MatMul", &[&y, &vectors], &[]);
        let estimate = match s.output {
            Shape::Image { .. } => layer.reshape(&estimate, &s.output.dims()),
            _ => estimate,
        };
        layer.value(estimate, false)
    }
    fn multiply_adds(&self, s: &Signature) -> Vec<usize> {
        s.inputs.iter().map(|input| input.len() * s.output.len()).collect()
    }
}
