//! (1 − k) z + k û: the calls.

use super::Lower;
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::At;
use crate::net::program::lower::Lowering;
use crate::net::spec;
use crate::ops::mix::Mix;

impl Lower for spec::Mix {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (len, slot, inputs) = (l.len(node), l.parameter(node, "share"), l.inputs(node));
        let ([z, estimate], y) = ([l.value(inputs[0]), l.value(inputs[1])], l.output(node));
        l.emit("mix", &[z, estimate], &[y], move |c| {
            Mix { len: c.samples() * len, slot }.forward(c.write(y), c.read(z), c.read(estimate), c.step.state)
        });
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let (len, slot, inputs) = (l.len(node), l.parameter(node, "share"), l.inputs(node));
        let [z, estimate] = [l.value(inputs[0]), l.value(inputs[1])];
        for (input, of_estimate) in [(inputs[0], false), (inputs[1], true)] {
            if l.needs(input) {
                l.contribute(input, |l, dx| {
                    l.emit("mix_backward", &[dy], &[dx], move |c| {
                        let op = Mix { len: c.samples() * len, slot };
                        op.backward(c.write(dx), c.read(dy), c.step.state, of_estimate)
                    });
                });
            }
        }
        l.emit("mix_backward_share", &[dy, z, estimate], &[], move |c| {
            let op = Mix { len: c.samples() * len, slot };
            op.backward_share(c.step.gradients, c.read(dy), c.read(z), c.read(estimate), c.step.state)?;
            c.step.update([slot])
        });
        Ok(())
    }
}
