//! Fully connected layer on any number of inputs, which count as concatenated.

use super::{Fit, Misfit, Signature, Spec, Tensor, check_width};
use crate::net::layout::Init;
use crate::net::shape::Shape;
use crate::onnx::{Layer, Value};
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// See [`linear`](crate::ops::linear). An image counts as a vector; of tokens each is projected by the same weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// Width of the output, or `"classes"`.
    pub units: Size,
    /// What it is for; users' nets have layers.
    #[serde(skip)]
    pub role: Role,
}

/// What a layer is for.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Role {
    /// A layer as any other.
    #[default]
    Layer,
    /// A head whose first outputs begin as the inputs.
    Identity,
    /// A layer of Forward-Forward, whose weights begin with deviation 1 / √units.
    Local,
    /// A head that begins at 0 and moves and decays so many times as much as the rest.
    Paced(f64),
}

impl Role {
    /// How much faster than the rest it moves.
    pub(crate) fn pace(self) -> f64 {
        match self {
            Self::Paced(pace) => pace,
            _ => 1.0,
        }
    }
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
    /// Σ over the inputs of input · (its rows of the weight), plus the bias: a share that steps have in common is then computed once.
    fn onnx(&self, s: &Signature, layer: &mut Layer<'_>) -> Value {
        let units = s.output.width();
        let (name, values) = (layer.tensors)("weight");
        let (mut sum, mut row) = (None::<String>, 0);
        for (at, input) in s.inputs.iter().enumerate() {
            let rows = inputs_of(*input);
            let part = if s.inputs.len() == 1 { name.clone() } else { format!("{name}.{}", at + 1) };
            let weight = layer.to.weight(&part, &[rows, units], || values[row * units..][..rows * units].to_vec());
            row += rows;
            let mut x = layer.last(at);
            if let Shape::Image { .. } = input {
                x = layer.reshape(&x, &[rows]);
            }
            let product = layer.op("MatMul", &[&x, &weight], &[]);
            sum = Some(match sum {
                None => product,
                Some(before) => layer.op("Add", &[&before, &product], &[]),
            });
        }
        let bias = layer.weight("bias", &[units]);
        let y = layer.op("Add", &[&sum.unwrap_or_default(), &bias], &[]);
        layer.value(y, false)
    }
    fn tensors(&self, s: &Signature) -> Vec<Tensor> {
        let fan_in = s.inputs.iter().map(|input| inputs_of(*input)).sum();
        let units = s.output.width();
        let zero = Init::Constant(0.0);
        let inits = match self.role {
            Role::Layer => [Init::FanIn(fan_in); 2],
            Role::Identity => [Init::Identity(fan_in), zero],
            // Uniform in ±√3 times the deviation.
            Role::Local => [Init::FanIn(units.div_ceil(3)), zero],
            Role::Paced(_) => [zero; 2],
        };
        let tensor = |name, shape, init| Tensor { name, trained: true, shape, init };
        vec![tensor("weight", vec![fan_in, units], inits[0]), tensor("bias", vec![units], inits[1])]
    }
    fn multiply_adds(&self, s: &Signature) -> Vec<usize> {
        s.inputs.iter().map(|input| inputs_of(*input) * s.output.len()).collect()
    }
}
