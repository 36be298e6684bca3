//! What follows from a graph without computing: the layout of its tensors, its multiply-adds.

use super::graph::{Graph, NodeId};
use super::layout::{Layout, LayoutBuilder};
use super::op::Op;
use super::program::{Readers, resolve, stages};
use super::spec::Tensor;

impl Graph {
    /// The tensors of one block.
    pub fn layout(&self) -> Layout {
        let mut builder = LayoutBuilder::default();
        for (index, node) in self.nodes().iter().enumerate() {
            for Tensor { name, trained, shape, init } in node.op.spec().tensors(&self.signature(index)) {
                if trained {
                    builder.parameter(&node.name, name, &shape, init);
                } else {
                    builder.statistic(&node.name, name, &shape, init);
                }
            }
        }
        builder.build()
    }

    /// Number of values of one block, if it can be counted.
    pub(crate) fn weights(&self) -> Option<usize> {
        let tensors = (0..self.nodes().len())
            .flat_map(|node| self.nodes()[node].op.spec().tensors(&self.signature(node)));
        tensors.into_iter().try_fold(0_usize, |sum, tensor| {
            let len = tensor.shape.iter().try_fold(1_usize, |len, dim| len.checked_mul(*dim))?;
            sum.checked_add(len)
        })
    }

    /// Multiply-adds of one sample forward, those with each input of the node.
    fn multiply_adds(&self, node: NodeId) -> Vec<usize> {
        self.nodes()[node].op.spec().multiply_adds(&self.signature(node))
    }

    /// Floating-point operations of one sample, `(forward, whole training step)`, 2 a multiply-add. Backward costs as much again
    /// for the weights, and for each input whose gradient is needed.
    pub fn flops(&self) -> (usize, usize) {
        let mut trained = vec![false; self.nodes().len()];
        let (mut forward, mut step) = (0, 0);
        let stages = stages(self);
        for (index, node) in self.nodes().iter().enumerate() {
            let own = node.op.spec().tensors(&self.signature(index)).iter().any(|tensor| tensor.trained);
            trained[index] = own || node.inputs.iter().any(|input| trained[*input]);
            let mut counts = self.multiply_adds(index);
            // Pooling leaves out pixels whose convolution is never computed.
            if let Some(dims) = stages.get(&index) {
                counts = vec![dims.multiply_adds()];
            }
            for (count, input) in counts.into_iter().zip(&node.inputs) {
                forward += count;
                step += count * (1 + usize::from(own) + usize::from(trained[*input]));
            }
        }
        (2 * forward, 2 * step)
    }

    /// Whether nothing but convolutions reads x.
    pub(crate) fn convolves_x(&self) -> bool {
        let readers = Readers::new(self);
        let convolves = |node: &NodeId| matches!(self.nodes()[*node].op, Op::Conv(_));
        readers.count(Self::X) > 0 && readers.of(resolve(self, Self::X)).iter().all(convolves)
    }
}
