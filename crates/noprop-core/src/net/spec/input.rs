//! The inputs of a net: x and z.

use super::{Fit, Misfit, Spec};
use crate::net::shape::Shape;

/// Nothing is computed.
pub(crate) struct Input;

impl Spec for Input {
    fn output(&self, _: &[Shape], _: usize) -> Fit {
        Err(Misfit::new("an operation", "an input"))
    }
}
