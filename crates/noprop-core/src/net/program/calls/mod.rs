//! The calls of kernels that compute each operation, and those of its gradients.

mod activation;
mod add;
pub(super) mod batch_norm;
mod columns;
mod conv;
mod dropout;
mod embed;
mod forward_forward;
mod layer_norm;
mod linear;
mod mix;
mod multiply;
mod pool;
mod relu;
mod softmax;
mod tokens;

use super::At;
use super::lower::Lowering;
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::op::{Op, each_operation};
use crate::net::spec::Flatten;

/// How an operation is computed.
pub(super) trait Lower {
    /// Emits the calls that compute `node`.
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()>;

    /// Emits the calls that lead the gradient `dy` of `node` to its inputs and tensors.
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()>;
}

macro_rules! dispatch {
    ($($name:literal => $op:ident),* $(,)?) => {
        /// How it is computed; an input is not.
        pub(super) fn of(op: &Op) -> &dyn Lower {
            match op {
                Op::Input => &Flatten {},
                Op::Mix(spec) => spec,
                Op::Streams(spec) => spec,
                Op::Goodness(spec) => spec,
                Op::Neutral(spec) => spec,
                Op::Embed(spec) => spec,
                $(Op::$op(spec) => spec),*
            }
        }
    };
}

each_operation!(dispatch);

/// Only another name: whoever reads the node reads its input.
impl Lower for Flatten {
    fn lower(&self, _: &mut Lowering<'_>, _: NodeId) -> Result<()> {
        Ok(())
    }
    fn differentiate(&self, _: &mut Lowering<'_>, _: NodeId, _: At) -> Result<()> {
        Ok(())
    }
}
