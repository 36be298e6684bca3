//! Normalisation of each row: of a vector, of each token, of each pixel.

use super::{Fit, Misfit, Signature, Spec, Tensor, one};
use crate::net::layout::Init;
use crate::net::shape::Shape;
use crate::onnx::{Attribute, Layer, Value};
use crate::ops::layer_norm::EPSILON;
use serde::{Deserialize, Serialize};

/// See [`layer_norm`](crate::ops::layer_norm).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerNorm {}

/// The same, scaled by 1 + s and shifted by t, where the second input is the vector `[s | t]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveLayerNorm {}

/// The first input with the mean of each row at 0 and its variance at 1, times `scale` and plus `shift`.
fn normalise(layer: &mut Layer<'_>, scale: &str, shift: &[&str]) -> String {
    let x = layer.last(0);
    let inputs: Vec<_> = [x.as_str(), scale].into_iter().chain(shift.iter().copied()).collect();
    let attributes = [("axis", Attribute::Int(-1)), ("epsilon", Attribute::Float(EPSILON as f32))];
    layer.op("LayerNormalization", &inputs, &attributes)
}

impl Spec for LayerNorm {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        one(inputs)
    }
    fn onnx(&self, s: &Signature, layer: &mut Layer<'_>) -> Value {
        let [scale, shift] = ["weight", "bias"].map(|tensor| layer.weight(tensor, &[s.output.width()]));
        let y = normalise(layer, &scale, &[&shift]);
        layer.value(y, false)
    }
    fn tensors(&self, s: &Signature) -> Vec<Tensor> {
        let tensor =
            |name, value| Tensor { name, trained: true, shape: vec![s.output.width()], init: Init::Constant(value) };
        vec![tensor("weight", 1.0), tensor("bias", 0.0)]
    }
}

impl Spec for AdaptiveLayerNorm {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        let [x, modulation] = inputs else {
            return Err(Misfit::new(
                "two inputs: what is normalised, and scales and shifts",
                format!("{} inputs", inputs.len()),
            )
            .field("from"));
        };
        if *modulation != Shape::Vector(2 * x.width()) {
            let expected =
                format!("a vector [{}] as the second input: a scale and a shift for each column", 2 * x.width());
            return Err(Misfit::new(expected, modulation.to_string()).field("from"));
        }
        Ok(*x)
    }
    fn onnx(&self, s: &Signature, layer: &mut Layer<'_>) -> Value {
        let width = s.output.width();
        let ones = layer.to.floats(&[width], &vec![1.0; width]);
        let normal = normalise(layer, &ones, &[]);
        let modulation = layer.last(1);
        let parts = layer.to.ops("Split", &[&modulation], &[("axis", Attribute::Int(-1))], 2);
        // One for all pixels or tokens of a sample.
        let dims: Vec<_> = s.output.with_width(width).dims().iter().map(|_| 1).chain([width]).skip(1).collect();
        let [scale, shift] = [0, 1].map(|part| layer.reshape(&parts[part], &dims));
        let one = layer.to.float(1.0);
        let scale = layer.op("Add", &[&scale, &one], &[]);
        let y = layer.op("Mul", &[&normal, &scale], &[]);
        let y = layer.op("Add", &[&y, &shift], &[]);
        layer.value(y, false)
    }
}
