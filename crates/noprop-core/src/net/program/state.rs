//! What is known of a net while it is compiled.

use super::{At, Context};
use crate::net::graph::NodeId;
use crate::ops::batch_norm;
use crate::ops::linear::{Linear, Saved};
use std::collections::HashMap;

/// What a node's gradient reads of its own output, and so whether another call may overwrite that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reads {
    /// Nothing.
    Nothing,
    /// Whether it is 0, which a dropout may add to.
    Gate,
    /// Its values.
    Values,
}

/// A layer in a program that is being compiled.
#[derive(Debug, Clone)]
pub(crate) struct Dense {
    pub parts: Vec<(NodeId, Linear)>,
    pub norm: Option<Norm>,
    pub relu: bool,
    /// 1 / (1 − p) of the dropout.
    pub scale: f64,
    pub output: NodeId,
    /// Where the gradient of the product is, once a reader of the output has led there.
    pub through: Option<At>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Norm {
    pub op: batch_norm::BatchNorm,
    pub product: At,
    pub y: At,
    pub statistics: At,
}

impl Norm {
    pub fn saved<'c>(&self, c: &Context<'c>) -> Saved<'c> {
        Saved { product: c.write(self.product), y: c.write(self.y), statistics: c.write(self.statistics) }
    }
}

impl Dense {
    /// Whether the gradient of the product is there already.
    pub fn is_through(&self) -> bool {
        self.through.is_some()
    }
}

/// Where the gradients of the nodes are.
pub(crate) struct Gradients {
    pub of: Vec<Option<At>>,
    /// Gradients that wait in a slot, more than one where a sum has handed it on.
    pub waiting: HashMap<At, usize>,
    /// Readers of a node whose share of its gradient is still missing.
    pub missing: Vec<usize>,
}

impl Gradients {
    /// Nodes with so many readers.
    pub fn new(missing: Vec<usize>) -> Self {
        Self { of: vec![None; missing.len()], waiting: HashMap::new(), missing }
    }
}
