//! Convolution: the calls.

use super::Lower;
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::lower::Lowering;
use crate::net::program::{At, Context};
use crate::net::shape::Shape;
use crate::net::spec::{Conv, Padding};
use crate::ops::conv;
use crate::tensor::Slot;

impl Lower for Conv {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (op, x, y) = (Op::of(self, l, node), l.value(l.input(node)), l.output(node));
        l.emit("conv", &[x], &[y], move |c| op.of_batch(c).forward(c.write(y), c.read(x), c.step.state));
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let (op, input) = (Op::of(self, l, node), l.input(node));
        let x = l.value(input);
        if l.needs(input) {
            l.contribute(input, |l, dx| {
                l.emit("conv_backward_data", &[dy], &[dx], move |c| {
                    op.of_batch(c).backward_data(c.write(dx), c.read(dy), c.step.state)
                });
            });
        }
        if self.is_frozen() {
            return Ok(());
        }
        l.emit("conv_backward_weights", &[x, dy], &[], move |c| {
            op.of_batch(c).backward_weights(c.step.gradients, c.read(x), c.read(dy))?;
            c.step.update([op.weight])?;
            op.bias.map_or(Ok(()), |bias| c.step.update([bias]))
        });
        Ok(())
    }
}

/// The convolution of a net that is being compiled.
#[derive(Clone, Copy)]
struct Op {
    dims: conv::Dims,
    weight: Slot,
    bias: Option<Slot>,
}

impl Op {
    fn of(spec: &Conv, l: &Lowering<'_>, node: NodeId) -> Self {
        let Shape::Image { height, width, channels: cin } = l.input_shapes(node)[0] else { unreachable!("an image") };
        let Conv { channels: cout, kernel, stride, .. } = *spec;
        let padding = match spec.padding {
            Padding::Valid => conv::Padding::Valid,
            Padding::Same => conv::Padding::Same,
        };
        let dims = conv::Dims { height, width, cin, cout, kernel, stride, padding };
        let bias = spec.bias.then(|| l.parameter(node, "bias"));
        let weight = if spec.is_frozen() { l.statistic(node, "weight") } else { l.parameter(node, "weight") };
        Self { dims, weight, bias }
    }

    fn of_batch<'c>(&self, c: &Context<'c>) -> conv::Conv<'c> {
        let (precision, stop) = (c.step.precision, c.step.stop);
        conv::Conv { dims: self.dims, samples: c.samples(), weight: self.weight, bias: self.bias, precision, stop }
    }
}
