//! Builds a graph by chains: `x.conv("conv1", …).relu().max_pool().dropout(p)`. The first thing that does not fit is kept and
//! told at the end, so that a chain needs no `?`.

use super::graph::{Graph, NodeId};
use super::op::Op;
use super::shape::Shape;
use super::spec::{self, Misfit, Size};
use crate::error::Result;
use std::cell::RefCell;

/// Sines and cosines of a time (paper).
const TIME_FEATURES: usize = 64;

/// A net in the making.
pub(crate) struct Builder {
    state: RefCell<(Graph, Option<(String, Misfit)>)>,
}

/// A value of the net, from which others are made.
#[derive(Clone, Copy)]
pub(crate) struct Value<'n> {
    net: &'n Builder,
    node: NodeId,
}

impl Builder {
    /// With the inputs of `graph`.
    pub fn new(graph: Graph) -> Self {
        Self { state: RefCell::new((graph, None)) }
    }

    /// Sines and cosines of the time, where the net has one; see [`time_features`](crate::ops::time_features).
    pub fn time_features(&self) -> Option<Value<'_>> {
        let is_timed = self.state.borrow().0.form().timed;
        let time = Value { net: self, node: Graph::TIME };
        is_timed.then(|| time.then(None, Op::TimeFeatures(spec::TimeFeatures { width: TIME_FEATURES })))
    }

    /// The sample.
    pub fn x(&self) -> Value<'_> {
        Value { net: self, node: Graph::X }
    }

    /// The noised label.
    pub fn z(&self) -> Value<'_> {
        Value { net: self, node: Graph::Z }
    }

    /// A fully connected layer on inputs that count as concatenated.
    pub fn linear<'n, const N: usize>(&'n self, name: &str, inputs: [Value<'n>; N], units: usize) -> Value<'n> {
        self.linear_of(name, &inputs, units)
    }

    /// The same on any number of them.
    pub fn linear_of<'n>(&'n self, name: &str, inputs: &[Value<'n>], units: usize) -> Value<'n> {
        self.push_of(Some(name), Op::Linear(spec::Linear { units: Size::Of(units), role: spec::Role::Layer }), inputs)
    }

    /// Any operation. One without parameters needs no name.
    pub fn push<'n, const N: usize>(&'n self, name: Option<&str>, op: Op, inputs: [Value<'n>; N]) -> Value<'n> {
        self.push_of(name, op, &inputs)
    }

    /// Any operation on any number of inputs.
    pub fn push_of<'n>(&'n self, name: Option<&str>, op: Op, inputs: &[Value<'n>]) -> Value<'n> {
        let (graph, misfit) = &mut *self.state.borrow_mut();
        let name = name.map_or_else(|| op.name_at(graph.nodes().len()), str::to_owned);
        let node = match graph.push(name.clone(), op, inputs.iter().map(|input| input.node).collect()) {
            Ok(node) => node,
            Err(error) => {
                misfit.get_or_insert((name, error));
                Graph::X
            }
        };
        Value { net: self, node }
    }

    /// The net that has been built, whose estimate is the value made last.
    ///
    /// # Errors
    /// What did not fit.
    pub fn finish(self) -> Result<Graph> {
        let (graph, misfit) = self.state.into_inner();
        match misfit {
            Some((name, misfit)) => Err(misfit.of_node(&name)),
            None => graph.check().map(|()| graph),
        }
    }
}

impl<'n> Value<'n> {
    /// Any operation on this value alone.
    pub fn then(self, name: Option<&str>, op: Op) -> Value<'n> {
        self.net.push(name, op, [self])
    }

    /// 3 × 3 convolution without padding.
    pub fn conv3x3(self, name: &str, channels: usize) -> Value<'n> {
        self.then(Some(name), Op::Conv(spec::Conv { channels, ..spec::Conv::default() }))
    }

    /// A fully connected layer.
    pub fn linear(self, name: &str, units: usize) -> Value<'n> {
        self.net.linear(name, [self], units)
    }

    /// Normalisation by the batch.
    pub fn batch_norm(self, name: &str) -> Value<'n> {
        self.then(Some(name), Op::BatchNorm(spec::BatchNorm {}))
    }

    /// max(x, 0).
    pub fn relu(self) -> Value<'n> {
        self.then(None, Op::Relu(spec::Relu {}))
    }

    /// GELU.
    pub fn gelu(self) -> Value<'n> {
        self.then(None, Op::Gelu(spec::Gelu {}))
    }

    /// SiLU.
    pub fn silu(self) -> Value<'n> {
        self.then(None, Op::Silu(spec::Silu {}))
    }

    /// The last dimension of its shape.
    pub fn width(self) -> usize {
        self.net.state.borrow().0.nodes()[self.node].shape.width()
    }

    /// Whether it is an image.
    pub fn is_image(self) -> bool {
        matches!(self.net.state.borrow().0.nodes()[self.node].shape, Shape::Image { .. })
    }

    /// Normalisation of each token.
    pub fn layer_norm(self, name: &str) -> Value<'n> {
        self.then(Some(name), Op::LayerNorm(spec::LayerNorm {}))
    }

    /// The mean over all pixels or tokens.
    pub fn global_pool(self) -> Value<'n> {
        self.then(None, Op::GlobalPool(spec::GlobalPool {}))
    }

    /// The greatest of 2 × 2 pixels.
    pub fn max_pool(self) -> Value<'n> {
        self.then(None, Op::MaxPool(spec::MaxPool {}))
    }

    /// Drops values with this probability in training; with 0 nothing is added to the net.
    pub fn dropout(self, rate: f64) -> Value<'n> {
        if rate == 0.0 { self } else { self.then(None, Op::Dropout(spec::Dropout { rate })) }
    }

    /// The sum with another value of the same shape.
    pub fn add(self, other: Value<'n>) -> Value<'n> {
        self.net.push(None, Op::Add(spec::Add {}), [self, other])
    }

    /// Probabilities.
    pub fn softmax(self) -> Value<'n> {
        self.then(None, Op::Softmax(spec::Softmax {}))
    }
}
