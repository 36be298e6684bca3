//! Windows of 2 × 2 pixels, and the mean of all.

use super::{Fit, Misfit, Signature, Spec, one, one_image};
use crate::net::shape::Shape;
use crate::onnx::{Attribute, Layer, Value};
use serde::{Deserialize, Serialize};

/// The greatest of windows of 2 × 2, with a stride of 2; a last odd row and column are left out. See [`pool`](crate::ops::pool).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool {}

/// The mean of windows of 2 × 2.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanPool {}

/// The mean over all pixels of an image, or over all tokens: a vector.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalPool {}

fn halved(inputs: &[Shape]) -> Fit {
    let [height, width, channels] = one_image(inputs)?;
    if height.min(width) < 2 {
        return Err(Misfit::new("an image of at least 2 x 2 pixels", inputs[0].to_string()).field("from"));
    }
    Ok(Shape::Image { height: height / 2, width: width / 2, channels })
}

macro_rules! pooling {
    ($spec:ident, $op:literal) => {
        impl Spec for $spec {
            fn output(&self, inputs: &[Shape], _: usize) -> Fit {
                halved(inputs)
            }
            fn onnx(&self, _: &Signature, layer: &mut Layer<'_>) -> Value {
                let x = layer.first(0);
                let sides = |name| (name, Attribute::Ints(&[2, 2]));
                let y = layer.op($op, &[&x], &[sides("kernel_shape"), sides("strides")]);
                layer.value(y, true)
            }
        }
    };
}

pooling!(MaxPool, "MaxPool");
pooling!(MeanPool, "AveragePool");

impl Spec for GlobalPool {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        match one(inputs)? {
            Shape::Vector(_) => Err(Misfit::new("an image or tokens", inputs[0].to_string()).field("from")),
            shape => Ok(Shape::Vector(shape.width())),
        }
    }
    fn onnx(&self, s: &Signature, layer: &mut Layer<'_>) -> Value {
        let Value { name: x, channels_first, .. } = layer.inputs[0].clone();
        let axes: &[i64] = match s.inputs[0] {
            Shape::Image { .. } if channels_first => &[2, 3],
            Shape::Image { .. } => &[1, 2],
            _ => &[1],
        };
        let y = layer.op("ReduceMean", &[&x], &[("axes", Attribute::Ints(axes)), ("keepdims", Attribute::Int(0))]);
        layer.value(y, false)
    }
}
