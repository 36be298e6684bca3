//! Values of an ONNX graph, and what most operations do with them.

use super::builder::Builder;
use super::proto::Attribute;

/// A value: `[samples, …]`, or `[1, …]` which all samples share. Its last dimension is that of a [`Shape`](crate::net::shape::Shape).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value {
    pub name: String,
    /// Whether it is an image `[samples, channels, height, width]`, as ONNX's convolutions take it.
    pub channels_first: bool,
    /// Whether every sample has its own.
    pub each: bool,
    /// The one number that it is, where that is known: a time.
    pub known: Option<f32>,
}

impl Value {
    /// A value whose channels come last.
    pub fn of(name: String, each: bool) -> Self {
        Self { name, channels_first: false, each, known: None }
    }
}

/// What an operation has when it is put into ONNX: its inputs, its tensors, and the graph that it goes to.
pub(crate) struct Layer<'a> {
    pub to: &'a mut Builder,
    pub inputs: Vec<Value>,
    /// A tensor by its name in the layer: its name in the model file, and its values.
    pub tensors: &'a dyn Fn(&str) -> (String, &'a [f32]),
    /// Number of samples, `[1]`.
    pub samples: &'a str,
}

impl Layer<'_> {
    /// The only output of an operation.
    pub fn op(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute<'_>)]) -> String {
        self.to.op(op, inputs, attributes)
    }

    /// An input with its channels last.
    pub fn last(&mut self, input: usize) -> String {
        let value = &self.inputs[input];
        if value.channels_first {
            self.to.op("Transpose", &[&value.name], &[("perm", Attribute::Ints(&[0, 2, 3, 1]))])
        } else {
            value.name.clone()
        }
    }

    /// An input, an image, with its channels before its rows.
    pub fn first(&mut self, input: usize) -> String {
        let value = &self.inputs[input];
        if value.channels_first {
            value.name.clone()
        } else {
            self.to.op("Transpose", &[&value.name], &[("perm", Attribute::Ints(&[0, 3, 1, 2]))])
        }
    }

    /// An input that has the shape `[samples, …]` even where all share it; its channels come last.
    pub fn each(&mut self, input: usize, dims: &[usize]) -> String {
        let name = self.last(input);
        if self.inputs[input].each { name } else { self.expand(&name, dims) }
    }

    /// `[1, dims]` as `[samples, dims]`.
    pub fn expand(&mut self, name: &str, dims: &[usize]) -> String {
        let dims: Vec<_> = dims.iter().map(|dim| *dim as i64).collect();
        let dims = self.to.ints(&dims);
        let shape = self.op("Concat", &[self.samples, &dims], &[("axis", Attribute::Int(0))]);
        self.op("Expand", &[name, &shape], &[])
    }

    /// `[samples, …]` as `[samples, dims]`.
    pub fn reshape(&mut self, name: &str, dims: &[usize]) -> String {
        let dims: Vec<_> = std::iter::once(-1).chain(dims.iter().map(|dim| *dim as i64)).collect();
        let dims = self.to.ints(&dims);
        self.op("Reshape", &[name, &dims], &[])
    }

    /// A whole tensor of the layer, of this shape.
    pub fn weight(&mut self, tensor: &str, dims: &[usize]) -> String {
        let (name, values) = (self.tensors)(tensor);
        self.to.weight(&name, dims, || values.to_vec())
    }

    /// The output of the operation, its channels where those of its inputs are (`like`), or last.
    pub fn value(&self, name: String, channels_first: bool) -> Value {
        Value { name, channels_first, each: self.inputs.iter().any(|input| input.each), known: None }
    }

    /// An operation on the only input value by value.
    pub fn map(&mut self, op: &str) -> Value {
        let Value { name, channels_first, .. } = self.inputs[0].clone();
        let name = self.op(op, &[&name], &[]);
        self.value(name, channels_first)
    }

    /// An operation of two inputs at a time value by value, from the first to the last.
    pub fn fold(&mut self, op: &str) -> Value {
        let first = self.inputs[0].channels_first;
        let mut name = self.inputs[0].name.clone();
        for input in 1..self.inputs.len() {
            let other = if first { self.first(input) } else { self.last(input) };
            name = self.op(op, &[&name, &other], &[]);
        }
        self.value(name, first)
    }
}
