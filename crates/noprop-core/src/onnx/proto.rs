//! The messages of ONNX, by the numbers that its `onnx.proto` gives their fields.

use super::wire::Message;

/// Version of the operators. Of 17 since it has LayerNormalization, and every runtime since 2022 knows it.
pub(crate) const OPSET: i64 = 17;
/// The version of the file format that goes with it.
const IR_VERSION: i64 = 8;
/// Operators for raw columns, which need strings.
pub(crate) const ML: &str = "ai.onnx.ml";
const ML_OPSET: i64 = 3;

/// What a tensor's elements are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Type {
    Float = 1,
    Uint8 = 2,
    Int64 = 7,
    String = 8,
    Double = 11,
}

impl Type {
    /// As ONNX's documentation writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Uint8 => "uint8",
            Self::Int64 => "int64",
            Self::String => "string",
            Self::Double => "double",
        }
    }
}

/// A dimension of an input or output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dim {
    Of(usize),
    /// Any number, the same wherever it has this name.
    Named(&'static str),
}

/// An input or output of the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    pub name: String,
    pub kind: Type,
    pub shape: Vec<Dim>,
    pub about: &'static str,
}

impl Port {
    pub(super) fn message(&self) -> Message {
        let shape = self.shape.iter().fold(Message::default(), |shape, dim| {
            let dim = match dim {
                Dim::Of(size) => Message::default().int(1, *size as i64),
                Dim::Named(name) => Message::default().text(2, name),
            };
            shape.message(1, &dim)
        });
        let tensor = Message::default().int(1, self.kind as i64).message(2, &shape);
        let kind = Message::default().message(1, &tensor);
        Message::default().text(1, &self.name).message(2, &kind).text(3, self.about)
    }
}

/// A value that belongs to an operator's node.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Attribute<'a> {
    Int(i64),
    Float(f32),
    Ints(&'a [i64]),
    Texts(&'a [String]),
}

impl Attribute<'_> {
    fn message(self, name: &str) -> Message {
        let named = Message::default().text(1, name);
        // With the number of its kind, which readers of version 3 on ask for.
        match self {
            Self::Float(value) => named.float(2, value).int(20, 1),
            Self::Int(value) => named.int(3, value).int(20, 2),
            Self::Ints(values) => named.ints(8, values).int(20, 7),
            Self::Texts(values) => named.texts(9, values.iter().map(String::as_str)).int(20, 8),
        }
    }
}

/// What a node computes: everything but its outputs and its name, so that equal ones are known.
pub(super) fn operation(op: &str, inputs: &[&str], attributes: &[(&str, Attribute<'_>)], domain: &str) -> Message {
    let node = Message::default().texts(1, inputs.iter().copied()).text(4, op);
    let node = attributes.iter().fold(node, |node, (name, attribute)| node.message(5, &attribute.message(name)));
    if domain.is_empty() { node } else { node.text(7, domain) }
}

/// A node with the names of its outputs, of which the first is its own.
pub(super) fn node(operation: &Message, outputs: &[String]) -> Message {
    let named = operation.clone().texts(2, outputs.iter().map(String::as_str));
    named.text(3, outputs.first().map_or("", String::as_str))
}

/// A tensor of numbers, little-endian.
pub(super) fn tensor(name: &str, kind: Type, dims: &[usize], raw: &[u8]) -> Message {
    let dims: Vec<_> = dims.iter().map(|dim| *dim as i64).collect();
    Message::default().ints(1, &dims).int(2, kind as i64).text(8, name).bytes(9, raw)
}

/// The beginning of a file, up to the graph of `graph` bytes.
pub(super) fn beginning(
    version: &str,
    about: &str,
    uses_ml: bool,
    metadata: &[(&str, String)],
    graph: usize,
) -> Message {
    let opset = |domain: &str, version| Message::default().text(1, domain).int(2, version);
    let model = Message::default().int(1, IR_VERSION).text(2, "noprop").text(3, version).text(6, about);
    let model = model.message(8, &opset("", OPSET));
    let model = if uses_ml { model.message(8, &opset(ML, ML_OPSET)) } else { model };
    let model = metadata
        .iter()
        .fold(model, |model, (key, value)| model.message(14, &Message::default().text(1, key).text(2, value)));
    model.beginning(7, graph)
}
