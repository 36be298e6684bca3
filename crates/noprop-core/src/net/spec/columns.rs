//! Vectors behind one another, tokens behind one another, and one token out of all.

use super::{Fit, Misfit, Signature, Spec, one};
use crate::net::shape::Shape;
use crate::onnx::{Attribute, Layer, Value};
use serde::{Deserialize, Serialize};

/// Vectors, tokens of one number, or images of one size, joined along their last dimension. See
/// [`copy_columns`](crate::ops::copy_columns).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concatenate {}

/// Tokens and vectors of one width as one sequence; a vector is one token.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinTokens {}

/// The first token.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstToken {}

/// Values behind one another.
fn joined(layer: &mut Layer<'_>, inputs: &[String], axis: i64) -> Value {
    let inputs: Vec<_> = inputs.iter().map(String::as_str).collect();
    let y = layer.op("Concat", &inputs, &[("axis", Attribute::Int(axis))]);
    Value::of(y, true)
}

impl Spec for Concatenate {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        let [first, ..] = inputs else { return Err(Misfit::new("an input", "none").field("from")) };
        if let Some(other) = inputs.iter().find(|other| other.with_width(1) != first.with_width(1)) {
            let expected = format!("inputs like the first, {first}, which differ in the last dimension alone");
            return Err(Misfit::new(expected, other.to_string()).field("from"));
        }
        Ok(first.with_width(inputs.iter().map(Shape::width).sum()))
    }
    fn onnx(&self, s: &Signature, layer: &mut Layer<'_>) -> Value {
        let inputs: Vec<_> = s.inputs.iter().enumerate().map(|(at, input)| layer.each(at, &input.dims())).collect();
        joined(layer, &inputs, -1)
    }
}

impl Spec for JoinTokens {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        let Some(width) = inputs.first().map(Shape::width) else {
            return Err(Misfit::new("an input", "none").field("from"));
        };
        let mut count = 0;
        for input in inputs {
            match input {
                Shape::Image { .. } => {
                    return Err(Misfit::new("tokens or vectors", input.to_string()).field("from").hint("use patches"));
                }
                _ if input.width() != width => {
                    return Err(Misfit::new(format!("tokens of {width} values"), input.to_string()).field("from"));
                }
                _ => count += input.rows(),
            }
        }
        Ok(Shape::Tokens { count, width })
    }
    fn onnx(&self, s: &Signature, layer: &mut Layer<'_>) -> Value {
        let as_tokens = |(at, input): (usize, &Shape)| {
            let name = layer.each(at, &input.dims());
            match input {
                Shape::Vector(width) => layer.reshape(&name, &[1, *width]),
                _ => name,
            }
        };
        let inputs: Vec<_> = s.inputs.iter().enumerate().map(as_tokens).collect();
        joined(layer, &inputs, 1)
    }
}

impl Spec for FirstToken {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        match one(inputs)? {
            Shape::Tokens { width, .. } => Ok(Shape::Vector(width)),
            other => Err(Misfit::new("tokens", other.to_string()).field("from")),
        }
    }
    fn onnx(&self, _: &Signature, layer: &mut Layer<'_>) -> Value {
        let (x, first) = (layer.last(0), layer.to.int(0));
        let y = layer.op("Gather", &[&x, &first], &[("axis", Attribute::Int(1))]);
        layer.value(y, false)
    }
}
