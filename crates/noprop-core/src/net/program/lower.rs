//! From a graph to calls: forward in the order of the nodes, backward in the reverse.
//!
//! A gradient is made by the readers of a value, last reader first. Where there are several, each but the first writes its own and
//! adds what there is; so the order of the sum is that of the nodes. A sum hands the same buffer to all its inputs.

use super::dense::Dense;
use super::fuse::{Group, Readers, groups, resolve};
use super::stage::{self, Stage};
use super::{At, Call, Context, Size, Target};
use crate::error::Result;
use crate::net::graph::{Graph, NodeId};
use crate::net::layout::Layout;
use crate::net::op::Op;
use crate::net::shape::Shape;
use crate::net::spec::BatchNorm;
use crate::ops::add::Add;
use crate::ops::copy_columns::CopyColumns;
use crate::tensor::Slot;
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

/// A net that is being compiled.
pub(crate) struct Lowering<'g> {
    graph: &'g Graph,
    layout: &'g Layout,
    pub target: Target,
    readers: Readers,
    groups: Vec<Group>,
    /// The group of each node that is in one.
    group_of: Vec<Option<usize>>,
    backward: bool,
    calls: [Vec<Call>; 2],
    sizes: Vec<Size>,
    /// Where each node's value lies, and what of it is still read.
    values: Vec<Option<(At, Reads)>>,
    /// Slots that a node's gradient needs beside values.
    kept: HashMap<NodeId, At>,
    /// Slots of zeros, by their length.
    zeros: HashMap<usize, At>,
    pub(super) dense: HashMap<NodeId, Dense>,
    /// Whether anything that is trained lies before a node.
    trained: Vec<bool>,
    gradients: Vec<Option<At>>,
    /// Gradients that wait in a slot, more than one where a sum has handed it on.
    waiting: HashMap<At, usize>,
    /// Readers of a node whose share of its gradient is still missing.
    missing: Vec<usize>,
}

