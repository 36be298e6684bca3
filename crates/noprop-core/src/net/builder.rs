//! Builds a graph by chains: `x.conv("conv1", …).relu().max_pool().dropout(p)`. The first thing that does not fit is kept and
//! told at the end, so that a chain needs no `?`.

use super::graph::{Graph, NodeId};
use super::op::Op;
use super::shape::Shape;
use super::spec::{self, Misfit, Size};
use crate::error::Result;
use std::cell::RefCell;

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
    /// With the inputs x and z.
    pub fn new(x: Shape, classes: usize) -> Self {
        Self { state: RefCell::new((Graph::new(x, classes), None)) }
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
    pub fn linear<const N: usize>(&self, name: &str, inputs: [Value<'_>; N], units: usize) -> Value<'_> {
        self.push(Some(name), Op::Linear(spec::Linear { units: Size::Of(units) }), inputs)
    }

    /// Any operation. One without parameters needs no name.
    pub fn push<const N: usize>(&self, name: Option<&str>, op: Op, inputs: [Value<'_>; N]) -> Value<'_> {
        let (graph, misfit) = &mut *self.state.borrow_mut();
        let name = name.map_or_else(|| op.name_at(graph.nodes().len()), str::to_owned);
        let node = match graph.push(name.clone(), op, inputs.map(|input| input.node).to_vec()) {
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
