//! Fully connected layer with batch normalisation and, if asked for, a ReLU behind it.

use super::{BatchNorm, Layout, LayoutBuilder, Linear, Step, Towards};
use crate::error::Result;
use crate::ops::dense::Written;
use crate::tensor::Buffer;
use candle_core::Tensor;

/// y = ReLU(norm(linear(inputs))), see [`dense`](crate::ops::dense).
#[derive(Debug, Clone)]
pub struct Normalised<const N: usize = 1> {
    linear: Linear<N>,
    norm: BatchNorm,
}

impl<const N: usize> Normalised<N> {
    /// Declares the tensors of both.
    pub fn declare(builder: &mut LayoutBuilder, [linear, norm]: [&str; 2], inputs: [usize; N], width: usize) {
        Linear::declare(builder, linear, inputs, width);
        BatchNorm::declare(builder, norm, width);
    }

    /// The layer whose tensors these names declared.
    pub fn new(layout: &Layout, [linear, norm]: [&str; 2], inputs: [usize; N], width: usize, relu: bool) -> Self {
        Self { linear: Linear::new(layout, linear, inputs, width), norm: BatchNorm::new(layout, norm, width, relu) }
    }

    /// Normalises by the batch and moves the running statistics.
    pub fn forward_training(&self, step: Step<'_>, to: Written<'_>, inputs: [&Tensor; N]) -> Result<()> {
        step.stop.check()?;
        self.linear.dense(step).training(&self.norm.op(step.samples), step.state, to, inputs)
    }

    /// Normalises by the running statistics. The product is room for what is normalised.
    pub fn forward_evaluation(&self, step: Step<'_>, [product, y]: [&Buffer; 2], inputs: [&Tensor; N]) -> Result<()> {
        step.stop.check()?;
        self.linear.dense(step).evaluation(&self.norm.op(step.samples), step.state, [product, y], inputs)
    }

    /// What has y as its input goes on to the norm, and so to the gradient of the product; see [`Towards::Norm`].
    pub fn norm(&self) -> &BatchNorm {
        &self.norm
    }

    /// From the gradient of the product: what is made of those of the inputs, and the gradients of weight and bias. An
    /// optimiser moves these.
    pub fn backward(
        &self,
        step: Step<'_>,
        towards: [Towards<'_>; N],
        d_product: &Tensor,
        inputs: [&Tensor; N],
    ) -> Result<()> {
        self.linear.backward(step, towards, d_product, inputs)
    }
}
