//! Which nodes are one call.

use crate::net::graph::{Graph, Node, NodeId};
use crate::net::op::Op;

/// Nodes that are computed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// 3 × 3 convolution, ReLU, perhaps pooling, perhaps dropout.
    Stage { conv: NodeId, relu: NodeId, pool: Option<NodeId>, dropout: Option<NodeId> },
    /// Fully connected layer, perhaps batch norm, perhaps ReLU; with ReLU and without norm perhaps dropout.
    Dense { linear: NodeId, norm: Option<NodeId>, relu: Option<NodeId>, dropout: Option<NodeId> },
    /// Batch norm and ReLU.
    NormRelu { norm: NodeId, relu: NodeId },
    /// A node alone.
    Single(NodeId),
}

impl Group {
    /// All of its nodes.
    pub fn members(self) -> impl Iterator<Item = NodeId> {
        let nodes = match self {
            Self::Stage { conv, relu, pool, dropout } => [Some(conv), Some(relu), pool, dropout],
            Self::Dense { linear, norm, relu, dropout } => [Some(linear), norm, relu, dropout],
            Self::NormRelu { norm, relu } => [Some(norm), Some(relu), None, None],
            Self::Single(node) => [Some(node), None, None, None],
        };
        nodes.into_iter().flatten()
    }

    /// The node whose value it leaves.
    pub fn output(&self) -> NodeId {
        match *self {
            Self::Stage { relu, pool, dropout, .. } => dropout.or(pool).unwrap_or(relu),
            Self::Dense { linear, norm, relu, dropout } => dropout.or(relu).or(norm).unwrap_or(linear),
            Self::NormRelu { relu, .. } => relu,
            Self::Single(node) => node,
        }
    }
}

/// Who reads each value. Nodes that only name another's value are seen through.
pub(crate) struct Readers {
    readers: Vec<Vec<NodeId>>,
}

/// The node that computes the value of `node`.
pub(crate) fn resolve(graph: &Graph, mut node: NodeId) -> NodeId {
    while let Op::Flatten(_) = graph.nodes()[node].op {
        node = graph.nodes()[node].inputs[0];
    }
    node
}

impl Readers {
    pub fn new(graph: &Graph) -> Self {
        let mut readers = vec![Vec::new(); graph.nodes().len()];
        for (index, node) in graph.nodes().iter().enumerate() {
            if matches!(node.op, Op::Flatten(_)) {
                continue;
            }
            for input in &node.inputs {
                readers[resolve(graph, *input)].push(index);
            }
        }
        Self { readers }
    }

    /// How often a value is read.
    pub fn count(&self, node: NodeId) -> usize {
        self.readers[node].len()
    }

    /// The nodes that read a value.
    pub fn of(&self, node: NodeId) -> &[NodeId] {
        &self.readers[node]
    }

    /// The only reader of a value.
    fn only(&self, node: NodeId) -> Option<NodeId> {
        match self.readers[node][..] {
            [reader] => Some(reader),
            _ => None,
        }
    }
}

/// All nodes but inputs and names, in groups, in the order of their first nodes.
pub(crate) fn groups(graph: &Graph, readers: &Readers, fused: bool) -> Vec<Group> {
    let mut done = vec![false; graph.nodes().len()];
    let mut groups = Vec::new();
    for (index, node) in graph.nodes().iter().enumerate() {
        if done[index] || matches!(node.op, Op::Input | Op::Flatten(_)) {
            continue;
        }
        // The only reader of `node`, if it is such an operation.
        let next = |node: Option<NodeId>, is: fn(&Op) -> bool| {
            let reader = readers.only(node?)?;
            let Node { op, inputs, .. } = &graph.nodes()[reader];
            // A norm of what was made a vector in between is another one.
            let same = graph.nodes()[inputs[0]].shape == graph.nodes()[node?].shape;
            (fused && same && is(op)).then_some(reader)
        };
        let relu = |op: &Op| matches!(op, Op::Relu(_));
        let norm = |op: &Op| matches!(op, Op::BatchNorm(_));
        let dropout = |op: &Op| matches!(op, Op::Dropout(_));
        let group = match &node.op {
            Op::Conv(conv) if conv.is_plain() => match next(Some(index), relu) {
                Some(relu) => {
                    let pool = next(Some(relu), |op| matches!(op, Op::MaxPool(_)));
                    Group::Stage { conv: index, relu, pool, dropout: next(pool.or(Some(relu)), dropout) }
                }
                None => Group::Single(index),
            },
            Op::Linear(_) if node.inputs.len() <= 2 => {
                let norm = next(Some(index), norm);
                let relu = next(norm.or(Some(index)), relu);
                let dropout = if norm.is_none() { next(relu, dropout) } else { None };
                Group::Dense { linear: index, norm, relu, dropout }
            }
            Op::BatchNorm(_) => match next(Some(index), relu) {
                Some(relu) => Group::NormRelu { norm: index, relu },
                None => Group::Single(index),
            },
            _ => Group::Single(index),
        };
        for member in group.members() {
            done[member] = true;
        }
        groups.push(group);
    }
    groups
}
