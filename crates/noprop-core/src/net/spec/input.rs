//! The inputs of a net: x and z.

use super::{Fit, Misfit, Spec};
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::{At, Lowering};
use crate::net::shape::Shape;

/// Nothing is computed.
pub(crate) struct Input;

impl Spec for Input {
    fn output(&self, _: &[Shape], _: usize) -> Fit {
        Err(Misfit::new("an operation", "an input"))
    }
    fn lower(&self, _: &mut Lowering<'_>, _: NodeId) -> Result<()> {
        Ok(())
    }
    fn differentiate(&self, _: &mut Lowering<'_>, _: NodeId, _: At) -> Result<()> {
        Ok(())
    }
}
