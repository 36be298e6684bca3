//! Batch normalisation of vectors (Ioffe & Szegedy 2015): x, y `[samples, width]`, scale and shift `[width]`.
//!
//! Training normalises by the batch's mean and biased variance, which [`BatchNorm::statistics`] writes as `[mean | variance]`
//! `[2 · width]`; evaluation by running ones, kept in the block's flat buffer.

mod cpu;
pub(super) mod cuda;
mod parity;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use parity::parity;

use super::{BlockOp, Cut, DeviceOp, apply, launch};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::tensor::{Buffer, Real, Slot, check};
use candle_core::Tensor;
use std::ops::Range;

/// Added to the variance (PyTorch's default).
pub const EPSILON: f64 = 1e-5;
/// Share of the newest batch in the running statistics (PyTorch's default).
pub const MOMENTUM: f64 = 0.1;

/// Sizes of one batch and where the parameters lie.
#[derive(Debug, Clone, Copy)]
pub struct BatchNorm {
    /// Samples in this batch.
    pub samples: usize,
    /// Values of one sample.
    pub width: usize,
    /// Scale γ in the flat buffer (state or gradients).
    pub weight: Slot,
    /// Shift β in the flat buffer.
    pub bias: Slot,
    /// Running mean in the state.
    pub running_mean: Slot,
    /// Running variance in the state.
    pub running_variance: Slot,
    /// Whether ReLU follows.
    pub relu: bool,
}

impl BatchNorm {
    fn len(&self) -> usize {
        self.samples * self.width
    }

    /// Turns a biased variance into an unbiased one. A batch of one sample has none; its biased one, 0, stands in.
    fn unbias(&self) -> f64 {
        self.samples as f64 / (self.samples.max(2) - 1) as f64
    }

    /// A forward pass of training: [`statistics`](Self::statistics), [`forward_training`](Self::forward_training) and
    /// [`update_running`](Self::update_running), which on a device are one kernel.
    pub fn training(&self, state: &Buffer, [y, statistics]: [&Buffer; 2], x: &Tensor) -> Result<()> {
        if super::on_device(y) {
            return launch(&Training(self), [y, statistics, state], [x]);
        }
        self.statistics(statistics, x)?;
        self.forward_training(y, x, statistics, state)?;
        self.update_running(state, statistics)
    }

    /// A backward pass: [`backward_weights`](Self::backward_weights) and [`backward_data`](Self::backward_data), which on a
    /// device are one kernel.
    pub fn backward(&self, dx: &Buffer, gradients: &Buffer, [dy, y, x, statistics, state]: [&Tensor; 5]) -> Result<()> {
        if super::on_device(dx) {
            return launch(&Backward(self), [dx, gradients], [dy, y, x, statistics, state]);
        }
        self.backward_weights(gradients, [dy, y, x, statistics])?;
        self.backward_data(dx, [dy, y, x, statistics, state, gradients])
    }

    /// statistics = `[mean | biased variance]` of the batch.
    pub fn statistics(&self, statistics: &Buffer, x: &Tensor) -> Result<()> {
        apply(&Statistics(self), statistics, [x])
    }

    /// Moves the running statistics towards the batch's (variance unbiased, as in PyTorch).
    pub fn update_running(&self, state: &Buffer, statistics: &Tensor) -> Result<()> {
        apply(&UpdateRunning(self), state, [statistics])
    }

    /// y = γ (x − mean) / √(variance + ε) + β by the batch's statistics, then ReLU if asked for.
    pub fn forward_training(&self, y: &Buffer, x: &Tensor, statistics: &Tensor, state: &Tensor) -> Result<()> {
        apply(&ForwardTraining(*self), y, [x, statistics, state])
    }

    /// The same by the running statistics.
    pub fn forward_evaluation(&self, y: &Buffer, x: &Tensor, state: &Tensor) -> Result<()> {
        apply(&ForwardEvaluation(*self), y, [x, state])
    }

    /// Writes the gradients of γ and β into their slots of `gradients`. y is the forward output, for the ReLU.
    pub fn backward_weights(&self, gradients: &Buffer, [dy, y, x, statistics]: [&Tensor; 4]) -> Result<()> {
        apply(&BackwardWeights(self), gradients, [dy, y, x, statistics])
    }

    /// dx, given the gradients of γ and β that [`Self::backward_weights`] wrote.
    pub fn backward_data(&self, dx: &Buffer, [dy, y, x, statistics, state, gradients]: [&Tensor; 6]) -> Result<()> {
        apply(&BackwardData(*self, self.samples), dx, [dy, y, x, statistics, state, gradients])
    }
}

struct Statistics<'a>(&'a BatchNorm);

