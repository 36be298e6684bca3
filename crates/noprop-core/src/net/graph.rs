//! A net as it is declared: nodes in the order in which they are computed, each with its operation, inputs and shape.

use super::op::Op;
use super::shape::Shape;
use super::spec::{ConvInit, Misfit, Role, Signature, Tensor};
use crate::diffusion::ClassVectors;
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
    /// The node before whose tensors it uses too, where it has none of its own.
    pub tied: Option<NodeId>,
}

/// A net: the denoiser û = net(x, z).
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
    classes: usize,
    form: Form,
}

/// What a method asks of a net beside û = net(x, z).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Form {
    /// A third input: the time, or the noise level, of each sample.
    pub timed: bool,
    /// What the last node is.
    pub output: Output,
    /// Whether a training program also gives the gradient of z.
    pub z_gradient: bool,
    /// Shape of z and of the label's vectors, where that is not a value for each class.
    pub z: Option<Shape>,
}

/// What the last node of a net is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Output {
    /// The estimate as the net declares it.
    #[default]
    Declared,
    /// The same without a softmax at its end.
    Logits,
    /// The same with one.
    Probabilities,
}

impl Graph {
    /// The sample.
    pub const X: NodeId = 0;
    /// The noised label.
    pub const Z: NodeId = 1;
    /// The time, in a net of a form that has one.
    pub const TIME: NodeId = 2;

    /// A net of nothing but its inputs: a sample of shape `x`, and a noised label of `classes` values.
    pub fn new(x: Shape, classes: usize) -> Self {
        Self::of_form(x, classes, Form::default())
    }

    /// The same with what `form` asks for beside; its end is made when the net is whole.
    pub fn of_form(x: Shape, classes: usize, form: Form) -> Self {
        let input =
            |name: &str, shape| Node { name: name.to_owned(), op: Op::Input, inputs: Vec::new(), shape, tied: None };
        let z = form.z.unwrap_or(Shape::Vector(classes));
        let mut nodes = vec![input("x", x), input("z", z)];
        if form.timed {
            nodes.push(input("time", Shape::Vector(1)));
        }
        Self { nodes, classes, form }
    }

    /// `count` copies of a net of x and z, one after the other, whose states are mixed; a linear head on the last state, which begins as the
    /// nearest of these embeddings. Where the net has trained embeddings, all copies use those of the first.
    ///
    /// # Errors
    /// [`Code::Option`] for more nodes than a net may have.
    pub(crate) fn chained(block: &Self, count: usize, form: Form, vectors: &ClassVectors) -> Result<Self> {
        let mut chain = Self::of_form(block.nodes[Self::X].shape, block.classes, form);
        let (mut state, mut embedding) = (Self::Z, None);
        let fit = |misfit: Misfit| misfit.of_node(&format!("a chain of {count} blocks"));
        for copy in 1..=count {
            let first = chain.nodes.len();
            let moved = |input: &NodeId| match *input {
                Self::X => Self::X,
                Self::Z => state,
                node => first + node - block.inputs(),
            };
            for node in &block.nodes[block.inputs()..] {
                let is_shared = matches!(&node.op, Op::Embed(embed) if embed.trained);
                let name = match is_shared && embedding.is_none() {
                    true => "embedding".to_owned(),
                    false => format!("block{copy:04}_{}", node.name),
                };
                let inputs = node.inputs.iter().map(moved).collect();
                let place = chain.push(name, node.op.clone(), inputs).map_err(fit)?;
                if is_shared {
                    chain.nodes[place].tied = embedding;
                    embedding = embedding.or(Some(place));
                }
            }
            let (estimate, mix) = (chain.nodes.len() - 1, Op::Mix(super::spec::Mix {}));
            state = chain.push(format!("block{copy:04}_mix"), mix, vec![state, estimate]).map_err(fit)?;
        }
        // The estimates then begin as the classes' own: from a random head, several classes soon share one of softmax's corners for good.
        let role = vectors.by_inputs().map_or(Role::Identity, Role::Values);
        let head = Op::Linear(super::spec::Linear { units: super::spec::Size::Classes, role });
        chain.push("head".to_owned(), head, vec![state]).map_err(fit)?;
        chain.shaped()
    }

    /// The same net, the names of whose layers begin with `prefix`.
    pub(crate) fn prefixed(&self, prefix: &str) -> Self {
        let mut graph = self.clone();
        for node in &mut graph.nodes[self.inputs()..] {
            node.name.insert_str(0, prefix);
        }
        graph
    }

