//! Normalisation by the batch (Ioffe & Szegedy 2015).

use super::{Fit, Signature, Spec, Tensor, one};
use crate::net::layout::Init;
use crate::net::shape::Shape;
use crate::onnx::{Attribute, Layer, Value};
use crate::ops::batch_norm::EPSILON;
use serde::{Deserialize, Serialize};

/// See [`batch_norm`](crate::ops::batch_norm). Over the samples of a vector, over samples and pixels of an image, over samples and tokens.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {}

impl Spec for BatchNorm {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        one(inputs)
    }
    /// Of images and vectors ONNX's own; its channels are those of the second dimension. Of tokens x · scale + shift.
    fn onnx(&self, s: &Signature, layer: &mut Layer<'_>) -> Value {
        let width = s.output.width();
        if let Shape::Tokens { .. } = s.output {
            let [weight, bias, mean, var] = ["weight", "bias", "mean", "var"].map(|tensor| (layer.tensors)(tensor));
            let scale: Vec<_> =
                weight.1.iter().zip(var.1).map(|(w, v)| f64::from(*w) / (f64::from(*v) + EPSILON).sqrt()).collect();
            let shift = bias.1.iter().zip(mean.1).zip(&scale).map(|((b, m), s)| f64::from(*b) - f64::from(*m) * s);
            let shift: Vec<_> = shift.map(|value| value as f32).collect();
            let scale: Vec<_> = scale.into_iter().map(|value| value as f32).collect();
            let (scale, shift) = (layer.to.floats(&[width], &scale), layer.to.floats(&[width], &shift));
            let x = layer.last(0);
            let y = layer.op("Mul", &[&x, &scale], &[]);
            let y = layer.op("Add", &[&y, &shift], &[]);
            return layer.value(y, false);
        }
        let is_image = matches!(s.output, Shape::Image { .. });
        let x = if is_image { layer.first(0) } else { layer.last(0) };
        let [weight, bias, mean, var] = ["weight", "bias", "mean", "var"].map(|tensor| layer.weight(tensor, &[width]));
        let y = layer.op(
            "BatchNormalization",
            &[&x, &weight, &bias, &mean, &var],
            &[("epsilon", Attribute::Float(EPSILON as f32))],
        );
        layer.value(y, is_image)
    }
    fn tensors(&self, s: &Signature) -> Vec<Tensor> {
        let tensor =
            |trained, name, value| Tensor { name, trained, shape: vec![s.output.width()], init: Init::Constant(value) };
        vec![
            tensor(true, "weight", 1.0),
            tensor(true, "bias", 0.0),
            tensor(false, "mean", 0.0),
            tensor(false, "var", 1.0),
        ]
    }
}
