//! ONNX files: their wire format, and a graph in the making. What an operation of a net is in ONNX stands in its file of `net/spec/`;
//! how a whole model becomes a file, in `model/onnx/`.
//!
//! The wire format is written by hand: what ONNX needs of it are a hundred lines, where `prost` brings a compiler at build time
//! and types for all of ONNX, of which a writer needs seven messages.

mod builder;
mod proto;
mod value;
mod wire;

pub(crate) use builder::{Builder, MOST_BYTES, too_large};
pub(crate) use proto::{Attribute, Dim, OPSET, Port, Type};
pub(crate) use value::{Layer, Value};