    /// The whole net with the end that its form asks for.
    ///
    /// # Errors
    /// [`Code::Option`] where nothing but a softmax is left, or where a time is asked for and not read.
    pub(crate) fn shaped(mut self) -> Result<Self> {
        let is_softmax = |graph: &Self| matches!(graph.nodes[graph.nodes.len() - 1].op, Op::Softmax(_));
        match self.form.output {
            Output::Declared => {}
            Output::Logits => {
                while is_softmax(&self) {
                    self.nodes.pop();
                }
            }
            Output::Probabilities if is_softmax(&self) => {}
            Output::Probabilities => {
                let (last, shape) = (self.nodes.len() - 1, self.nodes[self.nodes.len() - 1].shape);
                let op = Op::Softmax(super::spec::Softmax {});
                self.nodes.push(Node { name: op.name_at(last + 1), op, inputs: vec![last], shape, tied: None });
            }
        }
        self.check()?;
        if self.form.timed && !self.nodes.iter().any(|node| node.inputs.contains(&Self::TIME)) {
            return Err(Error::new(Code::Option, "no node of the net reads the time")
                .expected("a net that knows the time, as this method draws them at random")
                .received("a net of x and z alone")
                .hint("add {\"op\": \"time-features\", \"name\": \"features\", \"from\": \"time\", \"width\": 64} and read it in a later node"));
        }
        Ok(self)
    }

    /// The whole net with its estimates, shares of the classes, as vectors of the label's kind: these, or trained ones that begin as these.
    ///
    /// # Errors
    /// [`Code::Option`] for more nodes than a net may have.
    pub(crate) fn embedded(mut self, vectors: &ClassVectors, trained: bool) -> Result<Self> {
        if vectors.is_one_hot() && !trained {
            return Ok(self);
        }
        let (last, shape) = (self.nodes.len() - 1, self.nodes[Self::Z].shape);
        let op = Op::Embed(super::spec::Embed { vectors: vectors.clone(), trained, shape });
        let name = op.name_at(last + 1);
        self.push(name, op, vec![last]).map_err(|misfit| misfit.of_node("embedding"))?;
        Ok(self)
    }

    /// Values of an estimate.
    pub fn estimate_width(&self) -> usize {
        self.nodes[self.nodes.len() - 1].shape.len()
    }

    /// What the net has been asked for.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Number of inputs, which are the first nodes.
    pub fn inputs(&self) -> usize {
        2 + usize::from(self.form.timed)
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
        if self.nodes.len() >= MAX_NODES + self.inputs() {
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
        self.nodes.push(Node { name, op, inputs, shape, tied: None });
        Ok(self.nodes.len() - 1)
    }

    /// The net of those of these nodes that are read; nobody who is read reads another.
    pub(super) fn kept(self, nodes: Vec<Node>, read: &[bool]) -> Self {
        let mut places = vec![0; nodes.len()];
        let mut kept: Vec<Node> = Vec::with_capacity(nodes.len());
        for (index, mut node) in nodes.into_iter().enumerate().filter(|(index, _)| read[*index]) {
            places[index] = kept.len();
            node.inputs.iter_mut().chain(&mut node.tied).for_each(|other| *other = places[*other]);
            // One that has no name of its own has that of its place.
            if node.op.is_activation() && node.name == node.op.name_at(index) {
                node.name = node.op.name_at(kept.len());
            }
            kept.push(node);
        }
        Self { nodes: kept, ..self }
    }

    /// Removes the last node, unless it is an input.
    pub(crate) fn pop(&mut self) -> Option<Node> {
        if self.nodes.len() > self.inputs() { self.nodes.pop() } else { None }
    }

    /// The node whose tensors a node uses: itself, or the one it is tied to.
    pub(crate) fn owner(&self, node: NodeId) -> NodeId {
        self.nodes[node].tied.unwrap_or(node)
    }

    /// The tensors of a node; none of one that is tied to another.
    pub(crate) fn tensors(&self, node: NodeId) -> Vec<Tensor> {
        match self.nodes[node].tied {
            Some(_) => Vec::new(),
            None => self.nodes[node].op.spec().tensors(&self.signature(node)),
        }
    }

    /// Whether a node uses a tensor that is trained.
    pub(crate) fn is_trained(&self, node: NodeId) -> bool {
        self.tensors(self.owner(node)).iter().any(|tensor| tensor.trained)
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
        if (0..self.nodes.len()).all(|node| self.tensors(node).is_empty()) {
            return Err(Error::new(Code::Option, "the net has nothing to train")
                .expected("a node with parameters, such as linear or conv")
                .received("nodes without parameters"));
        }
        let unread = (self.inputs()..self.nodes.len() - 1)
            .find(|node| !self.nodes.iter().any(|other| other.inputs.contains(node)));
        if let Some(node) = unread {
            return Err(Error::new(Code::Option, format!("no node of the net reads node '{}'", self.nodes[node].name))
                .expected("a net whose every node leads to the last")
                .received("a node that leads nowhere")
                .hint("name it in another node's 'from', or remove it"));
        }
        Ok(())
    }
}
