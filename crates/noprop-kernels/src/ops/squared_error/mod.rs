//! The blocks' loss: ‖û − u_y‖² per sample for one-hot embeddings, averaged over the batch and weighted per block.

mod cuda;
mod parity;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use parity::parity;

use super::{BlockOp, apply};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::tensor::{Buffer, Real, check};
use candle_core::Tensor;

/// What one batch is compared with.
#[derive(Debug, Clone, Copy)]
pub struct SquaredError<'a> {
    /// The class of each sample, below `width`.
    pub classes: &'a [u32],
    /// Values of one estimate: the number of classes.
    pub width: usize,
}

impl SquaredError<'_> {
    /// Writes the unweighted batch mean of ‖û − u_y‖² into `loss` `[K, 1]`.
    pub fn forward(&self, loss: &Buffer, estimate: &Tensor) -> Result<()> {
        apply(&Forward(self), loss, [estimate])
    }

    /// gradient = weight · 2 (û − u_y) / samples.
    pub fn backward(&self, gradient: &Buffer, estimate: &Tensor, weight: f64) -> Result<()> {
        apply(&Backward(self, weight), gradient, [estimate])
    }

    fn check(&self, len: usize) -> Result<()> {
        check(len >= self.classes.len() * self.width, "squared error")?;
        check(self.classes.iter().all(|class| (*class as usize) < self.width), "class below width")
    }
}

struct Forward<'a>(&'a SquaredError<'a>);

impl BlockOp<1> for Forward<'_> {
    const NAME: &'static str = "squared-error-forward";
    fn block<T: Real>(&self, _: usize, loss: &mut [T], [estimate]: [&[T]; 1]) -> Result<()> {
        self.0.check(estimate.len())?;
        loss[0] = reference::forward(self.0, estimate);
        Ok(())
    }
    fn launch(&self, on: &Executor<'_>, loss: DeviceRows, [estimate]: [DeviceRows; 1]) -> Result<()> {
        check(estimate.len >= self.0.classes.len() * self.0.width, "squared error")?;
        cuda::forward(self.0, on, loss, estimate)
    }
}

struct Backward<'a>(&'a SquaredError<'a>, f64);

impl BlockOp<1> for Backward<'_> {
    const NAME: &'static str = "squared-error-backward";
    fn block<T: Real>(&self, _: usize, gradient: &mut [T], [estimate]: [&[T]; 1]) -> Result<()> {
        self.0.check(estimate.len().min(gradient.len()))?;
        reference::backward(self.0, gradient, estimate, T::of(self.1));
        Ok(())
    }
    fn launch(&self, on: &Executor<'_>, gradient: DeviceRows, [estimate]: [DeviceRows; 1]) -> Result<()> {
        check(estimate.len.min(gradient.len) >= self.0.classes.len() * self.0.width, "squared error")?;
        cuda::backward(self.0, on, gradient, estimate)
    }
}
