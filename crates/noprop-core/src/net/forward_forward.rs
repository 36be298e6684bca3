//! Forward-Forward's net (Hinton 2022): layers that each have a loss of their own, and a head on all but the first.
//!
//! ```text
//! x with labels – FC – ReLU – scaled to length √width – FC – ReLU – scaled ─┬─ FC – ReLU – scaled ─┐
//!                                                                           └────── head ──────────┘
//! ```

use super::builder::{Builder, Value};
use super::graph::Graph;
use super::op::Op;
use super::spec::{Goodness, Linear, Neutral, Role, Size, Streams};
use crate::error::Result;

/// How much faster than the layers the head moves and decays.
const PACE: f64 = 10.0;

/// The net behind the inputs of `graph`, whose z says which class is right (1) and which wrong (−1).
pub(crate) fn forward_forward(graph: Graph, hidden: &[usize], peer: f64, training: bool) -> Result<Graph> {
    let net = Builder::new(graph);
    let linear = |units, role| Op::Linear(Linear { units, role });
    let mut y = net.push(None, Op::Streams(Streams { training }), [net.x(), net.z()]);
    let mut read: Vec<Value<'_>> = Vec::new();
    for (layer, units) in hidden.iter().enumerate() {
        let number = layer + 1;
        y = y.then(Some(&format!("fc{number:02}")), linear(Size::Of(*units), Role::Local));
        y = y.then(Some(&format!("goodness{number:02}")), Op::Goodness(Goodness { peer }));
        if layer > 0 || hidden.len() == 1 {
            read.push(y.then(None, Op::Neutral(Neutral {})));
        }
    }
    net.push_of(Some("head"), linear(Size::Classes, Role::Paced(PACE)), &read);
    net.finish()?.shaped()
}
