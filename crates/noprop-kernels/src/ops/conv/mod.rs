//! A convolution without activation, as residual nets have it between their batch norms: kernel 1 or 3, stride 1 or 2. NHWC
//! activations.
//!
//! | | shape of one block |
//! |---|---|
//! | x | `[samples, height, width, cin]` |
//! | y | `[samples, out height, out width, cout]` |
//! | weight, bias | `[kernel, kernel, cin, cout]`, `[cout]`, inside a flat buffer |
//!
//! Two fast paths on the processor: `product` for every shape, which writes the patches of some pixels down and multiplies
//! them, and `winograd` for kernels of 3 and stride 1 where all channels fill whole vectors, with 4 times fewer
//! multiplications (2.25 times in bf16, and for the smallest images).

mod cpu;
mod cuda;
mod parity;
mod product;
mod reference;
#[cfg(test)]
mod tests;
mod winograd;

pub(crate) use parity::parity;

use super::multiply::Precision;
use super::{BlockOp, apply, linear};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::team::Cost;
use crate::tensor::{Buffer, Real, Slot, StopFlag, check};
use candle_core::Tensor;

/// What lies around an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Zeros, `kernel / 2` on each side: with stride 1 the output is as large as the input, with stride 2 half as large,
    /// rounded up. PyTorch's `padding=kernel // 2`.
    Same,
    /// Nothing.
    Valid,
}

/// The size of one sample's input, the widths, and what the kernel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dims {
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Channels of the input.
    pub cin: usize,
    /// Channels of the output.
    pub cout: usize,
    /// Rows and columns of the kernel: 1 or 3.
    pub kernel: usize,
    /// Pixels from one output to the next: 1 or 2.
    pub stride: usize,
    /// What lies around the input.
    pub padding: Padding,
}

/// Products stop at the greatest number, so that no check of a size overflows.
impl Dims {
    /// Zeros on each side of the input.
    pub(crate) fn pad(&self) -> usize {
        if self.padding == Padding::Same { self.kernel / 2 } else { 0 }
    }
    fn out(&self, side: usize) -> usize {
        match side.saturating_add(2 * self.pad()).checked_sub(self.kernel) {
            Some(beyond) if side > 0 => beyond / self.stride.max(1) + 1,
            _ => 0,
        }
    }
    /// Rows of the output.
    pub fn out_height(&self) -> usize {
        self.out(self.height)
    }
    /// Columns of the output.
    pub fn out_width(&self) -> usize {
        self.out(self.width)
    }
    /// Pixels of one sample's output.
    pub(crate) fn out_pixels(&self) -> usize {
        self.out_height().saturating_mul(self.out_width())
    }
    /// Values of one sample's input.
    pub fn input(&self) -> usize {
        self.height.saturating_mul(self.width).saturating_mul(self.cin)
    }
    /// Values of one sample's output.
    pub fn output(&self) -> usize {
        self.out_pixels().saturating_mul(self.cout)
    }
    /// Values of x that an output is made from: kernel · kernel · `cin`.
    pub(crate) fn patch(&self) -> usize {
        self.kernel.saturating_mul(self.kernel).saturating_mul(self.cin)
    }
    /// Number of weights.
    pub fn weights(&self) -> usize {
        self.patch().saturating_mul(self.cout)
    }
    /// Multiply-adds of one sample, one direction, by the definition: output pixels × weights, those with padding among them.
    pub fn multiply_adds(&self) -> usize {
        self.out_pixels().saturating_mul(self.weights())
    }
}

/// What the three directions share.
#[derive(Debug, Clone)]
pub struct Conv<'a> {
    /// Sizes.
    pub dims: Dims,
    /// Samples in this batch.
    pub samples: usize,
    /// Where the weight lies in the flat buffer (state or gradients).
    pub weight: Slot,
    /// Where the bias lies, if there is one.
    pub bias: Option<Slot>,
    /// What factors are rounded to, in Winograd's kernels behind the transforms. Biases are added as they are.
    pub precision: Precision,
    /// Polled at least once a sample, but for the smallest images.
    pub stop: &'a StopFlag,
}

