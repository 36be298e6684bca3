//! The activations that a net may be made with.

use super::builder::Value;
use serde::{Deserialize, Serialize};

/// What follows a norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// max(x, 0).
    #[default]
    Relu,
    /// GELU in its tanh form.
    Gelu,
}

impl<'n> Value<'n> {
    /// The activation of this value.
    pub fn activated(self, activation: Activation) -> Value<'n> {
        match activation {
            Activation::Relu => self.relu(),
            Activation::Gelu => self.gelu(),
        }
    }
}
