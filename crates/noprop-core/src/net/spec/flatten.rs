//! An image or tokens as a vector.

use super::{Fit, Signature, Spec, one};
use crate::net::shape::Shape;
use crate::onnx::{Layer, Value};
use serde::{Deserialize, Serialize};

/// The values stay where they are; whoever reads this node reads its input.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {}

impl Spec for Flatten {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        Ok(Shape::Vector(one(inputs)?.len()))
    }
    fn onnx(&self, s: &Signature, layer: &mut Layer<'_>) -> Value {
        let x = layer.last(0);
        let y = layer.reshape(&x, &s.output.dims());
        layer.value(y, false)
    }
}
