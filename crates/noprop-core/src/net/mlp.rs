//! The original sketch's block: û = MLP(concatenate(x, z)), hidden layers with ReLU, compared with the label by squared error.

use super::builder::Builder;
use super::graph::Graph;
use super::shape::Shape;
use crate::error::Result;

/// The net for samples of shape `x`, each taken as a vector.
pub(super) fn mlp(x: Shape, classes: usize, hidden: &[usize], dropout: f64) -> Result<Graph> {
    let net = Builder::new(x, classes);
    // Names of one width, so that they sort by index.
    let name = |layer: usize| format!("fc{:02}", layer + 1);
    let mut y = net.linear(&name(0), [net.x(), net.z()], hidden[0]).relu().dropout(dropout);
    for (layer, width) in hidden.iter().enumerate().skip(1) {
        y = y.linear(&name(layer), *width).relu().dropout(dropout);
    }
    y.linear(&name(hidden.len()), classes);
    net.finish()
}
