//! Values dropped at random in training: the calls.

use super::Lower;
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::At;
use crate::net::program::lower::Lowering;
use crate::net::spec::Dropout;

impl Lower for Dropout {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let y = l.overwritten(node);
        if l.target.training {
            self.drop(l, node, y, "dropout");
        }
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let dx = l.own(dy, l.len(node));
        self.drop(l, node, dx, "dropout_backward");
        l.contribute_owned(l.input(node), dx);
        Ok(())
    }
}

impl Dropout {
    /// Drops values of what lies at `at`: the output, or its gradient.
    pub(crate) fn drop(&self, l: &mut Lowering<'_>, node: NodeId, at: At, name: &'static str) {
        let (rate, stage, len) = (self.rate, l.stage(node), l.len(node));
        l.emit(name, &[], &[at], move |c| c.dropout(rate, stage, len).map_or(Ok(()), |op| op.forward(c.write(at))));
    }
}
