//! Probabilities over the last dimension.

use super::{Fit, Spec, one};
use crate::net::shape::Shape;
use serde::{Deserialize, Serialize};

/// See [`softmax`](crate::ops::softmax). In place; the gradient is read off the output.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Softmax {}

impl Spec for Softmax {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        one(inputs)
    }
}
