//! What an operation is, a file each: the shape of its output, its tensors and how they begin, its multiply-adds.
//! The calls of kernels that compute it are in the file of the same name in `program/calls/`.

mod activation;
mod add;
mod batch_norm;
mod columns;
mod conv;
mod dropout;
mod embed;
mod flatten;
mod forward_forward;
mod input;
mod layer_norm;
mod linear;
mod mix;
mod multiply;
mod pool;
mod relu;
mod softmax;
mod tokens;

pub use activation::{Gelu, Silu};
pub use add::Add;
pub use batch_norm::BatchNorm;
pub use columns::{Concatenate, FirstToken, JoinTokens};
pub use conv::{Conv, ConvInit, Padding};
pub use dropout::Dropout;
pub use embed::Embed;
pub use flatten::Flatten;
pub use forward_forward::{Goodness, Neutral, Streams};
pub(crate) use input::Input;
pub use layer_norm::{AdaptiveLayerNorm, LayerNorm};
pub(crate) use linear::inputs_of;
pub use linear::{Linear, Role, Size};
pub use mix::Mix;
pub use multiply::Multiply;
pub use pool::{GlobalPool, MaxPool, MeanPool};
pub use relu::Relu;
pub use softmax::Softmax;
pub use tokens::{Attention, Patches, Positions, TimeFeatures};

use super::layout::Init;
use super::shape::Shape;
use crate::error::{Code, Error};
use crate::onnx::{Layer, Value};

/// The shapes of a node's inputs and of its output.
pub(crate) struct Signature {
    pub inputs: Vec<Shape>,
    pub output: Shape,
}

/// A tensor of a layer.
pub(crate) struct Tensor {
    pub name: &'static str,
    /// Whether an optimiser moves it; else training keeps it up to date.
    pub trained: bool,
    pub shape: Vec<usize>,
    pub init: Init,
}

/// One operation.
pub(crate) trait Spec {
    /// Shape of the output for inputs of these shapes.
    fn output(&self, inputs: &[Shape], classes: usize) -> Fit;

    /// The layer's tensors.
    fn tensors(&self, _: &Signature) -> Vec<Tensor> {
        Vec::new()
    }

    /// Multiply-adds of one sample forward, those with each input. The gradients of an input and of the weights that it meets cost
    /// as many each.
    fn multiply_adds(&self, _: &Signature) -> Vec<usize> {
        Vec::new()
    }

    /// Puts it into an ONNX graph, as it is at inference.
    fn onnx(&self, s: &Signature, layer: &mut Layer<'_>) -> Value;
}

/// A shape, or what does not fit.
pub(crate) type Fit = std::result::Result<Shape, Misfit>;

/// Why an operation cannot stand where it does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Misfit {
    field: Option<&'static str>,
    expected: String,
    received: String,
    hint: &'static str,
}

impl Misfit {
    pub fn new(expected: impl Into<String>, received: impl Into<String>) -> Self {
        Self { field: None, expected: expected.into(), received: received.into(), hint: "" }
    }

    /// The option of the operation that is to blame.
    pub fn field(self, field: &'static str) -> Self {
        Self { field: Some(field), ..self }
    }

    pub fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    /// As the error of the node of this name, or of the place in JSON.
    pub fn of_node(&self, node: &str) -> Error {
        let what = match self.field {
            Some(field) => format!("option {node}.{field} does not fit"),
            None => format!("{node} does not fit where it stands"),
        };
        let error = Error::new(if self.field.is_some() { Code::Option } else { Code::Shape }, what);
        error.expected(self.expected.clone()).received(self.received.clone()).hint(self.hint)
    }
}

/// The only input.
fn one(inputs: &[Shape]) -> std::result::Result<Shape, Misfit> {
    match inputs {
        [input] => Ok(*input),
        _ => Err(Misfit::new("one input", format!("{} inputs", inputs.len())).field("from")),
    }
}

/// The only input, which is an image.
fn one_image(inputs: &[Shape]) -> std::result::Result<[usize; 3], Misfit> {
    match one(inputs)? {
        Shape::Image { height, width, channels } => Ok([height, width, channels]),
        other => Err(Misfit::new("an image [height, width, channels]", other.to_string()).field("from")),
    }
}

/// Inputs of one shape, at least two.
fn same(inputs: &[Shape]) -> Fit {
    let [first, rest @ ..] = inputs else { return Err(Misfit::new("two inputs", "none").field("from")) };
    if rest.is_empty() {
        return Err(Misfit::new("at least two inputs", "one").field("from"));
    }
    match rest.iter().find(|shape| *shape != first) {
        None => Ok(*first),
        Some(other) => Err(Misfit::new(format!("inputs of one shape: {first}"), other.to_string()).field("from")),
    }
}

/// Whether a width is one that layers may have.
fn check_width(width: usize, field: &'static str) -> std::result::Result<(), Misfit> {
    let most = super::shape::MAX_WIDTH;
    if (1..=most).contains(&width) {
        return Ok(());
    }
    Err(Misfit::new(format!("1 to {most}"), width.to_string()).field(field))
}
