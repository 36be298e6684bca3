//! An ONNX graph in the making. Equal operations on equal inputs become one node, so what several steps of a chain have in common,
//! such as the features of a sample, is computed once.

use super::proto::{self, Attribute, Port, Type};
use super::wire::Message;
use crate::error::{Code, Error, Result};
use crate::storage::container::put;
use std::collections::{HashMap, HashSet};
use std::io::Write;

/// Most bytes of a file: a limit of Protocol Buffers.
pub(crate) const MOST_BYTES: usize = (1 << 31) - 1;

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Builder {
    nodes: Vec<Message>,
    /// Weights, constants and defaults, with their names.
    initializers: Vec<(String, Message)>,
    /// What nodes and defaults are read from.
    used: HashSet<String>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    /// The first output of each operation that there is.
    made: HashMap<Vec<u8>, Vec<String>>,
    /// Constants by their content.
    constants: HashMap<(Type, Vec<usize>, Vec<u8>), String>,
    names: HashSet<String>,
    /// How often each name was asked for.
    asked: HashMap<String, usize>,
    /// Put before the names of what is made.
    pub scope: String,
    uses_ml: bool,
}

impl Builder {
    /// A name that nothing else has, `wanted` if it is free.
    pub fn unique(&mut self, wanted: &str) -> String {
        let number = self.asked.entry(wanted.to_owned()).or_insert(0);
        loop {
            *number += 1;
            let name = if *number == 1 { wanted.to_owned() } else { format!("{wanted}_{number}") };
            if self.names.insert(name.clone()) {
                return name;
            }
        }
    }

    /// An input, whose name must be unique. A caller who gives none gets `default`, little-endian floats.
    pub fn input(&mut self, port: Port, default: Option<(&[usize], &[f32])>) {
        if let Some((dims, values)) = default {
            self.initializers.push((port.name.clone(), proto::tensor(&port.name, port.kind, dims, &floats(values))));
            self.used.insert(port.name.clone());
        }
        self.inputs.push(port);
    }

    /// Makes a value an output of the whole.
    pub fn output(&mut self, port: Port, value: &str) {
        let operation = proto::operation("Identity", &[value], &[], "");
        self.used.insert(value.to_owned());
        self.nodes.push(proto::node(&operation, std::slice::from_ref(&port.name)));
        self.outputs.push(port);
    }

    /// The only output of an operation.
    pub fn op(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute<'_>)]) -> String {
        self.of_domain("", op, inputs, attributes, 1).swap_remove(0)
    }

    /// `outputs` outputs of an operation.
    pub fn ops(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute<'_>)],
        outputs: usize,
    ) -> Vec<String> {
        self.of_domain("", op, inputs, attributes, outputs)
    }

    /// The only output of an operation of [`ML`](proto::ML).
    pub fn ml(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute<'_>)]) -> String {
        self.uses_ml = true;
        self.of_domain(proto::ML, op, inputs, attributes, 1).swap_remove(0)
    }

    fn of_domain(
        &mut self,
        domain: &str,
        op: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute<'_>)],
        outputs: usize,
    ) -> Vec<String> {
        let operation = proto::operation(op, inputs, attributes, domain);
        if let Some(made) = self.made.get(operation.as_bytes()) {
            return made.clone();
        }
        self.used.extend(inputs.iter().map(|name| (*name).to_owned()));
        let name = format!("{}/{op}", self.scope);
        let outputs: Vec<_> = (0..outputs).map(|_| self.unique(&name)).collect();
        self.nodes.push(proto::node(&operation, &outputs));
        self.made.insert(operation.as_bytes().to_vec(), outputs.clone());
        outputs
    }

    /// A tensor of floats that has a name of its own in the model file, or is a part of one.
    pub fn weight(&mut self, name: &str, dims: &[usize], values: impl FnOnce() -> Vec<f32>) -> String {
        if self.names.insert(name.to_owned()) {
            self.initializers.push((name.to_owned(), proto::tensor(name, Type::Float, dims, &floats(&values()))));
        }
        name.to_owned()
    }

    /// A constant of floats.
    pub fn floats(&mut self, dims: &[usize], values: &[f32]) -> String {
        self.constant(Type::Float, dims, floats(values))
    }

    /// A constant of doubles.
    pub fn doubles(&mut self, dims: &[usize], values: &[f64]) -> String {
        self.constant(Type::Double, dims, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// A constant of whole numbers `[len]`.
    pub fn ints(&mut self, values: &[i64]) -> String {
        self.constant(Type::Int64, &[values.len()], ints(values))
    }

    /// A whole number.
    pub fn int(&mut self, value: i64) -> String {
        self.constant(Type::Int64, &[], ints(&[value]))
    }

    /// A number.
    pub fn float(&mut self, value: f32) -> String {
        self.floats(&[], &[value])
    }

    fn constant(&mut self, kind: Type, dims: &[usize], raw: Vec<u8>) -> String {
        let key = (kind, dims.to_vec(), raw);
        if let Some(name) = self.constants.get(&key) {
            return name.clone();
        }
        let name = self.unique(&format!("constant{}", self.constants.len() + 1));
        self.initializers.push((name.clone(), proto::tensor(&name, kind, dims, &key.2)));
        self.constants.insert(key, name.clone());
        name
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The inputs and outputs.
    pub fn ports(&self) -> [&[Port]; 2] {
        [&self.inputs, &self.outputs]
    }

    /// Writes the file; returns its bytes.
    ///
    /// # Errors
    /// [`Code::Option`] for one that would be too large, [`Code::Output`].
    pub fn write(&self, to: &mut impl Write, version: &str, about: &str, metadata: &[(&str, String)]) -> Result<usize> {
        let [inputs, outputs] = self.ports().map(|ports| ports.iter().map(Port::message).collect::<Vec<_>>());
        // Readers complain of constants that nothing reads, such as the times of steps that need none.
        let read = || self.initializers.iter().filter(|(name, _)| self.used.contains(name)).map(|(_, tensor)| tensor);
        let name = Message::default().text(2, "noprop");
        let fields = || {
            let (nodes, tensors) = (self.nodes.iter().map(|node| (1, node)), read().map(|tensor| (5, tensor)));
            nodes
                .chain(tensors)
                .chain(inputs.iter().map(|port| (11, port)))
                .chain(outputs.iter().map(|port| (12, port)))
        };
        let head = |(field, message): (u32, &Message)| Message::default().beginning(field, message.as_bytes().len());
        let sizes = fields().map(|part| head(part).as_bytes().len() + part.1.as_bytes().len());
        let graph = name.as_bytes().len() + sizes.sum::<usize>();
        let beginning = proto::beginning(version, about, self.uses_ml, metadata, graph);
        let bytes = beginning.as_bytes().len() + graph;
        if bytes > MOST_BYTES {
            return Err(too_large(bytes));
        }
        put(to, beginning.as_bytes())?;
        put(to, name.as_bytes())?;
        for part in fields() {
            put(to, head(part).as_bytes())?;
            put(to, part.1.as_bytes())?;
        }
        Ok(bytes)
    }
}

/// The error for a file beyond what the format can hold.
pub(crate) fn too_large(bytes: usize) -> Error {
    Error::new(Code::Option, "the model is too large for an ONNX file")
        .expected(format!("at most {MOST_BYTES} bytes"))
        .received(format!("{bytes} bytes"))
        .hint("take the first blocks alone (stopAfter), or a smaller net")
}

fn floats(values: &[f32]) -> Vec<u8> {
    crate::storage::container::to_bytes(values)
}

fn ints(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
