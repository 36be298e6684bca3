//! max(x, 0): the calls.

use super::Lower;
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::At;
use crate::net::program::lower::Lowering;
use crate::net::spec::Relu;
use crate::ops::relu;

impl Lower for Relu {
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