impl Conv<'_> {
    fn check(&self, x: usize, y: usize) -> Result<()> {
        let d = &self.dims;
        check(matches!(d.kernel, 1 | 3) && matches!(d.stride, 1 | 2), "conv kernel and stride")?;
        check(d.cin > 0 && d.output() > 0, "conv needs inputs that leave an output")?;
        let enough = |len: usize, of_sample: usize| len >= self.samples.saturating_mul(of_sample);
        check(enough(x, d.input()) && enough(y, d.output()), "conv activations")?;
        check(self.weight.len == d.weights() && self.bias.is_none_or(|bias| bias.len == d.cout), "conv parameters")
    }

    /// The same for a part of the batch.
    fn of_samples(&self, samples: usize) -> Self {
        Self { samples, ..self.clone() }
    }

    /// Of one direction.
    fn cost(&self) -> Cost {
        let multiply_adds = self.samples * self.dims.multiply_adds();
        Cost { multiply_adds, ..Cost::of_values(self.samples * (self.dims.input() + self.dims.output())) }
    }

    /// y = x * weight, and + bias if there is one.
    pub fn forward(&self, y: &Buffer, x: &Tensor, state: &Tensor) -> Result<()> {
        apply(&Forward(self), y, [x, state])
    }

    /// dx from dy.
    pub fn backward_data(&self, dx: &Buffer, dy: &Tensor, state: &Tensor) -> Result<()> {
        apply(&BackwardData(self), dx, [dy, state])
    }

    /// Writes the weight's gradient and, with a bias, Σ dy into their slots of `gradients`.
    pub fn backward_weights(&self, gradients: &Buffer, x: &Tensor, dy: &Tensor) -> Result<()> {
        apply(&BackwardWeights(self), gradients, [x, dy])
    }
}

struct Forward<'a>(&'a Conv<'a>);

impl BlockOp<2> for Forward<'_> {
    const NAME: &'static str = "conv-forward";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [x, state]: [&[T]; 2]) -> Result<()> {
        let op = self.0;
        op.check(x.len(), y.len())?;
        op.precision.check_kernels()?;
        let (x, y) = (&x[..op.samples * op.dims.input()], &mut y[..op.samples * op.dims.output()]);
        let (weight, bias) = (op.weight.of(state), op.bias.map(|bias| bias.of(state)));
        if let (Some(y), Some(x), Some(weight)) = (T::f32s_mut(y), T::f32s(x), T::f32s(weight)) {
            return cpu::forward(op, y, x, (weight, bias.and_then(T::f32s)));
        }
        reference::forward(op, y, x, weight, bias);
        Ok(())
    }
    fn launch(&self, on: &Executor<'_>, y: DeviceRows, [x, state]: [DeviceRows; 2]) -> Result<()> {
        self.0.check(x.len, y.len)?;
        cuda::forward(self.0, on, y, [x, state])
    }
}

struct BackwardData<'a>(&'a Conv<'a>);

impl BlockOp<2> for BackwardData<'_> {
    const NAME: &'static str = "conv-backward-data";
    fn block<T: Real>(&self, _: usize, dx: &mut [T], [dy, state]: [&[T]; 2]) -> Result<()> {
        let op = self.0;
        op.check(dx.len(), dy.len())?;
        op.precision.check_kernels()?;
        let (dx, dy) = (&mut dx[..op.samples * op.dims.input()], &dy[..op.samples * op.dims.output()]);
        let weight = op.weight.of(state);
        if let (Some(dx), Some(dy), Some(weight)) = (T::f32s_mut(dx), T::f32s(dy), T::f32s(weight)) {
            return cpu::backward_data(op, dx, dy, weight);
        }
        reference::backward_data(op, dx, dy, weight);
        Ok(())
    }
    fn launch(&self, on: &Executor<'_>, dx: DeviceRows, [dy, state]: [DeviceRows; 2]) -> Result<()> {
        self.0.check(dx.len, dy.len)?;
        cuda::backward_data(self.0, on, dx, [dy, state])
    }
}

struct BackwardWeights<'a>(&'a Conv<'a>);

impl BlockOp<2> for BackwardWeights<'_> {
    const NAME: &'static str = "conv-backward-weights";
    fn block<T: Real>(&self, _: usize, gradients: &mut [T], [x, dy]: [&[T]; 2]) -> Result<()> {
        let op = self.0;
        op.check(x.len(), dy.len())?;
        op.precision.check_kernels()?;
        let (x, dy) = (&x[..op.samples * op.dims.input()], &dy[..op.samples * op.dims.output()]);
        if let Some(bias) = op.bias {
            let db = bias.of_mut(gradients);
            linear::sum_rows(db, dy)?;
        }
        let dw = op.weight.of_mut(gradients);
        if let (Some(dw), Some(x), Some(dy)) = (T::f32s_mut(dw), T::f32s(x), T::f32s(dy)) {
            return cpu::backward_weights(op, dw, x, dy);
        }
        reference::backward_weights(op, dw, x, dy);
        Ok(())
    }
    fn launch(&self, on: &Executor<'_>, gradients: DeviceRows, [x, dy]: [DeviceRows; 2]) -> Result<()> {
        self.0.check(x.len, dy.len)?;
        cuda::backward_weights(self.0, on, gradients, [x, dy])
    }
}
