//! What transformers need beside layers of tokens: patches, positions, attention, features of a time.

use super::{Fit, Misfit, Signature, Spec, Tensor, check_width, one, one_image};
use crate::net::layout::Init;
use crate::net::shape::Shape;
use serde::{Deserialize, Serialize};

/// An image cut into patches of `size` × `size` pixels, each a token. See [`patches`](crate::ops::patches).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patches {
    /// Height and width of a patch, which height and width of the image are multiples of.
    pub size: usize,
}

/// A learned vector for each token, added to it. See [`positions`](crate::ops::positions).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Positions {}

/// Attention of the tokens to one another; the input holds queries, keys and values side by side. See [`attention`](crate::ops::attention).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attention {
    /// Parts of the width that attend by themselves.
    pub heads: usize,
}

/// Sines and cosines of a time in [0, 1]. See [`time_features`](crate::ops::time_features).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeFeatures {
    /// Number of features, even.
    pub width: usize,
}

impl Spec for Patches {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        let [height, width, channels] = one_image(inputs)?;
        let size = self.size;
        if size == 0 || height % size != 0 || width % size != 0 {
            let misfit = Misfit::new(format!("a size that divides {height} and {width}"), size.to_string());
            return Err(misfit.field("size"));
        }
        Ok(Shape::Tokens { count: (height / size) * (width / size), width: size * size * channels })
    }
}

impl Spec for Positions {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        one(inputs)
    }
    fn tensors(&self, s: &Signature) -> Vec<Tensor> {
        vec![Tensor { name: "weight", trained: true, shape: s.output.dims(), init: Init::FanIn(s.output.width()) }]
    }
}

impl Spec for Attention {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        let Shape::Tokens { count, width } = one(inputs)? else {
            return Err(Misfit::new("tokens [count, 3 * width]", inputs[0].to_string()).field("from"));
        };
        if width % 3 != 0 {
            let misfit =
                Misfit::new("tokens of queries, keys and values: a width that 3 divides", inputs[0].to_string());
            return Err(misfit.field("from"));
        }
        if self.heads == 0 || (width / 3) % self.heads != 0 {
            return Err(
                Misfit::new(format!("a number that divides {}", width / 3), self.heads.to_string()).field("heads")
            );
        }
        Ok(Shape::Tokens { count, width: width / 3 })
    }
    fn multiply_adds(&self, s: &Signature) -> Vec<usize> {
        vec![2 * s.output.rows() * s.output.len()]
    }
}

impl Spec for TimeFeatures {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        check_width(self.width, "width")?;
        if !self.width.is_multiple_of(2) {
            return Err(Misfit::new("an even number", self.width.to_string()).field("width"));
        }
        match one(inputs)? {
            Shape::Vector(1) => Ok(Shape::Vector(self.width)),
            other => Err(Misfit::new("a vector [1], a time", other.to_string()).field("from")),
        }
    }
}
