//! A state that moves towards an estimate by a learned share: y = (1 − k) z + k û with k = tanh(w), w among the parameters. A handful of values a
//! sample: there is nothing to speed up.

mod cuda;
mod parity;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use parity::parity;

use super::{BlockOp, apply};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::tensor::{Buffer, Real, Slot, check};
use candle_core::Tensor;

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    /// Number of values.
    pub len: usize,
    /// The place of w in a state and in gradients.
    pub slot: Slot,
}

impl Mix {
    /// y `[len]` = (1 − k) z + k û.
    pub fn forward(&self, y: &Buffer, z: &Tensor, estimate: &Tensor, state: &Tensor) -> Result<()> {
        apply(&Forward(self), y, [z, estimate, state])
    }

    /// The gradient of z, (1 − k) dy, or of û, k dy.
    pub fn backward(&self, dx: &Buffer, dy: &Tensor, state: &Tensor, of_estimate: bool) -> Result<()> {
        apply(&Backward(self, of_estimate), dx, [dy, state])
    }

    /// The gradient of w: (1 − k²) Σ dy (û − z).
    pub fn backward_share(
        &self,
        gradients: &Buffer,
        dy: &Tensor,
        z: &Tensor,
        estimate: &Tensor,
        state: &Tensor,
    ) -> Result<()> {
        apply(&BackwardShare(self), gradients, [dy, z, estimate, state])
    }

    /// There are as many values, and one w.
    fn check(&self, values: usize, parameters: usize) -> Result<()> {
        check(values >= self.len, "mix")?;
        check(self.slot.len == 1 && self.slot.offset < parameters, "the share of a mix")
    }
}

struct Forward<'a>(&'a Mix);

impl BlockOp<3> for Forward<'_> {
    const NAME: &'static str = "mix-forward";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [z, estimate, state]: [&[T]; 3]) -> Result<()> {
        self.0.check(y.len().min(z.len()).min(estimate.len()), state.len())?;
        reference::forward(self.0, y, z, estimate, state);
        Ok(())
    }
    fn launch(&self, on: &Executor<'_>, y: DeviceRows, [z, estimate, state]: [DeviceRows; 3]) -> Result<()> {
        self.0.check(y.len.min(z.len).min(estimate.len), state.len)?;
        cuda::forward(self.0, on, y, [z, estimate, state])
    }
}

struct Backward<'a>(&'a Mix, bool);

impl BlockOp<2> for Backward<'_> {
    const NAME: &'static str = "mix-backward";
    fn block<T: Real>(&self, _: usize, dx: &mut [T], [dy, state]: [&[T]; 2]) -> Result<()> {
        self.0.check(dx.len().min(dy.len()), state.len())?;
        reference::backward(self.0, dx, dy, state, self.1);
        Ok(())
    }
    fn launch(&self, on: &Executor<'_>, dx: DeviceRows, [dy, state]: [DeviceRows; 2]) -> Result<()> {
        self.0.check(dx.len.min(dy.len), state.len)?;
        cuda::backward(self.0, on, dx, [dy, state], self.1)
    }
}

struct BackwardShare<'a>(&'a Mix);

impl BlockOp<4> for BackwardShare<'_> {
    const NAME: &'static str = "mix-backward-share";
    fn block<T: Real>(&self, _: usize, gradients: &mut [T], [dy, z, estimate, state]: [&[T]; 4]) -> Result<()> {
        self.0.check(dy.len().min(z.len()).min(estimate.len()), state.len().min(gradients.len()))?;
        gradients[self.0.slot.offset] = reference::backward_share(self.0, dy, z, estimate, state);
        Ok(())
    }
    fn launch(
        &self,
        on: &Executor<'_>,
        gradients: DeviceRows,
        [dy, z, estimate, state]: [DeviceRows; 4],
    ) -> Result<()> {
        self.0.check(dy.len.min(z.len).min(estimate.len), state.len.min(gradients.len))?;
        cuda::backward_share(self.0, on, gradients, [dy, z, estimate, state])
    }
}
