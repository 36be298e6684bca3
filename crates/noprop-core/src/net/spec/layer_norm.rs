//! Normalisation of each row: of a vector, of each token, of each pixel.

use super::{Fit, Misfit, Signature, Spec, Tensor, one};
use crate::net::layout::Init;
use crate::net::shape::Shape;
use serde::{Deserialize, Serialize};

/// See [`layer_norm`](crate::ops::layer_norm).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerNorm {}

/// The same, scaled by 1 + s and shifted by t, where the second input is the vector `[s | t]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveLayerNorm {}

impl Spec for LayerNorm {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        one(inputs)
    }
    fn tensors(&self, s: &Signature) -> Vec<Tensor> {
        let tensor =
            |name, value| Tensor { name, trained: true, shape: vec![s.output.width()], init: Init::Constant(value) };
        vec![tensor("weight", 1.0), tensor("bias", 0.0)]
    }
}

impl Spec for AdaptiveLayerNorm {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        let [x, modulation] = inputs else {
            return Err(Misfit::new(
                "two inputs: what is normalised, and scales and shifts",
                format!("{} inputs", inputs.len()),
            )
            .field("from"));
        };
        if *modulation != Shape::Vector(2 * x.width()) {
            let expected =
                format!("a vector [{}] as the second input: a scale and a shift for each column", 2 * x.width());
            return Err(Misfit::new(expected, modulation.to_string()).field("from"));
        }
        Ok(*x)
    }
}
