//! Fully connected layer on any number of inputs, which count as concatenated: the calls.

use super::Lower;
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::At;
use crate::net::program::dense;
use crate::net::program::lower::Lowering;
use crate::net::spec::Linear;

impl Lower for Linear {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        dense::lower(l, node, None, None, None);
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        dense::differentiate(l, node, dy);
        Ok(())
    }
}
