//! A net as it is declared: nodes in the order in which they are computed, each with its operation, inputs and shape.

use super::op::Op;
use super::shape::Shape;
use super::spec::{ConvInit, Misfit, Signature};
use crate::error::{Code, Error, Result};

/// Most nodes of a net.
pub(crate) const MAX_NODES: usize = 1000;
/// Most values of one sample at any place of a net.
const MAX_VALUES: usize = 1 << 26;

/// A node, by its place in the graph.
pub type NodeId = usize;

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Name of the layer, which its tensors have too.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// The nodes that it reads, all before it.
    pub inputs: Vec<NodeId>,
    /// Shape of one sample's output.
    pub shape: Shape,
}

/// A net: the denoiser û = net(x, z).
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
    classes: usize,
}

impl Graph {
    /// The sample.
    pub const X: NodeId = 0;
    /// The noised label.
    pub const Z: NodeId = 1;

    /// A net of nothing but its inputs: a sample of shape `x`, and a noised label of `classes` values.
    pub fn new(x: Shape, classes: usize) -> Self {
        let input = |name: &str, shape| Node { name: name.to_owned(), op: Op::Input, inputs: Vec::new(), shape };
        Self { nodes: vec![input("x", x), input("z", Shape::Vector(classes))], classes }
    }

    /// All nodes in the order of their computation; the last is the estimate û.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The node of that name.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.nodes.iter().position(|node| node.name == name)
    }

    /// Adds a node; its shape follows from those of its inputs.
    pub(crate) fn push(&mut self, name: String, op: Op, inputs: Vec<NodeId>) -> std::result::Result<NodeId, Misfit> {
        // Beside the inputs.
        if self.nodes.len() >= MAX_NODES + 2 {
            return Err(Misfit::new(format!("a net of at most {MAX_NODES} nodes"), "more"));
        }
        if self.find(&name).is_some() {
            return Err(Misfit::new("a name that no other node has", format!("'{name}'")).field("name"));
        }
        if matches!(&op, Op::Conv(conv) if conv.init == ConvInit::Whitening) && inputs != [Self::X] {
            return Err(Misfit::new("whitening of x", "of another node").field("init"));
        }
        let shapes: Vec<_> = inputs.iter().map(|input| self.nodes[*input].shape).collect();
        let shape = op.spec().output(&shapes, self.classes)?;
        let len = shape.dims().iter().try_fold(1_usize, |len, dim| len.checked_mul(*dim));
        match len {
            Some(1..=MAX_VALUES) => {}
            _ => return Err(Misfit::new(format!("an output of 1 to {MAX_VALUES} values"), shape.to_string())),
        }
        self.nodes.push(Node { name, op, inputs, shape });
        Ok(self.nodes.len() - 1)
    }

    /// What a node's specification is asked about.
    pub(crate) fn signature(&self, node: NodeId) -> Signature {
        let Node { inputs, shape, .. } = &self.nodes[node];
        Signature { inputs: inputs.iter().map(|input| self.nodes[*input].shape).collect(), output: *shape }
    }

    /// Whether the estimate is one, and every node leads to it.
    ///
    /// # Errors
    /// [`Code::Option`] naming the node.
    pub(crate) fn check(&self) -> Result<()> {
        let (last, classes) = (&self.nodes[self.nodes.len() - 1], self.classes);
        if last.shape != Shape::Vector(classes) || last.op == Op::Input {
            return Err(Error::new(Code::Option, "the last node of the net is not an estimate of the label")
                .expected(format!("a vector [{classes}], a value for each class"))
                .received(format!("{} of node '{}'", last.shape, last.name))
                .hint("end the net with {\"op\": \"linear\", \"units\": \"classes\"}, and softmax if it shall be a probability"));
        }
        if (0..self.nodes.len()).all(|node| self.nodes[node].op.spec().tensors(&self.signature(node)).is_empty()) {
            return Err(Error::new(Code::Option, "the net has nothing to train")
                .expected("a node with parameters, such as linear or conv")
                .received("nodes without parameters"));
        }
        let unread = (2..self.nodes.len() - 1).find(|node| !self.nodes.iter().any(|other| other.inputs.contains(node)));
        if let Some(node) = unread {
            return Err(Error::new(Code::Option, format!("no node of the net reads node '{}'", self.nodes[node].name))
                .expected("a net whose every node leads to the last")
                .received("a node that leads nowhere")
                .hint("name it in another node's 'from', or remove it"));
        }
        Ok(())
    }
}
