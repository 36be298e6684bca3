//! Windows of 2 × 2 pixels, and the mean of all.

use super::{Fit, Misfit, Spec, one, one_image};
use crate::net::shape::Shape;
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
    ($spec:ident, $kind:ident) => {
        impl Spec for $spec {
            fn output(&self, inputs: &[Shape], _: usize) -> Fit {
                halved(inputs)
            }
        }
    };
}

pooling!(MaxPool, Max);
pooling!(MeanPool, Mean);

impl Spec for GlobalPool {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        match one(inputs)? {
            Shape::Vector(_) => Err(Misfit::new("an image or tokens", inputs[0].to_string()).field("from")),
            shape => Ok(Shape::Vector(shape.width())),
        }
    }
}