impl<'g> Lowering<'g> {
    pub fn new(graph: &'g Graph, layout: &'g Layout, target: Target) -> Self {
        let (readers, count) = (Readers::new(graph), graph.nodes().len());
        let groups = groups(graph, &readers, target.fused);
        let mut group_of = vec![None; count];
        for (index, group) in groups.iter().enumerate() {
            group.members().for_each(|member| group_of[member] = Some(index));
        }
        let mut trained = vec![false; count];
        for (index, node) in graph.nodes().iter().enumerate() {
            let own = node.op.spec().tensors(&graph.signature(index)).iter().any(|tensor| tensor.trained);
            trained[index] = own || node.inputs.iter().any(|input| trained[*input]);
        }
        let missing = (0..count).map(|node| readers.count(node)).collect();
        let mut values = vec![None; count];
        values[Graph::X] = Some((At::X, Reads::Values));
        values[Graph::Z] = Some((At::Z, Reads::Values));
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
            gradients: vec![None; count],
            waiting: HashMap::new(),
            missing,
        }
    }

    /// Forward calls, backward calls, the size of each slot, and where the estimate is.
    #[allow(clippy::type_complexity, reason = "named where it is taken apart, once")]
    pub fn finish(mut self) -> Result<(Vec<Call>, Vec<Call>, Vec<Size>, At)> {
        for group in self.groups.clone() {
            match group {
                Group::Stage { .. } => Stage::lower(&mut self, group),
                Group::Dense { linear, norm, relu, dropout } => Dense::lower(&mut self, linear, norm, relu, dropout),
                Group::NormRelu { norm, relu } => BatchNorm::lower_to(&mut self, norm, relu),
                Group::Single(node) => self.graph.nodes()[node].op.spec().lower(&mut self, node)?,
            }
        }
        let last = resolve(self.graph, self.graph.nodes().len() - 1);
        let estimate = self.value(last);
        if self.target.training {
            self.differentiate(last)?;
        }
        let [forward, backward] = self.calls;
        Ok((forward, backward, self.sizes, estimate))
    }

    fn differentiate(&mut self, estimate: NodeId) -> Result<()> {
        self.backward = true;
        self.gradients[estimate] = Some(At::Estimate);
        self.waiting.insert(At::Estimate, 1);
        for group in self.groups.clone().into_iter().rev() {
            let output = group.output();
            if !self.trained[output] {
                continue;
            }
            match group {
                Group::Dense { linear, .. } => {
                    let dy = if self.dense[&linear].is_through() { At::Estimate } else { self.take(output) };
                    Dense::differentiate(self, linear, dy);
                }
                // A reader of the sum may have handed the gradient on already.
                _ if self.gradients[output].is_none() => {}
                Group::Stage { .. } => {
                    let dy = self.take(output);
                    Stage::differentiate(self, group, dy);
                }
                Group::NormRelu { norm, relu } => {
                    let dy = self.take(output);
                    BatchNorm::differentiate_from(self, norm, relu, dy);
                }
                Group::Single(node) => {
                    let dy = self.take(output);
                    self.graph.nodes()[node].op.spec().differentiate(self, node, dy)?;
                }
            }
        }
        Ok(())
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
        self.layout.slot(&format!("params.{}.{tensor}", self.graph.nodes()[node].name))
    }

    pub fn statistic(&self, node: NodeId, tensor: &str) -> Slot {
        self.layout.slot(&format!("stats.{}.{tensor}", self.graph.nodes()[node].name))
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

    /// A slot for the spread-out gradient of any stage, as large as the largest needs it.
    pub(super) fn spread(&mut self) -> At {
        let dims = self.groups.iter().filter_map(|group| match *group {
            Group::Stage { conv, pool, .. } => {
                Some(stage::dims(self.input_shapes(conv)[0], self.shape(conv), pool.is_some()))
            }
            _ => None,
        });
        let len = stage::spread(&dims.collect::<Vec<_>>());
        self.samples(len)
    }

    /// A call, which overwrites what it writes or changes it.
    pub fn emit(
        &mut self,
        name: &'static str,
        reads: &[At],
        writes: &[At],
        run: impl Fn(&Context<'_>) -> Result<()> + Send + 'static,
    ) {
        let call = Call { name, reads: reads.to_vec(), writes: writes.to_vec(), run: Box::new(run) };
        self.calls[usize::from(self.backward)].push(call);
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
        matches!(at, At::Slot(_)) && is_free
    }

    fn copy(&mut self, from: At, to: At, len: usize) {
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

    // Gradients.

    /// The gradient of `node`, which is whole.
    fn take(&mut self, node: NodeId) -> At {
        let at = self.gradients[node].take().expect("every reader has told its share of the gradient");
        self.release(at);
        at
    }

    fn release(&mut self, at: At) {
        if let Some(count) = self.waiting.get_mut(&at) {
            *count -= 1;
        }
    }

    /// What there is of the gradient of `node`, taken from it, where the next share is the last.
    pub(super) fn take_rest(&mut self, node: NodeId) -> Option<At> {
        let at = self.gradients[node].take()?;
        self.release(at);
        Some(at)
    }

    /// Whether only one reader's share of the gradient is missing.
    pub(super) fn is_last(&self, node: NodeId) -> bool {
        self.missing[node] == 1
    }

    pub(super) fn has_gradient(&self, node: NodeId) -> bool {
        self.gradients[node].is_some()
    }

    /// The sum that computes `node`, if one does.
    pub(super) fn is_sum(&self, node: NodeId) -> bool {
        matches!(self.op(node), Op::Add(_)) && self.target.fused
    }

    /// Notes that a reader's share has been handed on in another way.
    pub(super) fn settle(&mut self, node: NodeId) {
        self.missing[node] -= 1;
    }

    /// The layer, not differentiated yet, whose last node is `node`.
    pub(super) fn dense_at(&self, node: NodeId) -> Option<NodeId> {
        match self.groups[self.group_of[node]?] {
            group @ Group::Dense { linear, .. } if group.output() == node => Some(linear),
            _ => None,
        }
    }

    /// The gradient as values of one's own, which may be overwritten.
    pub fn own(&mut self, dy: At, len: usize) -> At {
        if self.waiting.get(&dy).copied().unwrap_or(0) == 0 {
            return dy;
        }
        let own = self.samples(len);
        self.copy(dy, own, len);
        own
    }

    /// A share of the gradient of `node`: `write` emits the calls that write it, whole, to the slot it is given.
    pub fn contribute(&mut self, node: NodeId, write: impl FnOnce(&mut Self, At)) {
        let dx = self.samples(self.len(node));
        write(self, dx);
        self.contribute_owned(node, dx);
    }

    /// A share that lies in a slot of its own.
    pub fn contribute_owned(&mut self, node: NodeId, dx: At) {
        if !self.needs(node) {
            return;
        }
        if let Some(before) = self.take_rest(node) {
            self.add(dx, before, self.len(node));
        }
        self.set_gradient(node, dx);
        self.missing[node] -= 1;
    }

    /// The same gradient for several nodes, of which one may be there more than once.
    pub fn contribute_to_all(&mut self, nodes: impl IntoIterator<Item = NodeId>, dy: At) {
        *self.waiting.entry(dy).or_insert(0) += 1;
        nodes.into_iter().for_each(|node| self.contribute_shared(node, dy));
        self.release(dy);
    }

    fn contribute_shared(&mut self, node: NodeId, dy: At) {
        if !self.needs(node) {
            return;
        }
        let dx = match self.take_rest(node) {
            None => dy,
            Some(before) => {
                let own = self.own(before, self.len(node));
                self.add(own, dy, self.len(node));
                own
            }
        };
        self.set_gradient(node, dx);
        self.missing[node] -= 1;
    }

    fn set_gradient(&mut self, node: NodeId, at: At) {
        self.gradients[node] = Some(at);
        *self.waiting.entry(at).or_insert(0) += 1;
    }

    fn add(&mut self, to: At, from: At, len: usize) {
        self.emit("add", &[from], &[to], move |c| {
            Add { len: c.samples() * len }.forward(c.write(to), c.read(from))
        });
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
