//! From a graph to the calls of its forward pass, in the order of the nodes; [`gradients`](super::gradients) adds those of the
//! backward pass.

use super::fuse::{Group, Readers, groups, resolve};
use super::state::{Dense, Gradients, Reads};
use super::{At, Call, Context, Run, Size, Target, is_split};
use crate::error::Result;
use crate::net::graph::{Graph, NodeId};
use crate::net::layout::Layout;
use crate::net::op::Op;
use crate::net::shape::Shape;
use crate::ops::copy_columns::CopyColumns;
use crate::tensor::Slot;
use std::collections::HashMap;

/// A net that is being compiled.
pub(crate) struct Lowering<'g> {
    pub(super) graph: &'g Graph,
    layout: &'g Layout,
    pub target: Target,
    readers: Readers,
    pub(super) groups: Vec<Group>,
    /// The group of each node that is in one.
    pub(super) group_of: Vec<Option<usize>>,
    pub(super) backward: bool,
    pub(super) calls: [Vec<Call>; 2],
    pub(super) sizes: Vec<Size>,
    /// Where each node's value lies, and what of it is still read.
    values: Vec<Option<(At, Reads)>>,
    /// Slots that a node's gradient needs beside values.
    kept: HashMap<NodeId, At>,
    /// Slots of zeros, by their length.
    zeros: HashMap<usize, At>,
    pub(super) dense: HashMap<NodeId, Dense>,
    /// Whether anything that is trained lies before a node.
    trained: Vec<bool>,
    /// Whether a node depends on x alone.
    fixed: Vec<bool>,
    /// Whether a node depends on the time alone, which is one for all samples where the program is split.
    timed: Vec<bool>,
    /// Whether the calls that are emitted now depend on x alone, and whether on the time.
    is_fixed: bool,
    is_timed: bool,
    pub(super) gradients: Gradients,
}

impl<'g> Lowering<'g> {
    pub fn new(graph: &'g Graph, layout: &'g Layout, target: Target) -> Self {
        let (readers, count) = (Readers::new(graph), graph.nodes().len());
        let groups = groups(graph, &readers, target.fused);
        let mut group_of = vec![None; count];
        for (index, group) in groups.iter().enumerate() {
            group.members().for_each(|member| group_of[member] = Some(index));
        }
        let (mut trained, mut fixed, mut timed) = (vec![false; count], vec![true; count], vec![false; count]);
        let is_split = is_split(graph, target);
        for (index, node) in graph.nodes().iter().enumerate() {
            let own = graph.is_trained(index);
            let is_asked = index == Graph::Z && graph.form().z_gradient;
            let any_before = node.inputs.iter().any(|input| trained[*input]);
            trained[index] = !node.op.is_local() && (own || is_asked || any_before);
            let is_x = index == Graph::X || index >= graph.inputs();
            fixed[index] = is_x && node.inputs.iter().all(|input| fixed[*input]);
            let is_time = index == Graph::TIME || index >= graph.inputs();
            timed[index] = is_split && is_time && node.inputs.iter().all(|input| timed[*input]);
        }
        let gradients = Gradients::new((0..count).map(|node| readers.count(node)).collect());
        let mut values = vec![None; count];
        values[Graph::X] = Some((At::X, Reads::Values));
        values[Graph::Z] = Some((At::Z, Reads::Values));
        if graph.form().timed {
            values[Graph::TIME] = Some((At::Time, Reads::Values));
        }
        Self {
            graph,
            layout,
            target,
            readers,
            groups,
            group_of,
            backward: false,
            calls: [Vec::new(), Vec::new()],
            sizes: Vec::new(),
            values,
            kept: HashMap::new(),
            zeros: HashMap::new(),
            dense: HashMap::new(),
            trained,
            fixed,
            timed,
            is_fixed: false,
            is_timed: false,
            gradients,
        }
    }

    // What a node is.

    pub fn shape(&self, node: NodeId) -> Shape {
        self.graph.nodes()[node].shape
    }

    /// Values of one sample.
    pub fn len(&self, node: NodeId) -> usize {
        self.shape(node).len()
    }

