//! The original sketch's block: û = MLP(concatenate(x, z)), hidden layers with ReLU, compared with the label by squared error.

use super::builder::Builder;
use super::graph::Graph;
use crate::error::Result;

/// The net behind the inputs of `graph`; a sample is taken as a vector. Features of a time join x and z.
pub(super) fn mlp(graph: Graph, hidden: &[usize], dropout: f64) -> Result<Graph> {
    let classes = graph.classes();
    let net = Builder::new(graph);
    // Names of one width, so that they sort by index.
    let name = |layer: usize| format!("fc{:02}", layer + 1);
    let inputs: Vec<_> = [net.x(), net.z()].into_iter().chain(net.time_features()).collect();
    let mut y = net.linear_of(&name(0), &inputs, hidden[0]).relu().dropout(dropout);
    for (layer, width) in hidden.iter().enumerate().skip(1) {
        y = y.linear(&name(layer), *width).relu().dropout(dropout);
    }
    y.linear(&name(hidden.len()), classes);
    net.finish()
}