impl BlockOp<1> for Statistics<'_> {
    const NAME: &'static str = "batch-norm-statistics";
    fn block<T: Real>(&self, _: usize, statistics: &mut [T], [x]: [&[T]; 1]) -> Result<()> {
        let op = self.0;
        check(statistics.len() == 2 * op.width && x.len() >= op.len(), "batch-norm statistics")?;
        let (mean, variance) = statistics.split_at_mut(op.width);
        let x = &x[..op.len()];
        match (T::f32s_mut(mean), T::f32s_mut(variance), T::f32s(x)) {
            (Some(mean), Some(variance), Some(x)) => cpu::statistics(mean, variance, x),
            _ => {
                reference::statistics((op.width, 0), mean, variance, x);
                Ok(())
            }
        }
    }
}

struct UpdateRunning<'a>(&'a BatchNorm);

impl BlockOp<1> for UpdateRunning<'_> {
    const NAME: &'static str = "batch-norm-update-running";
    fn block<T: Real>(&self, _: usize, state: &mut [T], [statistics]: [&[T]; 1]) -> Result<()> {
        let op = self.0;
        let (mean, variance) = statistics.split_at(op.width);
        reference::update_running(op.running_mean.of_mut(state), mean, T::one());
        reference::update_running(op.running_variance.of_mut(state), variance, T::of(op.unbias()));
        Ok(())
    }
}

struct ForwardTraining(BatchNorm);

impl BlockOp<3> for ForwardTraining {
    const NAME: &'static str = "batch-norm-forward-training";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [x, statistics, state]: [&[T]; 3]) -> Result<()> {
        let (mean, variance) = statistics.split_at(self.0.width);
        normalise(&self.0, y, x, [mean, variance], state)
    }
    fn cut(&self) -> Option<Cut<3>> {
        let width = self.0.width;
        Some(Cut::rows(self.0.samples, width, [width, 0, 0]))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(BatchNorm { samples: rows.len(), ..self.0 })
    }
}

struct ForwardEvaluation(BatchNorm);

impl BlockOp<2> for ForwardEvaluation {
    const NAME: &'static str = "batch-norm-forward-evaluation";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [x, state]: [&[T]; 2]) -> Result<()> {
        normalise(&self.0, y, x, [self.0.running_mean.of(state), self.0.running_variance.of(state)], state)
    }
    fn cut(&self) -> Option<Cut<2>> {
        let width = self.0.width;
        Some(Cut::rows(self.0.samples, width, [width, 0]))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(BatchNorm { samples: rows.len(), ..self.0 })
    }
    fn launch(&self, on: &Executor<'_>, y: DeviceRows, sources: [DeviceRows; 2]) -> Result<()> {
        let [x, state] = sources;
        self.0.check_device(&[y, x], &[state], &[])?;
        cuda::evaluation(&self.0, on, y, sources)
    }
}

fn normalise<T: Real>(op: &BatchNorm, y: &mut [T], x: &[T], [mean, variance]: [&[T]; 2], state: &[T]) -> Result<()> {
    check(y.len() >= op.len() && x.len() >= op.len(), "batch-norm activations")?;
    let (y, x) = (&mut y[..op.len()], &x[..op.len()]);
    let (weight, bias) = (op.weight.of(state), op.bias.of(state));
    let sources = [x, mean, variance, weight, bias];
    if let (Some(y), [Some(x), Some(mean), Some(variance), Some(weight), Some(bias)]) =
        (T::f32s_mut(y), sources.map(T::f32s))
    {
        cpu::normalise(op.relu, y, [x, mean, variance, weight, bias]);
        return Ok(());
    }
    reference::normalise(op.relu, y, [x, mean, &inverse_deviations(variance), weight, bias]);
    Ok(())
}

/// For the reference.
fn inverse_deviations<T: Real>(variance: &[T]) -> Vec<T> {
    let mut inverse = vec![T::zero(); variance.len()];
    reference::inverse_deviations(&mut inverse, variance);
    inverse
}

struct BackwardWeights<'a>(&'a BatchNorm);

