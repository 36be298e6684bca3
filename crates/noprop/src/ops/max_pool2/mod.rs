//! 2×2 maximum pooling with stride 2, NHWC: x `[samples, height, width, channels]`,
//! y `[samples, height / 2, width / 2, channels]`. A last odd row or column is left out.

mod cpu;
mod reference;
#[cfg(test)]
mod tests;

use super::{BlockOp, Real, apply, check};
use crate::error::Result;
use candle_core::Tensor;

/// Sizes of one batch.
#[derive(Debug, Clone, Copy)]
pub struct MaxPool2 {
    /// Samples in this batch.
    pub samples: usize,
    /// Rows of x.
    pub height: usize,
    /// Columns of x.
    pub width: usize,
    /// Channels.
    pub channels: usize,
}

impl MaxPool2 {
    /// Values of one sample's input.
    pub fn input(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Values of one sample's output.
    pub fn output(&self) -> usize {
        (self.height / 2) * (self.width / 2) * self.channels
    }

    /// y = the maximum of each window.
    pub fn forward(&self, y: &Tensor, x: &Tensor) -> Result<()> {
        apply(&Forward(self), y, [x])
    }

    /// Replaces x by its gradient: dy at the first maximum of each window, 0 elsewhere.
    pub fn backward(&self, x: &Tensor, dy: &Tensor) -> Result<()> {
        apply(&Backward(self), x, [dy])
    }
}

struct Forward<'a>(&'a MaxPool2);

impl BlockOp<1> for Forward<'_> {
    const NAME: &'static str = "max-pool2-forward";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [x]: [&[T]; 1]) -> Result<()> {
        let op = self.0;
        check(x.len() >= op.samples * op.input() && y.len() >= op.samples * op.output(), "max-pool2")?;
        match (T::f32s_mut(y), T::f32s(x)) {
            (Some(y), Some(x)) => cpu::forward(op, y, x),
            _ => reference::forward(op, y, x),
        }
        Ok(())
    }
}

struct Backward<'a>(&'a MaxPool2);

impl BlockOp<1> for Backward<'_> {
    const NAME: &'static str = "max-pool2-backward";
    fn block<T: Real>(&self, _: usize, x: &mut [T], [dy]: [&[T]; 1]) -> Result<()> {
        let op = self.0;
        check(x.len() >= op.samples * op.input() && dy.len() >= op.samples * op.output(), "max-pool2 gradient")?;
        match (T::f32s_mut(x), T::f32s(dy)) {
            (Some(x), Some(dy)) => cpu::backward(op, x, dy),
            _ => reference::backward(op, x, dy),
        }
        Ok(())
    }
}
