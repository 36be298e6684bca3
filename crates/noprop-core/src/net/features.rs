//! A net without a label, and one cut at the input of its last fully connected layer: what it has made of a sample is then a vector of
//! features.

use super::graph::{Graph, Node};
use super::op::Op;
use super::shape::Shape;
use super::spec::{Concatenate, Flatten};
use crate::error::{Code, Error, Result};

impl Graph {
    /// The same net, whose layers that read several things leave out those that follow from z alone: they would be the same of every sample,
    /// as a bias is (and a batch norm on the way would divide by a deviation of 0). Whoever reads z in another way still does.
    pub(crate) fn without_label(self) -> Self {
        let (inputs, count) = (self.inputs(), self.nodes().len());
        let mut nodes = self.nodes().to_vec();
        let mut constant = vec![false; count];
        for index in 0..count {
            let read = &nodes[index].inputs;
            constant[index] = index == Self::Z || (index >= inputs && read.iter().all(|input| constant[*input]));
            if matches!(nodes[index].op, Op::Linear(_)) && !constant[index] {
                nodes[index].inputs.retain(|input| !constant[*input]);
            }
        }
        let mut read = vec![false; count];
        read[..inputs].fill(true);
        read[count - 1] = true;
        for index in (inputs..count).rev() {
            if read[index] {
                nodes[index].inputs.iter().for_each(|input| read[*input] = true);
            }
        }
        self.kept(nodes, &read)
    }

    /// The nodes up to what the last layer reads. Their tensors keep their names.
    ///
    /// # Errors
    /// [`Code::Option`] for a net that does not end with such a layer, or that has nothing before it.
    pub(crate) fn features(mut self) -> Result<Self> {
        while matches!(self.last().op, Op::Softmax(_)) {
            self.pop();
        }
        let Some(Node { name, op: Op::Linear(_), inputs, .. }) = self.pop() else {
            return Err(Error::new(
                Code::Option,
                "the net has no features to share: it does not end with a fully connected layer",
            )
            .expected("a net that ends with {\"op\": \"linear\", \"units\": \"classes\"}, and perhaps softmax")
            .received("another last node"));
        };
        if self.nodes().len() == self.inputs() {
            return Err(Error::new(
                Code::Option,
                "the net has no features to share: there is no layer before its last",
            )
            .expected("at least one layer before the last one")
            .received(format!("'{name}' alone")));
        }
        let mut vectors = Vec::with_capacity(inputs.len());
        for input in &inputs {
            vectors.push(match self.nodes()[*input].shape {
                Shape::Vector(_) => *input,
                _ => self.named("features", Op::Flatten(Flatten {}), vec![*input])?,
            });
        }
        if vectors.len() > 1 {
            self.named("features", Op::Concatenate(Concatenate {}), vectors)?;
        }
        // What is read last stands last, as every node leads to it.
        Ok(self)
    }

    fn last(&self) -> &Node {
        &self.nodes()[self.nodes().len() - 1]
    }

    /// Adds a node of a name that no other has.
    fn named(&mut self, name: &str, op: Op, inputs: Vec<usize>) -> Result<usize> {
        let mut free = name.to_owned();
        while self.find(&free).is_some() {
            free.push('_');
        }
        self.push(free, op, inputs).map_err(|misfit| misfit.of_node(name))
    }
}
