//! Vectors behind one another, tokens behind one another, and one token out of all.

use super::{Fit, Misfit, Spec, one};
use crate::net::shape::Shape;
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

impl Spec for Concatenate {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        let [first, ..] = inputs else { return Err(Misfit::new("an input", "none").field("from")) };
        if let Some(other) = inputs.iter().find(|other| other.with_width(1) != first.with_width(1)) {
            let expected = format!("inputs like the first, {first}, which differ in the last dimension alone");
            return Err(Misfit::new(expected, other.to_string()).field("from"));
        }
        Ok(first.with_width(inputs.iter().map(Shape::width).sum()))
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
}

impl Spec for FirstToken {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        match one(inputs)? {
            Shape::Tokens { width, .. } => Ok(Shape::Vector(width)),
            other => Err(Misfit::new("tokens", other.to_string()).field("from")),
        }
    }
}
