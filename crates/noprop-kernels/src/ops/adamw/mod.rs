//! One step of AdamW on all parameters of a block at once (Loshchilov & Hutter 2019, as PyTorch computes it), or of Adam whose weight
//! decay is part of the gradients (Kingma & Ba 2015).
//!
//! The state of a block is one flat buffer `[parameters | statistics | first moments | second moments]`, so a step is one
//! operation and a checkpoint one write. The batch-norm statistics lie among them untouched. Parameters do not depend on each
//! other, so a layer may also move its own as soon as it has their gradients, while both are in a cache: see
//! [`AdamW::step_part`] and [`Linear::update`](super::linear::Linear::update).

mod cpu;
mod cuda;
mod parity;
mod reference;
mod sgd;
#[cfg(test)]
mod tests;

pub(crate) use parity::parity;

use super::{BlockOp, apply, profile};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::team::{Cost, share_columns};
use crate::tensor::{Buffer, Real, Slot, check};
use candle_core::Tensor;

/// The rates of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Weight decay, on every parameter.
    pub weight_decay: f64,
    /// Which step this is, from 1.
    pub step: u64,
    /// Number of parameters.
    pub parameters: usize,
    /// Number of batch-norm statistics behind them.
    pub statistics: usize,
    /// How parameters move.
    pub rule: Rule,
}

/// How a parameter moves by its gradient.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Rule {
    /// AdamW: parameters shrink by themselves.
    #[default]
    AdamW,
    /// Adam: the gradient of ½ weight_decay ‖θ‖² is added to that of the loss.
    Adam,
    /// Stochastic gradient descent with momentum; weight decay is part of the gradient, as PyTorch's `SGD` has it. What has been
    /// gathered lies where AdamW has its first moments; the second stay 0.
    Sgd {
        /// How much of the last movement goes on.
        momentum: f64,
        /// Whether parameters move by what will have been gathered in the next step if the gradient is the same (Nesterov).
        nesterov: bool,
    },
}

/// The factors that every parameter of one step shares.
#[derive(Debug, Clone, Copy)]
struct Factors<T> {
    keep: T,
    coupled: T,
    beta1: T,
    beta2: T,
    step_size: T,
    inverse_root_correction: T,
    epsilon: T,
}

impl AdamW {
    /// PyTorch's default rates at `learning_rate` and `weight_decay`, for step `step` (from 1).
    pub fn new(learning_rate: f64, weight_decay: f64, step: u64, parameters: usize, statistics: usize) -> Self {
        let (beta1, beta2, epsilon, rule) = (0.9, 0.999, 1e-8, Rule::AdamW);
        Self { learning_rate, beta1, beta2, epsilon, weight_decay, step, parameters, statistics, rule }
    }

    /// The same for parameters that move `pace` times as fast and decay `pace` times as much by their gradient.
    pub fn paced(&self, pace: f64) -> Self {
        Self { learning_rate: pace * self.learning_rate, weight_decay: pace * self.weight_decay, ..*self }
    }

    /// Length of a block's state.
    pub fn state_len(parameters: usize, statistics: usize) -> usize {
        3 * parameters + statistics
    }

    /// Updates `state` by `gradients` `[parameters]`.
    pub fn step(&self, state: &Buffer, gradients: &Tensor) -> Result<()> {
        self.step_part(state, gradients, Slot { offset: 0, len: self.parameters })
    }

    /// The same for the parameters in `slot` alone.
    pub fn step_part(&self, state: &Buffer, gradients: &Tensor, slot: Slot) -> Result<()> {
        apply(&Update(self, slot), state, [gradients])
    }

