//! Normalisation by the batch (Ioffe & Szegedy 2015): the calls.

use super::Lower;
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::lower::Lowering;
use crate::net::program::{At, Context};
use crate::net::spec::BatchNorm;
use crate::ops::batch_norm;

/// The kernel's operation for one sample, with a ReLU behind it or without.
pub(in crate::net::program) fn op_of(l: &Lowering<'_>, node: NodeId, relu: bool) -> batch_norm::BatchNorm {
    let shape = l.shape(node);
    batch_norm::BatchNorm {
        samples: shape.rows(),
        width: shape.width(),
        weight: l.parameter(node, "weight"),
        bias: l.parameter(node, "bias"),
        running_mean: l.statistic(node, "mean"),
        running_variance: l.statistic(node, "var"),
        relu,
    }
}

/// Emits the norm of x, and the ReLU that `output` may be.
pub(in crate::net::program) fn lower(l: &mut Lowering<'_>, node: NodeId, output: NodeId) {
    let (op, x) = (op_of(l, node, output != node), l.value(l.input(node)));
    let y = l.output(output);
    let statistics = l.fixed(2 * op.width);
    l.keep(node, statistics);
    let writes = [y, statistics];
    l.emit("batch_norm", &[x], &writes[..1 + usize::from(l.target.training)], move |c| {
        let op = of_batch(op, c);
        match c.is_training() {
            true => op.training(c.step.state, [c.write(y), c.write(statistics)], c.read(x)),
            false => op.forward_evaluation(c.write(y), c.read(x), c.step.state),
        }
    });
}

/// Emits its gradients.
pub(in crate::net::program) fn differentiate(l: &mut Lowering<'_>, node: NodeId, output: NodeId, dy: At) {
    let op = op_of(l, node, output != node);
    let (x, y, statistics) = (l.value(l.input(node)), l.value(output), l.kept(node));
    l.contribute(l.input(node), |l, dx| {
        l.emit("batch_norm_backward", &[dy, y, x, statistics], &[dx], move |c| {
            let sources = [c.read(dy), c.read(y), c.read(x), c.read(statistics), c.step.state];
            of_batch(op, c).backward(c.write(dx), c.step.gradients, sources)?;
            c.step.update([op.weight, op.bias])
        });
    });
}

/// The operation of one sample for those of a batch.
pub(in crate::net::program) fn of_batch(op: batch_norm::BatchNorm, c: &Context<'_>) -> batch_norm::BatchNorm {
    batch_norm::BatchNorm { samples: c.samples() * op.samples, ..op }
}

impl Lower for BatchNorm {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        lower(l, node, node);
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        differentiate(l, node, node, dy);
        Ok(())
    }
}
