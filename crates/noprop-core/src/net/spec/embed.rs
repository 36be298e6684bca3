//! From the classes' shares to a vector of the label's kind.

use super::{Fit, Misfit, Signature, Spec, Tensor, one};
use crate::diffusion::ClassVectors;
use crate::net::layout::Init;
use crate::net::shape::Shape;
use crate::onnx::{Layer, Value};

/// û = Σ_k y_k u_k: shares y of the classes by their embeddings. Users' nets cannot name it.
#[derive(Debug, Clone, PartialEq)]
pub struct Embed {
    /// u_k of every class k, or how they begin.
    pub vectors: ClassVectors,
    /// Whether they are a tensor of the net and trained with it.
    pub trained: bool,
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
        let (y, dims) = (layer.last(0), [s.inputs[0].len(), s.output.len()]);
        let vectors = if self.trained {
            layer.weight("weight", &dims)
        } else {
            let rows: Vec<_> = (0..dims[0]).flat_map(|class| self.vectors.vector(class)).collect();
            layer.to.floats(&dims, &rows)
        };
        let estimate = layer.op("MatMul", &[&y, &vectors], &[]);
        let estimate = match s.output {
            Shape::Image { .. } => layer.reshape(&estimate, &s.output.dims()),
            _ => estimate,
        };
        layer.value(estimate, false)
    }
    fn tensors(&self, s: &Signature) -> Vec<Tensor> {
        let init = self.vectors.rows().map_or(Init::Identity(s.output.len()), |rows| Init::Values(rows.clone()));
        let shape = vec![s.inputs[0].len(), s.output.len()];
        let weight = Tensor { name: "weight", trained: true, shape, init };
        if self.trained { vec![weight] } else { Vec::new() }
    }
    fn multiply_adds(&self, s: &Signature) -> Vec<usize> {
        s.inputs.iter().map(|input| input.len() * s.output.len()).collect()
    }
}