impl BlockOp<4> for BackwardWeights<'_> {
    const NAME: &'static str = "batch-norm-backward-weights";
    fn block<T: Real>(&self, _: usize, gradients: &mut [T], [dy, y, x, statistics]: [&[T]; 4]) -> Result<()> {
        let op = self.0;
        let len = op.len();
        check(dy.len() >= len && y.len() >= len && x.len() >= len, "batch-norm gradients")?;
        let (mean, variance) = statistics.split_at(op.width);
        let sources = [&dy[..len], &y[..len], &x[..len], mean, variance];
        let (first, second) =
            if op.bias.offset < op.weight.offset { (op.bias, op.weight) } else { (op.weight, op.bias) };
        let (low, high) = gradients.split_at_mut(second.offset);
        let (first, second) = (first.of_mut(low), &mut high[..second.len]);
        let (bias, weight) = if op.bias.offset < op.weight.offset { (first, second) } else { (second, first) };
        if let (Some(weight), Some(bias), [Some(dy), Some(y), Some(x), Some(mean), Some(variance)]) =
            (T::f32s_mut(weight), T::f32s_mut(bias), sources.map(T::f32s))
        {
            return cpu::backward_weights(op.relu, weight, bias, [dy, y, x, mean, variance]);
        }
        let [dy, y, x, ..] = sources;
        reference::backward_weights((op.relu, 0), weight, bias, [dy, y, x, mean, &inverse_deviations(variance)]);
        Ok(())
    }
}

/// With the number of all samples.
struct BackwardData(BatchNorm, usize);

impl BlockOp<6> for BackwardData {
    const NAME: &'static str = "batch-norm-backward-data";
    fn block<T: Real>(
        &self,
        _: usize,
        dx: &mut [T],
        [dy, y, x, statistics, state, gradients]: [&[T]; 6],
    ) -> Result<()> {
        let Self(op, n) = self;
        let len = op.len();
        check(dx.len() >= len && dy.len() >= len && y.len() >= len && x.len() >= len, "batch-norm data gradient")?;
        let (mean, variance) = statistics.split_at(op.width);
        let (dx, dy, y, x) = (&mut dx[..len], &dy[..len], &y[..len], &x[..len]);
        let sources = [dy, y, x, mean, variance, op.weight.of(state), op.weight.of(gradients), op.bias.of(gradients)];
        if let (Some(dx), [Some(dy), Some(y), Some(x), Some(mean), Some(variance), Some(weight), Some(dw), Some(db)]) =
            (T::f32s_mut(dx), sources.map(T::f32s))
        {
            cpu::backward_data((op.relu, *n), dx, [dy, y, x, mean, variance, weight, dw, db]);
            return Ok(());
        }
        let [dy, y, x, .., weight, dw, db] = sources;
        reference::backward_data((op.relu, *n), dx, [dy, y, x, mean, &inverse_deviations(variance), weight, dw, db]);
        Ok(())
    }
    fn cut(&self) -> Option<Cut<6>> {
        let width = self.0.width;
        Some(Cut::rows(self.0.samples, width, [width, width, width, 0, 0, 0]))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(BatchNorm { samples: rows.len(), ..self.0 }, self.1)
    }
}

/// What [`BatchNorm::training`] launches. In the state it writes the running statistics.
struct Training<'a>(&'a BatchNorm);

impl DeviceOp<3, 1> for Training<'_> {
    const NAME: &'static str = "batch-norm-training";
    fn launch(&self, on: &Executor<'_>, writes: [DeviceRows; 3], [x]: [DeviceRows; 1]) -> Result<()> {
        let [y, statistics, state] = writes;
        self.0.check_device(&[y, x], &[state], &[statistics])?;
        cuda::training(self.0, on, writes, x)
    }
}

/// What [`BatchNorm::backward`] launches.
struct Backward<'a>(&'a BatchNorm);

impl DeviceOp<2, 5> for Backward<'_> {
    const NAME: &'static str = "batch-norm-backward";
    fn launch(&self, on: &Executor<'_>, writes: [DeviceRows; 2], reads: [DeviceRows; 5]) -> Result<()> {
        let ([dx, gradients], [dy, y, x, statistics, state]) = (writes, reads);
        self.0.check_device(&[dx, dy, y, x], &[state], &[statistics])?;
        self.0.check_gradients(gradients)?;
        cuda::backward(self.0, on, writes, reads)
    }
}

impl BatchNorm {
    /// Whether there is room for the gradients of the parameters.
    pub(super) fn check_gradients(&self, gradients: DeviceRows) -> Result<()> {
        let end = |slot: Slot| slot.offset + slot.len;
        check(end(self.weight).max(end(self.bias)) <= gradients.len, "batch-norm gradients")
    }

    /// Whether the rows hold what the kernels reach.
    pub(super) fn check_device(
        &self,
        activations: &[DeviceRows],
        state: &[DeviceRows],
        statistics: &[DeviceRows],
    ) -> Result<()> {
        let slots = [self.weight, self.bias, self.running_mean, self.running_variance];
        let end = slots.iter().map(|slot| slot.offset + self.width).max().unwrap_or(0);
        check(activations.iter().all(|rows| rows.len >= self.len()), "batch-norm activations")?;
        check(state.iter().all(|rows| rows.len >= end), "batch-norm state")?;
        check(statistics.iter().all(|rows| rows.len == 2 * self.width), "batch-norm statistics")
    }
}
