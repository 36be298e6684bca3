//! Probabilities over the last dimension.

use super::{Fit, Spec, one};
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::{At, Lowering};
use crate::net::shape::Shape;
use crate::ops::softmax;
use serde::{Deserialize, Serialize};

/// See [`softmax`]. In place; the gradient is read off the output.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Softmax {}

impl Spec for Softmax {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        one(inputs)
    }
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let shape = l.shape(node);
        let y = l.overwritten(node);
        l.emit("softmax", &[], &[y], move |c| {
            softmax::Softmax { samples: c.samples() * shape.rows(), classes: shape.width() }.forward(c.write(y))
        });
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let (shape, y) = (l.shape(node), l.value(node));
        let dx = l.own(dy, shape.len());
        l.emit("softmax_backward", &[y], &[dx], move |c| {
            let op = softmax::Softmax { samples: c.samples() * shape.rows(), classes: shape.width() };
            op.backward(c.write(dx), c.read(y))
        });
        l.contribute_owned(l.input(node), dx);
        Ok(())
    }
}
