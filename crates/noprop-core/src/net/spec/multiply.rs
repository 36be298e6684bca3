//! The product of two values of one shape.

use super::{Fit, Misfit, Signature, Spec, same};
use crate::net::shape::Shape;
use crate::onnx::{Layer, Value};
use serde::{Deserialize, Serialize};

/// Value by value, see [`mul`](crate::ops::mul).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Multiply {}

impl Spec for Multiply {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        if inputs.len() > 2 {
            return Err(Misfit::new("two inputs", format!("{} inputs", inputs.len())).field("from"));
        }
        same(inputs)
    }
    fn onnx(&self, _: &Signature, layer: &mut Layer<'_>) -> Value {
        layer.fold("Mul")
    }
}
