//! Normalisation by the batch (Ioffe & Szegedy 2015).

use super::{Fit, Signature, Spec, Tensor, one};
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::layout::Init;
use crate::net::program::{At, Context, Lowering};
use crate::net::shape::Shape;
use crate::ops::batch_norm;
use serde::{Deserialize, Serialize};

/// See [`batch_norm`]. Over the samples of a vector, over samples and pixels of an image, over samples and tokens.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {}

impl BatchNorm {
    /// The kernel's operation for one sample, with a ReLU behind it or without.
    pub(crate) fn op(l: &Lowering<'_>, node: NodeId, relu: bool) -> batch_norm::BatchNorm {
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
    pub(crate) fn lower_to(l: &mut Lowering<'_>, node: NodeId, output: NodeId) {
        let (op, x) = (Self::op(l, node, output != node), l.value(l.input(node)));
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
    pub(crate) fn differentiate_from(l: &mut Lowering<'_>, node: NodeId, output: NodeId, dy: At) {
        let op = Self::op(l, node, output != node);
        let (x, y, statistics) = (l.value(l.input(node)), l.value(output), l.kept(node));
        l.contribute(l.input(node), |l, dx| {
            l.emit("batch_norm_backward", &[dy, y, x, statistics], &[dx], move |c| {
                let sources = [c.read(dy), c.read(y), c.read(x), c.read(statistics), c.step.state];
                of_batch(op, c).backward(c.write(dx), c.step.gradients, sources)?;
                c.step.update([op.weight, op.bias])
            });
        });
    }
}

/// The operation of one sample for those of a batch.
pub(crate) fn of_batch(op: batch_norm::BatchNorm, c: &Context<'_>) -> batch_norm::BatchNorm {
    batch_norm::BatchNorm { samples: c.samples() * op.samples, ..op }
}

impl Spec for BatchNorm {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        one(inputs)
    }
    fn tensors(&self, s: &Signature) -> Vec<Tensor> {
        let tensor =
            |trained, name, value| Tensor { name, trained, shape: vec![s.output.width()], init: Init::Constant(value) };
        vec![
            tensor(true, "weight", 1.0),
            tensor(true, "bias", 0.0),
            tensor(false, "mean", 0.0),
            tensor(false, "var", 1.0),
        ]
    }
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        Self::lower_to(l, node, node);
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        Self::differentiate_from(l, node, node, dy);
        Ok(())
    }
}
