//! A net as nodes of ONNX, each operation by its own [`Spec::onnx`](super::spec::Spec::onnx).

use super::graph::Graph;
use super::layout::Layout;
use super::shape::Shape;
use crate::onnx::{Builder, Layer, Value};

/// The weights of a job, and what they are called in the model file.
pub(crate) struct Weights<'a> {
    pub layout: &'a Layout,
    /// `[parameters + statistics]`.
    pub values: &'a [f32],
    /// What stands before the names of the tensors: `blocks.0001`.
    pub prefix: String,
}

impl Weights<'_> {
    /// The tensor of a layer, and its name in the model file.
    fn tensor(&self, layer: &str, tensor: &str) -> (String, &[f32]) {
        let is_it = |name: &str| {
            let rest = name.strip_prefix("params.").or_else(|| name.strip_prefix("stats."));
            rest.and_then(|rest| rest.strip_prefix(layer)?.strip_prefix('.')) == Some(tensor)
        };
        let entry = self.layout.entries().iter().find(|entry| is_it(&entry.name));
        let entry = entry.unwrap_or_else(|| panic!("the layout has a tensor {layer}.{tensor}"));
        (format!("{}.{}", self.prefix, entry.name), entry.slot.of(self.values))
    }
}

impl Graph {
    /// Adds the net to `to`; `inputs` are x, z and, in a net that has one, the time. Returns the estimate.
    pub(crate) fn onnx(&self, to: &mut Builder, weights: &Weights<'_>, inputs: &[Value], samples: &str) -> Value {
        let mut values = inputs[..self.inputs()].to_vec();
        let z = self.nodes()[Self::Z].shape;
        if let Shape::Image { .. } = z {
            values[Self::Z].name = reshaped(to, &values[Self::Z].name, &z.dims());
        }
        for (index, node) in self.nodes().iter().enumerate().skip(self.inputs()) {
            let layer = &self.nodes()[self.owner(index)].name;
            to.scope = format!("{}/{}", weights.prefix, node.name);
            let tensors = |tensor: &str| weights.tensor(layer, tensor);
            let inputs = node.inputs.iter().map(|input| values[*input].clone()).collect();
            let mut layer = Layer { to: &mut *to, inputs, tensors: &tensors, samples };
            values.push(node.op.spec().onnx(&self.signature(index), &mut layer));
        }
        let (estimate, shape) =
            (values.swap_remove(self.nodes().len() - 1), self.nodes()[self.nodes().len() - 1].shape);
        match shape {
            // As the state is.
            Shape::Image { .. } => Value { name: reshaped(to, &estimate.name, &[shape.len()]), ..estimate },
            _ => estimate,
        }
    }
}

/// `[samples, …]` as `[samples, dims]`.
fn reshaped(to: &mut Builder, name: &str, dims: &[usize]) -> String {
    let dims: Vec<_> = std::iter::once(-1).chain(dims.iter().map(|dim| *dim as i64)).collect();
    let dims = to.ints(&dims);
    to.op("Reshape", &[name, &dims], &[])
}
