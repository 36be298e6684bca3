//! 3×3 convolution without padding (the paper's blocks), stride 1, NHWC activations, weights `[3, 3, cin, cout]`.
//!
//! | | shape of one block |
//! |---|---|
//! | x | `[samples, height, width, cin]` |
//! | y | `[samples, height − 2, width − 2, cout]` |
//! | weight, bias | `[3, 3, cin, cout]`, `[cout]`, inside a flat buffer |

mod cpu;
mod reference;
#[cfg(test)]
mod tests;

use super::{BlockOp, Real, Slot, StopFlag, apply, check};
use crate::error::Result;
use candle_core::Tensor;

/// The size of one sample's input and the widths.
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
}

impl Dims {
    /// Rows of the output.
    pub fn out_height(&self) -> usize {
        self.height - 2
    }
    /// Columns of the output.
    pub fn out_width(&self) -> usize {
        self.width - 2
    }
    /// Values of one sample's input.
    pub fn input(&self) -> usize {
        self.height * self.width * self.cin
    }
    /// Values of one sample's output.
    pub fn output(&self) -> usize {
        self.out_height() * self.out_width() * self.cout
    }
    /// Number of weights.
    pub fn weights(&self) -> usize {
        9 * self.cin * self.cout
    }
    /// Multiply-adds of one sample, one direction.
    pub fn multiply_adds(&self) -> usize {
        self.out_height() * self.out_width() * self.weights()
    }
}

/// What the three directions share.
#[derive(Debug, Clone)]
pub struct Conv3x3<'a> {
    /// Sizes.
    pub dims: Dims,
    /// Samples in this batch.
    pub samples: usize,
    /// Where the weight lies in the flat buffer (state or gradients).
    pub weight: Slot,
    /// Where the bias lies.
    pub bias: Slot,
    /// Polled between samples.
    pub stop: &'a StopFlag,
}

impl Conv3x3<'_> {
    fn check(&self, x: usize, y: usize) -> Result<()> {
        let d = &self.dims;
        check(d.height >= 3 && d.width >= 3, "conv3x3 needs at least 3x3 inputs")?;
        check(x >= self.samples * d.input() && y >= self.samples * d.output(), "conv3x3 activations")?;
        check(self.weight.len == d.weights() && self.bias.len == d.cout, "conv3x3 parameters")
    }

    /// y = relu(x * weight + bias).
    pub fn forward_relu(&self, y: &Tensor, x: &Tensor, state: &Tensor) -> Result<()> {
        apply(&Forward(self), y, [x, state])
    }

    /// dx = dy * weightᵀ.
    pub fn backward_data(&self, dx: &Tensor, dy: &Tensor, state: &Tensor) -> Result<()> {
        apply(&BackwardData(self), dx, [dy, state])
    }

    /// Writes the weight's and the bias's gradients into their slots of `gradients`.
    pub fn backward_weights(&self, gradients: &Tensor, x: &Tensor, dy: &Tensor) -> Result<()> {
        apply(&BackwardWeights(self), gradients, [x, dy])
    }
}

struct Forward<'a>(&'a Conv3x3<'a>);

impl BlockOp<2> for Forward<'_> {
    const NAME: &'static str = "conv3x3-forward";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [x, state]: [&[T]; 2]) -> Result<()> {
        let op = self.0;
        op.check(x.len(), y.len())?;
        let (weight, bias) = (op.weight.of(state), op.bias.of(state));
        match (T::f32s_mut(y), T::f32s(x), T::f32s(weight), T::f32s(bias)) {
            (Some(y), Some(x), Some(weight), Some(bias)) => {
                cpu::forward_relu(&op.dims, op.samples, op.stop, y, x, weight, bias)
            }
            _ => {
                reference::forward_relu(&op.dims, op.samples, y, x, weight, bias);
                Ok(())
            }
        }
    }
}

struct BackwardData<'a>(&'a Conv3x3<'a>);

impl BlockOp<2> for BackwardData<'_> {
    const NAME: &'static str = "conv3x3-backward-data";
    fn block<T: Real>(&self, _: usize, dx: &mut [T], [dy, state]: [&[T]; 2]) -> Result<()> {
        let op = self.0;
        op.check(dx.len(), dy.len())?;
        let weight = op.weight.of(state);
        match (T::f32s_mut(dx), T::f32s(dy), T::f32s(weight)) {
            (Some(dx), Some(dy), Some(weight)) => cpu::backward_data(&op.dims, op.samples, op.stop, dx, dy, weight),
            _ => {
                reference::backward_data(&op.dims, op.samples, dx, dy, weight);
                Ok(())
            }
        }
    }
}

struct BackwardWeights<'a>(&'a Conv3x3<'a>);

impl BlockOp<2> for BackwardWeights<'_> {
    const NAME: &'static str = "conv3x3-backward-weights";
    fn block<T: Real>(&self, _: usize, gradients: &mut [T], [x, dy]: [&[T]; 2]) -> Result<()> {
        let op = self.0;
        op.check(x.len(), dy.len())?;
        match (T::f32s(x), T::f32s(dy)) {
            (Some(x), Some(dy)) => {
                if let Some(dw) = T::f32s_mut(op.weight.of_mut(gradients)) {
                    cpu::backward_weights(&op.dims, op.samples, op.stop, dw, x, dy)?;
                }
                if let Some(db) = T::f32s_mut(op.bias.of_mut(gradients)) {
                    cpu::backward_bias(&op.dims, op.samples, db, dy);
                }
            }
            _ => {
                reference::backward_weights(&op.dims, op.samples, op.weight.of_mut(gradients), x, dy);
                reference::backward_bias(&op.dims, op.samples, op.bias.of_mut(gradients), dy);
            }
        }
        Ok(())
    }
}
