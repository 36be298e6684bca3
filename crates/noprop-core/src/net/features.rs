//! A net cut at the input of its last fully connected layer: what it has made of a sample is then a vector of features.

use super::graph::{Graph, Node};
use super::op::Op;
use super::shape::Shape;
use super::spec::{Concatenate, Flatten};
use crate::error::{Code, Error, Result};

impl Graph {
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
