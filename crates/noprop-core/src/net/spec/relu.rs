//! max(x, 0).

use super::{Fit, Spec, one};
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::{At, Lowering};
use crate::net::shape::Shape;
use crate::ops::relu;
use serde::{Deserialize, Serialize};

/// See [`relu`]. In place; the gradient is read off the output.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relu {}

impl Spec for Relu {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        one(inputs)
    }
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let len = l.len(node);
        let y = l.overwritten(node);
        l.emit("relu", &[], &[y], move |c| relu::Relu { len: c.samples() * len }.forward(c.write(y)));
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let (len, y) = (l.len(node), l.value(node));
        let dx = l.own(dy, len);
        l.emit("relu_backward", &[y], &[dx], move |c| {
            relu::Relu { len: c.samples() * len }.backward(c.write(dx), c.read(y), 1.0)
        });
        l.contribute_owned(l.input(node), dx);
        Ok(())
    }
}
