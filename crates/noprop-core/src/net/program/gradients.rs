//! The backward pass of a net that is being compiled, in the reverse order of its nodes.
//!
//! A gradient is made by the readers of a value, last reader first. Where there are several, each but the first writes its own and
//! adds what there is; so the order of the sum is that of the nodes. A sum hands the same buffer to all its inputs.

use super::At;
use super::fuse::Group;
use super::lower::Lowering;
use crate::net::graph::NodeId;
use crate::net::op::Op;
use crate::ops::add::Add;

impl Lowering<'_> {
    /// The gradient of `node`, which is whole.
    pub(super) fn take(&mut self, node: NodeId) -> At {
        let at = self.gradients.of[node].take().expect("every reader has told its share of the gradient");
        self.release(at);
        at
    }

    fn release(&mut self, at: At) {
        if let Some(count) = self.gradients.waiting.get_mut(&at) {
            *count -= 1;
        }
    }

    /// What there is of the gradient of `node`, taken from it, where the next share is the last.
    pub(super) fn take_rest(&mut self, node: NodeId) -> Option<At> {
        let at = self.gradients.of[node].take()?;
        self.release(at);
        Some(at)
    }

    /// Whether only one reader's share of the gradient is missing.
    pub(super) fn is_last(&self, node: NodeId) -> bool {
        self.gradients.missing[node] == 1
    }

    pub(super) fn has_gradient(&self, node: NodeId) -> bool {
        self.gradients.of[node].is_some()
    }

    /// The sum that computes `node`, if one does.
    pub(super) fn is_sum(&self, node: NodeId) -> bool {
        matches!(self.op(node), Op::Add(_)) && self.target.fused
    }

    /// Notes that a reader's share has been handed on in another way.
    pub(super) fn settle(&mut self, node: NodeId) {
        self.gradients.missing[node] -= 1;
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
        if self.gradients.waiting.get(&dy).copied().unwrap_or(0) == 0 {
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
        self.gradients.missing[node] -= 1;
    }

    /// The same gradient for several nodes, of which one may be there more than once.
    pub fn contribute_to_all(&mut self, nodes: impl IntoIterator<Item = NodeId>, dy: At) {
        *self.gradients.waiting.entry(dy).or_insert(0) += 1;
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
        self.gradients.missing[node] -= 1;
    }

    pub(super) fn set_gradient(&mut self, node: NodeId, at: At) {
        self.gradients.of[node] = Some(at);
        *self.gradients.waiting.entry(at).or_insert(0) += 1;
    }

    fn add(&mut self, to: At, from: At, len: usize) {
        self.emit("add", &[from], &[to], move |c| Add { len: c.samples() * len }.forward(c.write(to), c.read(from)));
    }
}
