//! The sum of values of one shape.

use super::{Fit, Spec, same};
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::{At, Lowering};
use crate::net::shape::Shape;
use crate::ops::add;
use serde::{Deserialize, Serialize};

/// See [`add`]. In place of the first input where nothing else reads it; the gradient of the sum is that of every input.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {}

impl Spec for Add {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        same(inputs)
    }
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
