//! GELU and SiLU.

use super::{Fit, Signature, Spec, one};
use crate::net::shape::Shape;
use crate::onnx::{Layer, Value};
use serde::{Deserialize, Serialize};

/// The tanh form of GELU (Hendrycks & Gimpel 2016), see [`activation`](crate::ops::activation).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gelu {}

/// x · σ(x), see [`activation`](crate::ops::activation).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silu {}

impl Spec for Gelu {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        one(inputs)
    }
    /// x · σ(2 √(2/π) (x + 0.044715 x³)), which is ½ x (1 + tanh …).
    fn onnx(&self, _: &Signature, layer: &mut Layer<'_>) -> Value {
        let x = layer.inputs[0].name.clone();
        let [cubic, one, scale] = [0.044_715, 1.0, 1.595_769_2].map(|value| layer.to.float(value));
        let square = layer.op("Mul", &[&x, &x], &[]);
        let inner = layer.op("Mul", &[&square, &cubic], &[]);
        let inner = layer.op("Add", &[&inner, &one], &[]);
        let inner = layer.op("Mul", &[&inner, &x], &[]);
        let inner = layer.op("Mul", &[&inner, &scale], &[]);
        let share = layer.op("Sigmoid", &[&inner], &[]);
        let y = layer.op("Mul", &[&x, &share], &[]);
        layer.value(y, layer.inputs[0].channels_first)
    }
}

impl Spec for Silu {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        one(inputs)
    }
    fn onnx(&self, _: &Signature, layer: &mut Layer<'_>) -> Value {
        let x = layer.inputs[0].name.clone();
        let share = layer.op("Sigmoid", &[&x], &[]);
        let y = layer.op("Mul", &[&x, &share], &[]);
        layer.value(y, layer.inputs[0].channels_first)
    }
}
