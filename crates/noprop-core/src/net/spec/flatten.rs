//! An image or tokens as a vector.

use super::{Fit, Spec, one};
use crate::net::shape::Shape;
use serde::{Deserialize, Serialize};

/// The values stay where they are; whoever reads this node reads its input.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {}

impl Spec for Flatten {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        Ok(Shape::Vector(one(inputs)?.len()))
    }
}