    pub fn op(&self, node: NodeId) -> &'g Op {
        &self.graph.nodes()[node].op
    }

    /// The shapes that the node was declared with.
    pub fn input_shapes(&self, node: NodeId) -> Vec<Shape> {
        self.graph.signature(node).inputs
    }

    /// The nodes that compute the inputs of `node`.
    pub fn inputs(&self, node: NodeId) -> Vec<NodeId> {
        self.graph.nodes()[node].inputs.iter().map(|input| resolve(self.graph, *input)).collect()
    }

    pub fn input(&self, node: NodeId) -> NodeId {
        self.inputs(node)[0]
    }

    pub fn parameter(&self, node: NodeId, tensor: &str) -> Slot {
        self.layout.slot(&format!("params.{}.{tensor}", self.layer(node)))
    }

    pub fn statistic(&self, node: NodeId, tensor: &str) -> Slot {
        self.layout.slot(&format!("stats.{}.{tensor}", self.layer(node)))
    }

    /// The layer whose tensors a node uses.
    fn layer(&self, node: NodeId) -> &'g str {
        &self.graph.nodes()[self.graph.owner(node)].name
    }

    /// Whether no node behind this one uses the same tensors, so that its share of their gradients is the first, and whether none before it
    /// does, so that it is the last.
    pub fn ends_of_use(&self, node: NodeId) -> (bool, bool) {
        let owner = self.graph.owner(node);
        let uses = |node: NodeId| self.graph.owner(node) == owner;
        (!(node + 1..self.graph.nodes().len()).any(uses), node == owner)
    }

    /// Which of the net's dropouts this one is, from 0.
    pub fn stage(&self, node: NodeId) -> u16 {
        self.graph.nodes()[..node].iter().filter(|node| matches!(node.op, Op::Dropout(_))).count() as u16
    }

    /// Whether the gradient of a node's value is of use.
    pub fn needs(&self, node: NodeId) -> bool {
        self.trained[node]
    }

    // Slots and calls.

    fn slot(&mut self, size: Size) -> At {
        self.sizes.push(size);
        At::Slot(self.sizes.len() - 1)
    }

    /// A slot of `len` values of each sample.
    pub fn samples(&mut self, len: usize) -> At {
        self.slot(Size::Samples(len))
    }

    /// A slot of `len` values, whatever the samples.
    pub fn fixed(&mut self, len: usize) -> At {
        self.slot(Size::Block(len))
    }

    /// Says which nodes the next calls compute.
    pub(super) fn begin(&mut self, group: Group) {
        self.is_fixed = group.members().all(|node| self.fixed[node]);
        self.is_timed = group.members().all(|node| self.timed[node]);
    }

    /// Repeats what follows from the time alone, computed once, for every sample, where a reader wants it so. Layers do not.
    pub(super) fn end(&mut self, group: Group) {
        let node = group.output();
        if !std::mem::take(&mut self.is_timed) {
            return;
        }
        let is_layer = |reader: NodeId| match self.group_of[reader].map(|group| self.groups[group]) {
            Some(Group::Dense { linear, norm: None, .. }) => linear == reader,
            Some(Group::Single(node)) => matches!(self.op(node), Op::Linear(_)),
            _ => false,
        };
        let wants = |reader: &NodeId| !self.timed[*reader] && !is_layer(*reader);
        if self.readers.of(node).iter().any(wants) {
            let (row, len) = (self.value(node), self.len(node));
            let all = self.output(node);
            self.repeat(row, all, len, false);
        }
    }

    /// Writes one row to those of all samples, or adds it.
    pub fn repeat(&mut self, row: At, to: At, len: usize, add: bool) {
        self.emit("repeat", &[row], &[to], move |c| {
            CopyColumns { add, ..copy(c.samples(), len, 0) }.forward(c.write(to), c.read(row))
        });
    }

    /// Whether a value is that of the time alone, and one for all samples.
    pub fn is_timed(&self, node: NodeId) -> bool {
        self.timed[node]
    }

    /// A call, which overwrites what it writes or changes it.
    pub fn emit(
        &mut self,
        name: &'static str,
        reads: &[At],
        writes: &[At],
        run: impl Fn(&Context<'_>) -> Result<()> + Send + 'static,
    ) {
        self.push(name, [reads, writes], Box::new(run));
    }

    fn push(&mut self, name: &'static str, [reads, writes]: [&[At]; 2], run: Box<dyn Run>) {
        let (fixed, is_timed) = (self.is_fixed && !self.backward, self.is_timed);
        let call = Call { name, reads: reads.to_vec(), writes: writes.to_vec(), fixed, is_timed, run };
        self.calls[usize::from(self.backward)].push(call);
    }

    /// Calls of a group that depends on more, which themselves depend on x alone.
    pub fn fixed_calls(&mut self, emit: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.is_fixed, true);
        emit(self);
        self.is_fixed = before;
    }

    /// The same, which depend on the time alone, and are made for one row.
    pub fn timed_calls(&mut self, emit: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.is_timed, true);
        emit(self);
        self.is_timed = before;
    }

    /// Whether the value of `input`, which `node` reads with others, is kept while `node` is computed again.
    pub fn is_kept(&self, input: NodeId, node: NodeId) -> bool {
        is_split(self.graph, self.target) && self.fixed[input] && !self.fixed[node]
    }

    /// Where the value of `node` lies.
    pub fn value(&self, node: NodeId) -> At {
        self.values[node].expect("a value is computed before it is read").0
    }

    /// Says where it lies, and what of it the gradient will read.
    pub fn set_value(&mut self, node: NodeId, at: At, reads: Reads) {
        self.values[node] = Some((at, reads));
    }

    /// A new slot for the value of `node`.
    pub fn output(&mut self, node: NodeId) -> At {
        let at = self.samples(self.len(node));
        let reads = reads_of(self.op(node));
        self.set_value(node, at, reads);
        at
    }

    /// The slot of the first input's values, for an operation that works in place. Where somebody else still needs them they are
    /// copied first.
    pub fn overwritten(&mut self, node: NodeId) -> At {
        if self.is_free(node) {
            let (at, reads) = self.values[self.input(node)].expect("it is free");
            self.set_value(node, at, reads.max(reads_of(self.op(node))));
            return at;
        }
        let (at, y) = (self.value(self.input(node)), self.output(node));
        self.copy(at, y, self.len(node));
        y
    }

    /// Whether nobody else needs the values of the first input.
    pub fn is_free(&self, node: NodeId) -> bool {
        let input = self.input(node);
        let (at, reads) = self.values[input].expect("a value is computed before it is read");
        let may = match self.op(node) {
            Op::Dropout(_) => Reads::Gate,
            _ => Reads::Nothing,
        };
        let is_free = self.readers.count(input) == 1 && (reads <= may || !self.target.training);
        // Where the program is split, what depends on x alone is read again.
        matches!(at, At::Slot(_)) && is_free && !self.is_kept(input, node)
    }

    pub(super) fn copy(&mut self, from: At, to: At, len: usize) {
        self.emit("copy", &[from], &[to], move |c| copy(c.samples(), len, len).forward(c.write(to), c.read(from)));
    }

    /// Writes 0 to a slot of `len` values of each sample.
    pub fn zero(&mut self, to: At, len: usize) {
        let zeros = *self.zeros.get(&len).unwrap_or(&At::Slot(self.sizes.len()));
        if self.zeros.insert(len, zeros).is_none() {
            self.slot(Size::Zeros(len));
        }
        self.emit("zero", &[zeros], &[to], move |c| copy(c.samples(), len, 0).forward(c.write(to), c.read(zeros)));
    }

    /// Keeps a slot for the gradient of `node`.
    pub fn keep(&mut self, node: NodeId, at: At) {
        self.kept.insert(node, at);
    }

    pub fn kept(&self, node: NodeId) -> At {
        self.kept[&node]
    }
}

/// A copy of all of every sample; a stride of 0 reads one for all.
fn copy(rows: usize, width: usize, from_stride: usize) -> CopyColumns {
    CopyColumns { rows, width, from_stride, from_offset: 0, to_stride: width, to_offset: 0, add: false }
}

/// What an operation alone reads of its output.
fn reads_of(op: &Op) -> Reads {
    match op {
        Op::Relu(_) => Reads::Gate,
        Op::Softmax(_) | Op::MaxPool(_) => Reads::Values,
        _ => Reads::Nothing,
    }
}
