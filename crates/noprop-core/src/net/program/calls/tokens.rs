//! What transformers need beside layers of tokens: patches, positions, attention, features of a time: the calls.

use super::Lower;
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::At;
use crate::net::program::lower::Lowering;
use crate::net::shape::Shape;
use crate::net::spec::{Attention, Patches, Positions, TimeFeatures};
use crate::ops::attention;
use crate::ops::patches;
use crate::ops::positions;
use crate::ops::time_features;

impl Patches {
    fn op(&self, l: &Lowering<'_>, node: NodeId) -> patches::Patches {
        let Shape::Image { height, width, channels } = l.input_shapes(node)[0] else { unreachable!("an image") };
        patches::Patches { samples: 1, height, width, channels, patch: self.size }
    }
}

impl Lower for Patches {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (op, x, y) = (self.op(l, node), l.value(l.input(node)), l.output(node));
        l.emit("patches", &[x], &[y], move |c| {
            patches::Patches { samples: c.samples(), ..op }.forward(c.write(y), c.read(x))
        });
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let op = self.op(l, node);
        l.contribute(l.input(node), |l, dx| {
            l.emit("patches_backward", &[dy], &[dx], move |c| {
                patches::Patches { samples: c.samples(), ..op }.backward(c.write(dx), c.read(dy))
            });
        });
        Ok(())
    }
}

impl Positions {
    fn op(l: &Lowering<'_>, node: NodeId) -> positions::Positions {
        positions::Positions { samples: 1, len: l.len(node), parameter: l.parameter(node, "weight") }
    }
}

impl Lower for Positions {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (op, y) = (Self::op(l, node), l.overwritten(node));
        l.emit("positions", &[], &[y], move |c| {
            positions::Positions { samples: c.samples(), ..op }.forward(c.write(y), c.step.state)
        });
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let op = Self::op(l, node);
        l.emit("positions_backward", &[dy], &[], move |c| {
            let op = positions::Positions { samples: c.samples(), ..op };
            op.backward_weights(c.step.gradients, c.read(dy))?;
            c.step.update([op.parameter])
        });
        l.contribute_to_all([l.input(node)], dy);
        Ok(())
    }
}

impl Attention {
    fn op(&self, l: &Lowering<'_>, node: NodeId) -> attention::Attention {
        let shape = l.shape(node);
        attention::Attention { samples: 1, tokens: shape.rows(), width: shape.width(), heads: self.heads }
    }
}

impl Lower for Attention {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (op, qkv, y) = (self.op(l, node), l.value(l.input(node)), l.output(node));
        let probabilities = l.samples(op.heads * op.tokens * op.tokens);
        l.keep(node, probabilities);
        l.emit("attention", &[qkv], &[y, probabilities], move |c| {
            let op = attention::Attention { samples: c.samples(), ..op };
            op.forward([c.write(y), c.write(probabilities)], c.read(qkv))
        });
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let (op, input, probabilities) = (self.op(l, node), l.input(node), l.kept(node));
        let qkv = l.value(input);
        l.contribute(input, |l, dx| {
            l.emit("attention_backward", &[dy, qkv, probabilities], &[dx], move |c| {
                let op = attention::Attention { samples: c.samples(), ..op };
                op.backward(c.write(dx), [c.read(dy), c.read(qkv), c.read(probabilities)])
            });
        });
        Ok(())
    }
}

impl Lower for TimeFeatures {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (width, time, y) = (self.width, l.value(l.input(node)), l.output(node));
        l.emit("time_features", &[time], &[y], move |c| {
            time_features::TimeFeatures { samples: c.samples(), width }.forward(c.write(y), c.read(time))
        });
        Ok(())
    }
    /// A time is nobody's output, or one that nothing is trained by.
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, _: At) -> Result<()> {
        let (input, len) = (l.input(node), 1);
        l.contribute(input, |l, dx| l.zero(dx, len));
        Ok(())
    }
}
