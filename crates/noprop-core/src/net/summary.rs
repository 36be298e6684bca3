//! What follows from a graph without computing: the layout of its tensors, its multiply-adds, a table of its layers.

use super::graph::{Graph, NodeId};
use super::layout::{Layout, LayoutBuilder, OwnTensor};
use super::op::Op;
use super::program::{Program, Readers, Target, resolve, stages};
use super::spec::Tensor;
use crate::error::Result;
use crate::ops::conv3x3::Dims;
use crate::tensor::Slot;
use serde::Serialize;
use std::collections::HashMap;

/// Activations and dropouts that stand in the row of a layer.
const MOST_PARTS: usize = 3;

/// A layer of a net, as a table has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    /// Its name, which its tensors have too.
    pub name: String,
    /// What it computes: `conv`, or `conv + relu + dropout` with what follows value by value.
    pub op: String,
    /// Shape of one sample's output.
    pub shape: Vec<usize>,
    /// Trained values.
    pub parameters: usize,
    /// Multiply-adds of one sample forward.
    pub multiply_adds: usize,
}

impl Graph {
    /// The tensors of one block.
    pub fn layout(&self) -> Layout {
        self.layout_with(&[]).0
    }

    /// The same with those that a method trains beside, and where the latter lie.
    pub(crate) fn layout_with(&self, own: &[OwnTensor]) -> (Layout, Vec<Slot>) {
        Self::layout_of(std::slice::from_ref(self), own)
    }

    /// The same of several nets that share no tensors.
    pub(crate) fn layout_of(nets: &[Self], own: &[OwnTensor]) -> (Layout, Vec<Slot>) {
        let mut builder = LayoutBuilder::default();
        nets.iter().for_each(|net| net.declare(&mut builder));
        for OwnTensor { layer, name, shape, init } in own {
            builder.parameter(layer, name, shape, init.clone());
        }
        let layout = builder.build();
        let slot = |own: &OwnTensor| layout.slot(&format!("params.{}.{}", own.layer, own.name));
        let slots = own.iter().map(slot).collect();
        (layout, slots)
    }

    fn declare(&self, builder: &mut LayoutBuilder) {
        for (index, node) in self.nodes().iter().enumerate() {
            for Tensor { name, trained, shape, init } in self.tensors(index) {
                if trained {
                    builder.parameter(&node.name, name, &shape, init);
                } else {
                    builder.statistic(&node.name, name, &shape, init);
                }
            }
        }
    }

    /// Number of values of one block, if it can be counted.
    pub(crate) fn weights(&self) -> Option<usize> {
        let tensors = (0..self.nodes().len()).flat_map(|node| self.tensors(node));
        tensors.into_iter().try_fold(0_usize, |sum, tensor| {
            let len = tensor.shape.iter().try_fold(1_usize, |len, dim| len.checked_mul(*dim))?;
            sum.checked_add(len)
        })
    }

    /// The layers in the order of their computation. Activations and dropout without a name of their own belong to the layer
    /// before, if nothing else reads it.
    pub fn layers(&self) -> Vec<Layer> {
        let (stages, readers) = (stages(self), Readers::new(self));
        let mut layers: Vec<Layer> = Vec::new();
        for (index, node) in self.nodes().iter().enumerate().skip(self.inputs()) {
            let (name, before) = (node.op.name(), index - 1);
            let follows = node.inputs == [before] && before >= self.inputs() && readers.count(before) == 1;
            let is_part = follows && node.op.is_activation() && node.name == node.op.name_at(index);
            match layers.last_mut() {
                Some(layer) if is_part && layer.op.matches('+').count() < MOST_PARTS => {
                    layer.op += &format!(" + {name}");
                }
                _ => {
                    let tensors = self.tensors(index);
                    let trained = tensors.iter().filter(|tensor| tensor.trained);
                    layers.push(Layer {
                        name: node.name.clone(),
                        op: name.to_owned(),
                        shape: node.shape.dims(),
                        parameters: trained.map(|tensor| tensor.shape.iter().product::<usize>()).sum(),
                        multiply_adds: self.multiply_adds(index, &stages).iter().sum(),
                    });
                }
            }
        }
        layers
    }

    /// Multiply-adds of one sample forward, those with each input of the node.
    fn multiply_adds(&self, node: NodeId, stages: &HashMap<NodeId, Dims>) -> Vec<usize> {
        match stages.get(&node) {
            // Pooling leaves out pixels whose convolution is never computed.
            Some(dims) => vec![dims.multiply_adds()],
            None => self.nodes()[node].op.spec().multiply_adds(&self.signature(node)),
        }
    }

    /// Floating-point operations of one sample, `(forward, whole training step)`, 2 a multiply-add. Backward costs as much again
    /// for the weights, and for each input whose gradient is needed.
    pub fn flops(&self) -> (usize, usize) {
        let mut trained = vec![false; self.nodes().len()];
        let (mut forward, mut step) = (0, 0);
        let stages = stages(self);
        for (index, node) in self.nodes().iter().enumerate() {
            let own = self.is_trained(index);
            trained[index] = own || node.inputs.iter().any(|input| trained[*input]);
            for (count, input) in self.multiply_adds(index, &stages).into_iter().zip(&node.inputs) {
                forward += count;
                step += count * (1 + usize::from(own) + usize::from(trained[*input]));
            }
        }
        (2 * forward, 2 * step)
    }

    /// Values of the buffers that training in batches of `batch` samples makes on the processor.
    ///
    /// # Errors
    /// As [`Block::of_graph`](super::Block::of_graph).
    pub(crate) fn activations(&self, layout: &Layout, batch: usize) -> Result<usize> {
        let target = Target { training: true, launched: false, fused: true };
        let times = if self.form().timed { batch } else { 0 };
        Ok(Program::new(self, layout, target)?.values(batch) + times)
    }

    /// Whether nothing but convolutions reads the sample.
    pub(crate) fn convolves(&self) -> bool {
        let readers = Readers::new(self);
        let convolves = |node: &NodeId| matches!(self.nodes()[*node].op, Op::Conv(_));
        readers.count(Self::X) > 0 && readers.of(resolve(self, Self::X)).iter().all(convolves)
    }
}
