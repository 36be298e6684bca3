//! Probabilities over the last dimension: the calls.

use super::Lower;
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::At;
use crate::net::program::lower::Lowering;
use crate::net::spec::Softmax;
use crate::ops::softmax;

impl Lower for Softmax {
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
