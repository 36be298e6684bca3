//! Normalisation by the batch (Ioffe & Szegedy 2015).

use super::{Fit, Signature, Spec, Tensor, one};
use crate::net::layout::Init;
use crate::net::shape::Shape;
use serde::{Deserialize, Serialize};

/// See [`batch_norm`](crate::ops::batch_norm). Over the samples of a vector, over samples and pixels of an image, over samples and tokens.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {}

impl Spec for BatchNorm {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        one(inputs)
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
