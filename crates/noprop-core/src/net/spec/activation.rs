//! GELU and SiLU.

use super::{Fit, Spec, one};
use crate::net::shape::Shape;
use serde::{Deserialize, Serialize};

/// The tanh form of GELU (Hendrycks & Gimpel 2016), see [`activation`](crate::ops::activation).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gelu {}

/// x · σ(x), see [`activation`](crate::ops::activation).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silu {}

macro_rules! activation {
    ($spec:ident) => {
        impl Spec for $spec {
            fn output(&self, inputs: &[Shape], _: usize) -> Fit {
                one(inputs)
            }
        }
    };
}

activation!(Gelu);
activation!(Silu);
