//! Fully connected layer with batch normalisation and, if asked for, a ReLU behind it.

use super::parameters::Init;
use super::{Layout, LayoutBuilder, Linear, Step};
use crate::error::Result;
use crate::ops::dense::Written;
use crate::ops::{Buffer, Slot, batch_norm};
use candle_core::Tensor;

/// y = ReLU(norm(linear(inputs))), see [`dense`](crate::ops::dense) and [`batch_norm`].
#[derive(Debug, Clone)]
pub struct Normalised<const N: usize = 1> {
    linear: Linear<N>,
    width: usize,
    weight: Slot,
    bias: Slot,
    running_mean: Slot,
    running_variance: Slot,
    relu: bool,
}

impl<const N: usize> Normalised<N> {
    /// Declares the tensors of both layers.
    pub fn declare(builder: &mut LayoutBuilder, [linear, norm]: [&str; 2], inputs: [usize; N], width: usize) {
        Linear::declare(builder, linear, inputs, width);
        builder.parameter(norm, "weight", &[width], Init::Constant(1.0));
        builder.parameter(norm, "bias", &[width], Init::Constant(0.0));
        builder.statistic(norm, "mean", &[width], Init::Constant(0.0));
        builder.statistic(norm, "var", &[width], Init::Constant(1.0));
    }

    /// The layer whose tensors these names declared.
    pub fn new(layout: &Layout, [linear, norm]: [&str; 2], inputs: [usize; N], width: usize, relu: bool) -> Self {
        let slot = |kind: &str, tensor: &str| layout.slot(&format!("{kind}.{norm}.{tensor}"));
        Self {
            linear: Linear::new(layout, linear, inputs, width),
            width,
            weight: slot("params", "weight"),
            bias: slot("params", "bias"),
            running_mean: slot("stats", "mean"),
            running_variance: slot("stats", "var"),
            relu,
        }
    }

    fn norm(&self, samples: usize) -> batch_norm::BatchNorm {
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
    pub fn forward_training(&self, step: Step<'_>, to: Written<'_>, inputs: [&Tensor; N]) -> Result<()> {
        step.stop.check()?;
        self.linear.dense(step).training(&self.norm(step.samples), step.state, to, inputs)
    }

    /// Normalises by the running statistics. The product is room for what is normalised.
    pub fn forward_evaluation(&self, step: Step<'_>, [product, y]: [&Buffer; 2], inputs: [&Tensor; N]) -> Result<()> {
        step.stop.check()?;
        self.linear.dense(step).evaluation(&self.norm(step.samples), step.state, [product, y], inputs)
    }

    /// Gradients of the product (`d_product`), of the inputs that ask for theirs, and of all parameters, which an optimiser
    /// moves.
    pub fn backward(
        &self,
        step: Step<'_>,
        d_inputs: [Option<&Buffer>; N],
        d_product: &Buffer,
        dy: &Tensor,
        written: Written<'_>,
        inputs: [&Tensor; N],
    ) -> Result<()> {
        let Written { product, y, statistics } = written;
        let norm = self.norm(step.samples);
        norm.backward(d_product, step.gradients, [dy, y, product, statistics, step.state])?;
        step.update([self.weight, self.bias])?;
        self.linear.backward(step, d_inputs, d_product, inputs)
    }
}
