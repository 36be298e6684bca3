//! Values dropped at random in training.

use super::{Fit, Misfit, Spec, one};
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::{At, Lowering};
use crate::net::shape::Shape;
use serde::{Deserialize, Serialize};

/// See [`dropout`](crate::ops::dropout). In place. The mask is a function of the sample, so the gradient makes it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// Probability of dropping a value, in [0, 1).
    pub rate: f64,
}

impl Spec for Dropout {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        if !(0.0..1.0).contains(&self.rate) {
            return Err(Misfit::new("a probability from 0 to below 1", self.rate.to_string()).field("rate"));
        }
        one(inputs)
    }
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
