//! max(x, 0).

use super::{Fit, Signature, Spec, one};
use crate::net::shape::Shape;
use crate::onnx::{Layer, Value};
use serde::{Deserialize, Serialize};

/// See [`relu`](crate::ops::relu). In place; the gradient is read off the output.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relu {}

impl Spec for Relu {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        one(inputs)
    }
    fn onnx(&self, _: &Signature, layer: &mut Layer<'_>) -> Value {
        layer.map("Relu")
    }
}
