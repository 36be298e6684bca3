//! Fully connected layer on any number of inputs, which count as concatenated.

use super::{Fit, Misfit, Signature, Spec, Tensor, check_width};
use crate::net::layout::Init;
use crate::net::shape::Shape;
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// See [`linear`](crate::ops::linear). An image counts as a vector; of tokens each is projected by the same weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// Width of the output, or `"classes"`.
    pub units: Size,
    /// How the weight begins; users' nets cannot say it.
    #[serde(skip)]
    pub start: Start,
}

/// How the weight of a fully connected layer begins.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Start {
    /// At random, as the bias does.
    #[default]
    Random,
    /// The first outputs are the inputs, and the bias is 0.
    Identity,
    /// With these values, and a bias of 0.
    Values(Arc<[f32]>),
}

/// A number of units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// So many.
    Of(usize),
    /// The number of classes.
    Classes,
}

impl Size {
    fn of(self, classes: usize) -> usize {
        match self {
            Self::Of(units) => units,
            Self::Classes => classes,
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Of(units) => to.serialize_u64(*units as u64),
            Self::Classes => to.serialize_str("classes"),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number of at least 1 or \"classes\"")
            }
            fn visit_u64<E: de::Error>(self, units: u64) -> std::result::Result<Size, E> {
                Ok(Size::Of(usize::try_from(units).unwrap_or(usize::MAX)))
            }
            fn visit_str<E: de::Error>(self, name: &str) -> std::result::Result<Size, E> {
                if name == "classes" { Ok(Size::Classes) } else { Err(E::invalid_value(Unexpected::Str(name), &self)) }
            }
        }
        from.deserialize_any(Written)
    }
}

/// What of an input a row of the weight meets: all of a vector or an image, one token.
pub(crate) fn inputs_of(input: Shape) -> usize {
    match input {
        Shape::Tokens { width, .. } => width,
        other => other.len(),
    }
}

impl Spec for Linear {
    fn output(&self, inputs: &[Shape], classes: usize) -> Fit {
        let units = self.units.of(classes);
        check_width(units, "units")?;
        let tokens = |shape: &Shape| match shape {
            Shape::Tokens { count, .. } => Some(*count),
            _ => None,
        };
        let Some(first) = inputs.first() else { return Err(Misfit::new("an input", "none").field("from")) };
        if let Some(other) = inputs.iter().find(|input| tokens(input) != tokens(first)) {
            let expected = match tokens(first) {
                Some(count) => format!("{count} tokens from every input, as the first has"),
                None => "vectors or images, as the first input is".to_owned(),
            };
            return Err(Misfit::new(expected, other.to_string()).field("from"));
        }
        Ok(tokens(first).map_or(Shape::Vector(units), |count| Shape::Tokens { count, width: units }))
    }
    fn tensors(&self, s: &Signature) -> Vec<Tensor> {
        let fan_in = s.inputs.iter().map(|input| inputs_of(*input)).sum();
        let units = s.output.width();
        let [weight, bias] = match &self.start {
            Start::Random => [Init::FanIn(fan_in), Init::FanIn(fan_in)],
            Start::Identity => [Init::Identity(fan_in), Init::Constant(0.0)],
            Start::Values(values) => [Init::Values(values.clone()), Init::Constant(0.0)],
        };
        let tensor = |name, shape, init| Tensor { name, trained: true, shape, init };
        vec![tensor("weight", vec![fan_in, units], weight), tensor("bias", vec![units], bias)]
    }
    fn multiply_adds(&self, s: &Signature) -> Vec<usize> {
        s.inputs.iter().map(|input| inputs_of(*input) * s.output.len()).collect()
    }
}
