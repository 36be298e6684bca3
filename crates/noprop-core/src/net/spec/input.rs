//! The inputs of a net: x and z.

use super::{Fit, Misfit, Signature, Spec};
use crate::net::shape::Shape;
use crate::onnx::{Layer, Value};

/// Nothing is computed.
pub(crate) struct Input;

impl Spec for Input {
    fn output(&self, _: &[Shape], _: usize) -> Fit {
        Err(Misfit::new("an operation", "an input"))
    }
    fn onnx(&self, _: &Signature, _: &mut Layer<'_>) -> Value {
        unreachable!("inputs are there before any operation")
    }
}
