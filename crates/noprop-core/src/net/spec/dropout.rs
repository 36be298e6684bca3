//! Values dropped at random in training.

use super::{Fit, Misfit, Signature, Spec, one};
use crate::net::shape::Shape;
use crate::onnx::{Layer, Value};
use serde::{Deserialize, Serialize};

/// See [`dropout`](crate::ops::dropout). In place. The mask is a function of the sample, so the gradient makes it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// Probability of dropping a value, in [0, 1).
    pub rate: f64,
}

impl Spec for Dropout {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        if !(0.0..1.0).contains(&self.rate) {
            return Err(Misfit::new("a probability from 0 to below 1", self.rate.to_string()).field("rate"));
        }
        one(inputs)
    }
    fn onnx(&self, _: &Signature, layer: &mut Layer<'_>) -> Value {
        layer.inputs[0].clone()
    }
}
