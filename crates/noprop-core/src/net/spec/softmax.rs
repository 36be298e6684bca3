//! Probabilities over the last dimension.

use super::{Fit, Signature, Spec, one};
use crate::net::shape::Shape;
use crate::onnx::{Attribute, Layer, Value};
use serde::{Deserialize, Serialize};

/// See [`softmax`](crate::ops::softmax). In place; the gradient is read off the output.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Softmax {}

impl Spec for Softmax {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        one(inputs)
    }
    fn onnx(&self, _: &Signature, layer: &mut Layer<'_>) -> Value {
        let x = layer.last(0);
        let y = layer.op("Softmax", &[&x], &[("axis", Attribute::Int(-1))]);
        layer.value(y, false)
    }
}
