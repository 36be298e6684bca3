//! Softmax over the classes: logits and probabilities `[samples, classes]`.

mod cuda;
mod parity;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use parity::parity;

use super::{BlockOp, Cut, apply};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::tensor::{Buffer, Real, check};
use candle_core::Tensor;
use std::ops::Range;

/// Sizes of one batch.
#[derive(Debug, Clone, Copy)]
pub struct Softmax {
    /// Samples in this batch.
    pub samples: usize,
    /// Values of one sample.
    pub classes: usize,
}

impl Softmax {
    /// Replaces logits by probabilities.
    pub fn forward(&self, logits: &Buffer) -> Result<()> {
        apply(&Forward(*self), logits, [])
    }

    /// Replaces the gradient of the probabilities by that of the logits.
    pub fn backward(&self, gradient: &Buffer, probabilities: &Tensor) -> Result<()> {
        apply(&Backward(*self), gradient, [probabilities])
    }
}

struct Forward(Softmax);

impl BlockOp<0> for Forward {
    const NAME: &'static str = "softmax-forward";
    fn block<T: Real>(&self, _: usize, logits: &mut [T], []: [&[T]; 0]) -> Result<()> {
        let len = self.0.samples * self.0.classes;
        check(logits.len() >= len, "softmax")?;
        reference::forward(self.0.classes, &mut logits[..len]);
        Ok(())
    }
    fn cut(&self) -> Option<Cut<0>> {
        let Softmax { samples, classes } = self.0;
        Some(Cut::rows(samples, classes, []).with_work(32 * samples * classes))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(Softmax { samples: rows.len(), ..self.0 })
    }
    fn launch(&self, on: &Executor<'_>, logits: DeviceRows, []: [DeviceRows; 0]) -> Result<()> {
        check(logits.len >= self.0.samples * self.0.classes, "softmax")?;
        cuda::forward(&self.0, on, logits)
    }
}

struct Backward(Softmax);

impl BlockOp<1> for Backward {
    const NAME: &'static str = "softmax-backward";
    fn block<T: Real>(&self, _: usize, gradient: &mut [T], [probabilities]: [&[T]; 1]) -> Result<()> {
        let len = self.0.samples * self.0.classes;
        check(probabilities.len() >= len && gradient.len() >= len, "softmax gradient")?;
        reference::backward(self.0.classes, &mut gradient[..len], &probabilities[..len]);
        Ok(())
    }
    fn cut(&self) -> Option<Cut<1>> {
        let Softmax { samples, classes } = self.0;
        Some(Cut::rows(samples, classes, [classes]).with_work(32 * samples * classes))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(Softmax { samples: rows.len(), ..self.0 })
    }
    fn launch(&self, on: &Executor<'_>, gradient: DeviceRows, [probabilities]: [DeviceRows; 1]) -> Result<()> {
        check(gradient.len.min(probabilities.len) >= self.0.samples * self.0.classes, "softmax gradient")?;
        cuda::backward(&self.0, on, gradient, probabilities)
    }
}
