//! The product of two values of one shape.

use super::{Fit, Misfit, Spec, same};
use crate::net::shape::Shape;
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
}
