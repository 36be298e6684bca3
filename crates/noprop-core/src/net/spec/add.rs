//! The sum of values of one shape.

use super::{Fit, Signature, Spec, same};
use crate::net::shape::Shape;
use crate::onnx::{Layer, Value};
use serde::{Deserialize, Serialize};

/// See [`add`](crate::ops::add). In place of the first input where nothing else reads it; the gradient of the sum is that of every input.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {}

impl Spec for Add {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        same(inputs)
    }
    fn onnx(&self, _: &Signature, layer: &mut Layer<'_>) -> Value {
        layer.fold("Add")
    }
}
