//! A learned vector that is added to every sample, of the length of all its tokens, say: y `[samples, len]`, parameter `[len]`.

mod cpu;
mod cuda;
mod parity;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use parity::parity;

use super::{BlockOp, Cut, apply};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::team::{Cost, share_columns};
use crate::tensor::{Buffer, Real, Slot, check};
use candle_core::Tensor;
use std::ops::Range;

/// Sizes of one batch and where the parameter lies.
#[derive(Debug, Clone, Copy)]
pub struct Positions {
    /// Samples in this batch.
    pub samples: usize,
    /// Values of one sample.
    pub len: usize,
    /// The vector in the flat buffer (state or gradients).
    pub parameter: Slot,
}

impl Positions {
    /// `y[sample, i] += parameter[i]`, in place.
    pub fn forward(&self, y: &Buffer, state: &Tensor) -> Result<()> {
        apply(&Forward(*self), y, [state])
    }

    /// Writes the sum of dy over the samples into the parameter's slot of `gradients`.
    pub fn backward_weights(&self, gradients: &Buffer, dy: &Tensor) -> Result<()> {
        apply(&BackwardWeights(self), gradients, [dy])
    }

    /// Whether activations of `len` values and a flat buffer of `flat` hold what is read and written.
    fn check(&self, len: usize, flat: usize) -> Result<()> {
        let Self { samples, len: each, parameter } = *self;
        check(each > 0 && parameter.len == each && parameter.offset + each <= flat, "parameter of positions")?;
        check(len >= samples * each, "positions")
    }
}

struct Forward(Positions);

impl BlockOp<1> for Forward {
    const NAME: &'static str = "positions-forward";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [state]: [&[T]; 1]) -> Result<()> {
        let op = &self.0;
        op.check(y.len(), state.len())?;
        let (y, parameter) = (&mut y[..op.samples * op.len], op.parameter.of(state));
        match (T::f32s_mut(y), T::f32s(parameter)) {
            (Some(y), Some(parameter)) => cpu::forward(y, parameter),
            _ => reference::forward(y, parameter),
        }
        Ok(())
    }
    fn cut(&self) -> Option<Cut<1>> {
        Some(Cut::rows(self.0.samples, self.0.len, [0]))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(Positions { samples: rows.len(), ..self.0 })
    }
    fn launch(&self, on: &Executor<'_>, y: DeviceRows, [state]: [DeviceRows; 1]) -> Result<()> {
        self.0.check(y.len, state.len)?;
        cuda::forward(&self.0, on, y, state)
    }
}

struct BackwardWeights<'a>(&'a Positions);

impl BlockOp<1> for BackwardWeights<'_> {
    const NAME: &'static str = "positions-backward-weights";
    fn block<T: Real>(&self, _: usize, gradients: &mut [T], [dy]: [&[T]; 1]) -> Result<()> {
        let op = self.0;
        op.check(dy.len(), gradients.len())?;
        let (gradient, dy) = (op.parameter.of_mut(gradients), &dy[..op.samples * op.len]);
        share_columns([gradient], Cost::of_values(dy.len()), |first, [gradient]| {
            match (T::f32s_mut(gradient), T::f32s(dy)) {
                (Some(gradient), Some(dy)) => cpu::backward_weights((op.len, first), gradient, dy),
                _ => reference::backward_weights((op.len, first), gradient, dy),
            }
            Ok(())
        })
    }
    fn launch(&self, on: &Executor<'_>, gradients: DeviceRows, [dy]: [DeviceRows; 1]) -> Result<()> {
        self.0.check(dy.len, gradients.len)?;
        cuda::backward_weights(self.0, on, gradients, dy)
    }
}