    /// A block's `[parameters, first moments, second moments]`.
    pub(crate) fn split<'a, T>(&self, state: &'a mut [T]) -> Result<[&'a mut [T]; 3]> {
        check(state.len() == Self::state_len(self.parameters, self.statistics), "adamw state")?;
        let (parameters, rest) = state.split_at_mut(self.parameters);
        let (first, second) = rest[self.statistics..].split_at_mut(self.parameters);
        Ok([parameters, first, second])
    }

    /// Moves the parameters in `slot` by their gradients.
    pub(crate) fn update<T: Real>(&self, state: &mut [&mut [T]; 3], slot: Slot, gradients: &[T]) -> Result<()> {
        let cost = Cost { multiply_adds: 16 * slot.len, ..Cost::of_values(7 * slot.len) };
        share_columns(state.each_mut().map(|part| slot.of_mut(part)), cost, |first, state| {
            self.update_part(state, &gradients[first..]);
            Ok(())
        })
    }

    /// Moves parameters, first and second moments by the first of `gradients`.
    pub(crate) fn update_part<T: Real>(&self, [parameters, first, second]: [&mut [T]; 3], gradients: &[T]) {
        let _time = profile::enter(Update::NAME);
        if let Rule::Sgd { momentum, nesterov } = self.rule {
            let factors = sgd::Factors::of(self.learning_rate, self.weight_decay, momentum);
            if nesterov {
                sgd::step_ahead(factors, parameters, first, gradients);
            } else {
                sgd::step(factors, parameters, first, gradients);
            }
            return;
        }
        if let ([Some(parameters), Some(first), Some(second)], Some(gradients)) =
            ([&mut *parameters, &mut *first, &mut *second].map(|part| T::f32s_mut(part)), T::f32s(gradients))
        {
            cpu::step(self.factors(), parameters, first, second, gradients);
            return;
        }
        reference::step(self.factors(), parameters, first, second, gradients);
    }

    /// The factors that change from step to step, as [`StepValues`](crate::cuda::StepValues) holds them: keep, step_size,
    /// inverse_root_correction. Of descent with momentum step_size is the learning rate, and the others mean nothing.
    pub fn rates(&self) -> [f32; 3] {
        let factors = self.factors::<f32>();
        [factors.keep, factors.step_size, factors.inverse_root_correction]
    }

    fn factors<T: Real>(&self) -> Factors<T> {
        let power = self.step.min(i32::MAX as u64) as i32;
        let correction1 = 1.0 - self.beta1.powi(power);
        let correction2 = 1.0 - self.beta2.powi(power);
        let (keep, coupled, step_size) = match self.rule {
            Rule::AdamW => (1.0 - self.learning_rate * self.weight_decay, 0.0, self.learning_rate / correction1),
            Rule::Adam => (1.0, self.weight_decay, self.learning_rate / correction1),
            Rule::Sgd { .. } => (1.0, self.weight_decay, self.learning_rate),
        };
        Factors {
            keep: T::of(keep),
            coupled: T::of(coupled),
            beta1: T::of(self.beta1),
            beta2: T::of(self.beta2),
            step_size: T::of(step_size),
            inverse_root_correction: T::of(1.0 / correction2.sqrt()),
            epsilon: T::of(self.epsilon),
        }
    }
}

struct Update<'a>(&'a AdamW, Slot);

impl BlockOp<1> for Update<'_> {
    const NAME: &'static str = "adamw";
    fn block<T: Real>(&self, _: usize, state: &mut [T], [gradients]: [&[T]; 1]) -> Result<()> {
        let Self(op, slot) = self;
        check(gradients.len() == op.parameters, "adamw gradients")?;
        op.update(&mut op.split(state)?, *slot, slot.of(gradients))
    }
    fn launch(&self, on: &Executor<'_>, state: DeviceRows, [gradients]: [DeviceRows; 1]) -> Result<()> {
        let Self(op, slot) = self;
        let state_len = AdamW::state_len(op.parameters, op.statistics);
        // Rows may be padded.
        check(state.len >= state_len && gradients.len >= op.parameters, "adamw")?;
        check(slot.offset + slot.len <= op.parameters, "adamw slot")?;
        cuda::step(op, *slot, on, state, gradients)
    }
}
