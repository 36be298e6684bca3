//! Batch normalisation with or without a ReLU behind it.

use super::parameters::Init;
use super::{Layout, LayoutBuilder, Step};
use crate::error::Result;
use crate::ops::{Buffer, Slot, batch_norm};
use candle_core::Tensor;

/// See [`batch_norm`].
#[derive(Debug, Clone)]
pub struct BatchNorm {
    width: usize,
    weight: Slot,
    bias: Slot,
    running_mean: Slot,
    running_variance: Slot,
    relu: bool,
}

/// What the backward pass needs of the forward one: input, output and the batch's statistics `[K, 2 · width]`.
#[derive(Debug, Clone, Copy)]
pub struct Saved<'a> {
    /// Input.
    pub x: &'a Tensor,
    /// Output.
    pub y: &'a Buffer,
    /// Mean and variance of the batch.
    pub statistics: &'a Buffer,
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

    fn op(&self, samples: usize) -> batch_norm::BatchNorm {
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

    /// Normalises by the batch and moves the running statistics.
    pub fn forward_training(&self, step: Step<'_>, saved: Saved<'_>) -> Result<()> {
        self.op(step.samples).training(step.state, [saved.y, saved.statistics], saved.x)
    }

    /// Normalises by the running statistics.
    pub fn forward_evaluation(&self, step: Step<'_>, y: &Buffer, x: &Tensor) -> Result<()> {
        self.op(step.samples).forward_evaluation(y, x, step.state)
    }

    /// Gradients of the parameters and of x. An optimiser moves the parameters.
    pub fn backward(&self, step: Step<'_>, dx: &Buffer, dy: &Tensor, saved: Saved<'_>) -> Result<()> {
        let Saved { x, y, statistics } = saved;
        self.op(step.samples).backward(dx, step.gradients, [dy, y, x, statistics, step.state])?;
        step.update([self.weight, self.bias])
    }
}
