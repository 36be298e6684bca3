//! What Forward-Forward's net is made of: the calls.

use super::Lower;
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::At;
use crate::net::program::lower::Lowering;
use crate::net::shape::Shape;
use crate::net::spec::{Goodness, Neutral, Streams};
use crate::ops::copy_columns::CopyColumns;
use crate::ops::forward_forward;

impl Lower for Streams {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (shapes, inputs) = (l.input_shapes(node), l.inputs(node));
        let ([x, z], y, shape) = ([l.value(inputs[0]), l.value(inputs[1])], l.output(node), l.shape(node));
        let (streams, width, classes) = (shape.rows(), shape.width(), shapes[1].len());
        let before = if let Shape::Vector(_) = shapes[0] { classes } else { 0 };
        l.emit("streams", &[x, z], &[y], move |c| {
            let op = forward_forward::Streams { samples: c.samples(), streams, width, before, classes };
            op.forward(c.write(y), c.read(x), c.read(z))
        });
        Ok(())
    }
    /// Nothing that is trained lies before it.
    fn differentiate(&self, _: &mut Lowering<'_>, _: NodeId, _: At) -> Result<()> {
        Ok(())
    }
}

/// The kernel's operation for no samples.
fn op_of(spec: &Goodness, l: &Lowering<'_>, node: NodeId) -> forward_forward::Goodness {
    let (width, means) = (l.shape(node).width(), l.statistic(node, "mean"));
    forward_forward::Goodness { samples: 0, width, means, peer: spec.peer }
}

impl Lower for Goodness {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (a, y, rows) = (l.value(l.input(node)), l.output(node), l.shape(node).rows());
        let op = op_of(self, l, node);
        l.emit("goodness", &[a], &[y], move |c| {
            let op = forward_forward::Goodness { samples: c.samples(), ..op };
            op.forward(c.write(y), c.read(a), rows * op.samples)?;
            if !c.is_training() {
                return Ok(());
            }
            op.update_means(c.step.state, c.read(a))
        });
        Ok(())
    }
    /// It is where a gradient begins: none comes to it.
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, _: At) -> Result<()> {
        let (input, op) = (l.input(node), op_of(self, l, node));
        let a = l.value(input);
        l.contribute(input, |l, da| {
            l.emit("goodness_backward", &[a], &[da], move |c| {
                let op = forward_forward::Goodness { samples: c.samples(), ..op };
                op.backward(c.write(da), c.read(a), c.step.state)
            });
        });
        Ok(())
    }
}

impl Lower for Neutral {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (from, streams) = (l.value(l.input(node)), l.input_shapes(node)[0].rows());
        let (to, width) = (l.output(node), l.len(node));
        l.emit("neutral", &[from], &[to], move |c| {
            let len = c.samples() * width;
            let from_offset = (streams - 1) * len;
            let copy = CopyColumns {
                rows: 1,
                width: len,
                from_stride: 0,
                from_offset,
                to_stride: len,
                to_offset: 0,
                add: false,
            };
            copy.forward(c.write(to), c.read(from))
        });
        Ok(())
    }
    /// No gradient goes to layers that have a loss of their own.
    fn differentiate(&self, _: &mut Lowering<'_>, _: NodeId, _: At) -> Result<()> {
        Ok(())
    }
}
