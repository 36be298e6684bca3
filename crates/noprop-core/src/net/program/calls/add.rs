//! The sum of values of one shape: the calls.

use super::Lower;
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::At;
use crate::net::program::lower::Lowering;
use crate::net::spec::Add;
use crate::ops::add;

impl Lower for Add {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (len, inputs) = (l.len(node), l.inputs(node));
        let mut added = 1;
        let y = match inputs[..] {
            [a, b, ..] if !l.target.launched && !l.is_free(node) => {
                let ([a, b], y) = ([l.value(a), l.value(b)], l.output(node));
                l.emit("sum", &[a, b], &[y], move |c| {
                    add::Sum { len: c.samples() * len }.forward(c.write(y), [c.read(a), c.read(b)])
                });
                added = 2;
                y
            }
            _ => l.overwritten(node),
        };
        for input in inputs.into_iter().skip(added) {
            let x = l.value(input);
            l.emit("add", &[x], &[y], move |c| add::Add { len: c.samples() * len }.forward(c.write(y), c.read(x)));
        }
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let inputs = l.inputs(node);
        l.contribute_to_all(inputs, dy);
        Ok(())
    }
}
