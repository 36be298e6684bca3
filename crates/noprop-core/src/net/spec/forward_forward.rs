//! What Forward-Forward's net is made of (Hinton 2022). Users' nets cannot name these operations.

use super::{FirstToken, Fit, Misfit, Signature, Spec, Tensor};
use crate::net::layout::Init;
use crate::net::shape::Shape;
use crate::onnx::{Attribute, Layer, Value};
use crate::ops::forward_forward::ROOT_EPSILON;

/// A sample, the first input, with labels as three tokens of length √width: with the class where the second input is 1, with the one where it is
/// −1, and with every class a little. Outside of training the last alone. A label takes the place of an image's first
/// values, and stands before those of a vector, of which each may count. The tokens of a batch lie one stream after the other,
/// `[3, samples, width]`, so that a part of the streams is a part of the rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Streams {
    /// Whether all three are made.
    pub training: bool,
}

impl Streams {
    /// How many there are in training.
    pub(crate) const IN_TRAINING: usize = 3;
}

/// The last stream of a batch, that whose label says nothing, as a vector of each sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Neutral {}

/// ReLU, then each token scaled to length √width. No gradient goes through it: in training it has a loss of its own, which it begins the
/// gradient of its input with.
///
/// ```text
/// loss = mean over the first and second tokens of −ln σ(±(Σ h² − width))  +  peer · mean (m̄ − m)²
/// ```
///
/// h are the values after the ReLU, and m their running means over the first tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Goodness {
    /// Weight of the peer normalisation.
    pub peer: f64,
}

/// Where the running means begin.
const START: f32 = 0.5;

/// Each row over the root of its mean square.
fn scaled(layer: &mut Layer<'_>, rows: &str) -> String {
    let squares = layer.op("Mul", &[rows, rows], &[]);
    let mean =
        layer.op("ReduceMean", &[&squares], &[("axes", Attribute::Ints(&[-1])), ("keepdims", Attribute::Int(1))]);
    let root = layer.op("Sqrt", &[&mean], &[]);
    let epsilon = layer.to.float(ROOT_EPSILON as f32);
    let root = layer.op("Add", &[&root, &epsilon], &[]);
    layer.op("Div", &[rows, &root], &[])
}

impl Spec for Streams {
    fn output(&self, inputs: &[Shape], classes: usize) -> Fit {
        let [x, Shape::Vector(_)] = inputs else {
            return Err(Misfit::new("a sample and a vector", format!("{} inputs", inputs.len())).field("from"));
        };
        let width = match x {
            Shape::Vector(len) => len + classes,
            _ if x.len() >= classes => x.len(),
            _ => {
                let expected = format!("images of at least {classes} values, in place of whose first the label stands");
                return Err(
                    Misfit::new(expected, x.to_string()).hint("use larger images, or hand them over as vectors")
                );
            }
        };
        Ok(Shape::Tokens { count: if self.training { Self::IN_TRAINING } else { 1 }, width })
    }
    fn onnx(&self, s: &Signature, layer: &mut Layer<'_>) -> Value {
        let (classes, width) = (s.inputs[1].len(), s.output.width());
        let mut x = layer.each(0, &s.inputs[0].dims());
        if let Shape::Image { .. } = s.inputs[0] {
            let flat = layer.reshape(&x, &[width]);
            let bounds = [classes, width].map(|place| layer.to.ints(&[place as i64]));
            let axis = layer.to.ints(&[1]);
            x = layer.op("Slice", &[&flat, &bounds[0], &bounds[1], &axis], &[]);
        }
        let label = layer.to.floats(&[1, classes], &vec![1.0 / classes as f32; classes]);
        let label = layer.expand(&label, &[classes]);
        let row = layer.op("Concat", &[&label, &x], &[("axis", Attribute::Int(1))]);
        let row = scaled(layer, &row);
        let y = layer.reshape(&row, &[1, width]);
        Value::of(y, true)
    }
}

impl Spec for Neutral {
    fn output(&self, inputs: &[Shape], classes: usize) -> Fit {
        FirstToken {}.output(inputs, classes)
    }
    fn onnx(&self, s: &Signature, layer: &mut Layer<'_>) -> Value {
        FirstToken {}.onnx(s, layer)
    }
}

impl Spec for Goodness {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        match inputs {
            [tokens @ Shape::Tokens { .. }] => Ok(*tokens),
            _ => Err(Misfit::new("tokens", format!("{} inputs", inputs.len())).field("from")),
        }
    }
    fn onnx(&self, _: &Signature, layer: &mut Layer<'_>) -> Value {
        let x = layer.last(0);
        let active = layer.op("Relu", &[&x], &[]);
        let y = scaled(layer, &active);
        layer.value(y, false)
    }
    fn tensors(&self, s: &Signature) -> Vec<Tensor> {
        vec![Tensor { name: "mean", trained: false, shape: vec![s.output.width()], init: Init::Constant(START) }]
    }
}
