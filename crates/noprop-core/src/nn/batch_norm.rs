//! Parameters and running statistics of a batch normalisation, with or without a ReLU behind it.

use super::parameters::Init;
use super::{Layout, LayoutBuilder};
use crate::ops::batch_norm;
use crate::tensor::Slot;

/// See [`batch_norm`]. What comes before and behind it does its work too: [`Normalised`](super::Normalised) forward,
/// [`Towards::Norm`](super::Towards::Norm) backward.
#[derive(Debug, Clone)]
pub struct BatchNorm {
    width: usize,
    weight: Slot,
    bias: Slot,
    running_mean: Slot,
    running_variance: Slot,
    relu: bool,
}

impl BatchNorm {
    /// Declares the layer's tensors.
    pub fn declare(builder: &mut LayoutBuilder, name: &str, width: usize) {
        builder.parameter(name, "weight", &[width], Init::Constant(1.0));
        builder.parameter(name, "bias", &[width], Init::Constant(0.0));
        builder.statistic(name, "mean", &[width], Init::Constant(0.0));
        builder.statistic(name, "var", &[width], Init::Constant(1.0));
    }

    /// The layer whose tensors `name` declared.
    pub fn new(layout: &Layout, name: &str, width: usize, relu: bool) -> Self {
        let slot = |kind: &str, tensor: &str| layout.slot(&format!("{kind}.{name}.{tensor}"));
        Self {
            width,
            weight: slot("params", "weight"),
            bias: slot("params", "bias"),
            running_mean: slot("stats", "mean"),
            running_variance: slot("stats", "var"),
            relu,
        }
    }

    pub(super) fn op(&self, samples: usize) -> batch_norm::BatchNorm {
        batch_norm::BatchNorm {
            samples,
            width: self.width,
            weight: self.weight,
            bias: self.bias,
            running_mean: self.running_mean,
            running_variance: self.running_variance,
            relu: self.relu,
        }
    }

    /// Where the trained values lie: scale and shift.
    pub(super) fn parameters(&self) -> [Slot; 2] {
        [self.weight, self.bias]
    }
}
