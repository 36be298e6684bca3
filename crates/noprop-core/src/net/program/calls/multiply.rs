//! The product of two values of one shape: the calls.

use super::Lower;
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::At;
use crate::net::program::lower::Lowering;
use crate::net::spec::Multiply;
use crate::ops::mul::Mul;

impl Lower for Multiply {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (len, inputs, y) = (l.len(node), l.inputs(node), l.output(node));
        let [a, b] = [l.value(inputs[0]), l.value(inputs[1])];
        l.emit("multiply", &[a, b], &[y], move |c| {
            Mul { len: c.samples() * len }.forward(c.write(y), c.read(a), c.read(b))
        });
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let (len, inputs) = (l.len(node), l.inputs(node));
        for (input, other) in [(inputs[0], inputs[1]), (inputs[1], inputs[0])] {
            let factor = l.value(other);
            l.contribute(input, |l, dx| {
                l.emit("multiply_backward", &[dy, factor], &[dx], move |c| {
                    Mul { len: c.samples() * len }.forward(c.write(dx), c.read(dy), c.read(factor))
                });
            });
        }
        Ok(())
    }
}
