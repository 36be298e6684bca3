//! Convolution, ReLU, pooling or none, and dropout or none in one call; see [`conv3x3`](crate::ops::conv3x3).

use super::fuse::{Group, Readers, groups};
use super::lower::Lowering;
use super::state::Reads;
use super::{At, Context};
use crate::error::Result;
use crate::net::graph::{Graph, NodeId};
use crate::net::op::Op;
use crate::net::shape::Shape;
use crate::ops::conv3x3::{self, Backward, Conv3x3, Dims};
use crate::ops::dropout;
use crate::tensor::Slot;
use std::collections::HashMap;

/// A stage in a program that is being compiled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stage {
    dims: Dims,
    weight: Slot,
    bias: Slot,
    /// The rate and the number of the dropout.
    dropout: Option<(f64, u16)>,
}

/// The sizes of a stage.
pub(crate) fn dims(input: Shape, output: Shape, pool: bool) -> Dims {
    let Shape::Image { height, width, channels } = input else { unreachable!("a convolution has an image") };
    Dims { height, width, cin: channels, cout: output.width(), pool }
}

/// The sizes of a net's stages, by their convolutions.
pub(crate) fn stages(graph: &Graph) -> HashMap<NodeId, Dims> {
    let groups = groups(graph, &Readers::new(graph), true);
    let stage = |group| {
        let Group::Stage { conv, pool, .. } = group else { return None };
        let signature = graph.signature(conv);
        Some((conv, dims(signature.inputs[0], signature.output, pool.is_some())))
    };
    groups.into_iter().filter_map(stage).collect()
}

impl Stage {
    fn of(l: &Lowering<'_>, group: Group) -> Self {
        let Group::Stage { conv, pool, dropout, .. } = group else { unreachable!("a stage") };
        let dropout = dropout.map(|node| {
            let Op::Dropout(spec) = l.op(node) else { unreachable!("a dropout") };
            (spec.rate, l.stage(node))
        });
        let dims = dims(l.input_shapes(conv)[0], l.shape(conv), pool.is_some());
        Self { dims, weight: l.parameter(conv, "weight"), bias: l.parameter(conv, "bias"), dropout }
    }

    fn op<'c>(&self, c: &Context<'c>) -> Conv3x3<'c> {
        let (precision, stop) = (c.step.precision, c.step.stop);
        Conv3x3 { dims: self.dims, samples: c.samples(), weight: self.weight, bias: self.bias, precision, stop }
    }

    pub fn lower(l: &mut Lowering<'_>, group: Group) {
        let (stage, output) = (Self::of(l, group), group.output());
        let x = l.value(l.input(conv_of(group)));
        let y = l.samples(stage.dims.stored());
        l.set_value(output, y, Reads::Gate);
        l.emit("conv_stage", &[x], &[y], move |c| {
            let len = stage.dims.output();
            let dropout = stage.dropout.and_then(|(rate, number)| c.dropout(rate, number, len));
            stage.op(c).forward(c.write(y), c.read(x), c.step.state, dropout)
        });
    }

    pub fn differentiate(l: &mut Lowering<'_>, group: Group, dy: At) {
        let stage = Self::of(l, group);
        let input = l.input(conv_of(group));
        let (x, y) = (l.value(input), l.value(group.output()));
        let dx = l.needs(input).then(|| l.samples(l.len(input)));
        let scale = stage.dropout.map_or(1.0, |(rate, _)| dropout::scale(rate));
        let mut writes: Vec<At> = dx.into_iter().collect();
        let spread = l.target.launched.then(|| spread_slot(l));
        writes.extend(spread);
        l.emit("conv_stage_backward", &[dy, x, y], &writes, move |c| {
            let backward = Backward { dy: c.read(dy), y: c.read(y), scale };
            stage.backward(c, dx, backward, x, spread)?;
            c.step.update([stage.weight, stage.bias])
        });
        if let Some(dx) = dx {
            l.contribute_owned(input, dx);
        }
    }

    /// Kernels go by way of the gradient that is spread out.
    fn backward(
        &self,
        c: &Context<'_>,
        dx: Option<At>,
        backward: Backward<'_>,
        x: At,
        spread: Option<At>,
    ) -> Result<()> {
        let op = self.op(c);
        if let Some(da) = spread {
            let da = c.write(da);
            op.spread(da, backward)?;
            op.spread_backward_weights(c.step.gradients, c.read(x), da, backward.scale)?;
            let Some(dx) = dx else { return Ok(()) };
            return op.spread_backward_data(c.write(dx), da, backward.scale, c.step.state);
        }
        op.backward_weights(c.step.gradients, c.read(x), backward)?;
        dx.map_or(Ok(()), |dx| op.backward_data(c.write(dx), backward, c.step.state))
    }
}

fn conv_of(group: Group) -> NodeId {
    let Group::Stage { conv, .. } = group else { unreachable!("a stage") };
    conv
}

/// Values of one sample's gradient that is spread out, of the largest stage; none where kernels are not launched.
pub(super) fn spread(dims: &[conv3x3::Dims]) -> usize {
    dims.iter().map(conv3x3::Dims::spread).max().unwrap_or(0)
}

/// A slot for the spread-out gradient of any stage, as large as the largest needs it.
fn spread_slot(l: &mut Lowering<'_>) -> At {
    let dims = l.groups.iter().filter_map(|group| match *group {
        Group::Stage { conv, pool, .. } => Some(dims(l.input_shapes(conv)[0], l.shape(conv), pool.is_some())),
        _ => None,
    });
    let len = spread(&dims.collect::<Vec<_>>());
    l.samples(len)
}
