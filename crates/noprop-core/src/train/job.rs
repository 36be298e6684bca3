//! A block job: (block, data, seed, epochs) → weights, interruptible after any step.

use super::early_stopping::verdict;
use super::plan::Plan;
use super::progress::End;
use super::trainer::{Trainer, all_finite, diverged};
use super::validation::{Measured, Score};
use super::values::Towards;
use crate::device::allocated;
use crate::error::{Code, Error, Result};
use crate::memory::{reserved, zeros};
use crate::ops::adamw::AdamW;
use crate::ops::apply;
use crate::tensor::{Buffer, StopFlag};
use candle_core::{CpuStorage, Device, Storage, Tensor};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Epochs whose losses a job has room for from its beginning, so that the end of an epoch does not allocate.
const RESERVED_EPOCHS: usize = 1 << 16;

/// What is known of a job besides its state: enough to go on from here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Progress {
    /// The block, from 1.
    pub block: usize,
    /// Steps done.
    pub step: u64,
    /// Σ loss over the samples of the running epoch.
    pub loss_sum: f64,
    /// Samples of the running epoch so far.
    pub loss_samples: u64,
    /// Mean loss of each finished epoch.
    pub losses: Vec<f64>,
    /// Its validations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation: Vec<Score>,
    /// Why it has ended, unless all of its steps are done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<End>,
    /// Time spent in steps.
    pub seconds: f64,
}

impl Progress {
    /// A block (from 1) at its beginning.
    fn new(block: usize) -> Self {
        let (losses, validation) = (Vec::new(), Vec::new());
        Self { block, step: 0, loss_sum: 0.0, loss_samples: 0, losses, validation, ended: None, seconds: 0.0 }
    }

    /// Whether nothing is left to do.
    pub fn is_finished(&self, plan: &Plan) -> bool {
        self.step == plan.steps() || self.ended.is_some()
    }

    /// The epoch of the best validation, where a block ends with its weights.
    pub fn best_epoch(&self, plan: &Plan) -> Option<usize> {
        let stopping = plan.options.early_stopping.filter(|stopping| stopping.restore_best)?;
        self.validation.get(verdict(&self.validation, &stopping).best).map(|score| score.epoch)
    }

    /// Counts a step by its batch's mean loss. Returns whether it ended an epoch.
    ///
    /// # Errors
    /// [`Code::Diverged`] when the loss is not a finite number.
    pub(super) fn count(&mut self, plan: &Plan, loss: f64) -> Result<bool> {
        if !loss.is_finite() {
            return Err(diverged(self.block, self.step).received(loss.to_string()));
        }
        let samples = plan.samples_of(self.step);
        self.loss_sum += loss * samples as f64;
        self.loss_samples += samples as u64;
        self.step += 1;
        let ends_epoch = self.step.is_multiple_of(plan.steps_per_epoch());
        if ends_epoch {
            self.losses.push(self.loss_sum / self.loss_samples as f64);
            (self.loss_sum, self.loss_samples) = (0.0, 0);
        }
        Ok(ends_epoch)
    }
}

/// A block in training.
pub struct BlockJob {
    /// How far it is.
    pub progress: Progress,
    /// `[1, 3 · parameters + statistics]`: parameters, statistics and both moments.
    state: Buffer,
    /// The weights of the best validation, where the block is to end with them.
    best: Option<Vec<f32>>,
    /// The average of its weights so far, `[1, parameters + statistics]`, where the block is to end with that.
    average: Option<Buffer>,
}

impl BlockJob {
    /// The job at its beginning.
    pub fn start(plan: &Plan, block: usize, device: &Device) -> Result<Self> {
        let layout = plan.model.layout_of(block);
        let mut state = zeros(AdamW::state_len(layout.parameters(), layout.statistics()), "a block's state")?;
        let weights = &mut state[..layout.weights()];
        match &plan.from {
            Some(from) => weights.copy_from_slice(&from.weights(block)?),
            None => {
                layout.write_initial_weights(plan.model.config.seed, block, weights);
                layout.write_data_weights(&plan.data, &StopFlag::new(), weights)?;
            }
        }
        let average = plan.options.ema.map(|_| state[..layout.weights()].to_vec());
        Self::go_on(plan, Progress::new(block), state, [None, average], device)
    }

    /// The job as a checkpoint left it: its state, and the weights of its best validation and their average if they are kept.
    pub fn go_on(
        plan: &Plan,
        mut progress: Progress,
        state: Vec<f32>,
        [best, average]: [Option<Vec<f32>>; 2],
        device: &Device,
    ) -> Result<Self> {
        let len = state.len();
        let epochs = plan.options.epochs.min(RESERVED_EPOCHS);
        progress.losses.reserve_exact(epochs.saturating_sub(progress.losses.len()));
        let state = allocated(device, 4 * len, Tensor::from_vec(state, (1, len), device))?;
        let average = average.map(row).transpose()?;
        Ok(Self { progress, state: Buffer::new(state)?, best, average })
    }

    /// Whether every step is done.
    pub fn is_finished(&self, plan: &Plan) -> bool {
        self.progress.is_finished(plan)
    }

    /// One step. Returns the batch's mean loss.
    ///
    /// # Errors
    /// See [`Trainer::step`]; the job must be dropped after an error.
    pub fn step(&mut self, plan: &Plan, trainer: &mut Trainer, stop: &StopFlag) -> Result<f64> {
        let started = Instant::now();
        let progress = &mut self.progress;
        let (loss, _) = trainer.step(plan, progress.block, progress.step, &self.state, stop)?;
        if let (Some(average), Some(ema)) = (&self.average, plan.options.ema) {
            // What is left of the first weights goes faster at first (TensorFlow's `num_updates`).
            let steps = (progress.step + 1) as f64;
            let keep = ema.min((1.0 + steps) / (10.0 + steps));
            apply(&Towards { share: 1.0 - keep, len: average.elem_count() }, average, [&self.state])?;
        }
        // A ReLU turns NaN into 0, so a finite loss alone does not vouch for the weights.
        let ends_epoch = progress.count(plan, loss)?;
        if ends_epoch && !all_finite(&self.state)? {
            return Err(diverged(self.progress.block, self.progress.step - 1).received("weights that are not finite"));
        }
        self.progress.seconds += started.elapsed().as_secs_f64();
        if ends_epoch {
            self.validate(plan, trainer, stop)?;
        }
        Ok(loss)
    }

    /// Measures the block on the validation samples, if it is time, and ends it if it does not get better.
    fn validate(&mut self, plan: &Plan, trainer: &mut Trainer, stop: &StopFlag) -> Result<()> {
        let (block, epoch) = (self.progress.block, self.progress.losses.len());
        let Some(validation) = plan.validation_after(epoch) else { return Ok(()) };
        // A head sees no image: there is nothing to hold out.
        if plan.model.head_of(block).is_some() {
            return Ok(());
        }
        let score = match validation.measured {
            Measured::Estimates => {
                trainer.validator(plan)?.score(&plan.model, validation, (block, epoch), self.seen(), stop)?
            }
            Measured::Model => {
                let found = validation.of_model(&plan.model, vec![self.weights_now(plan)?], stop)?;
                let Some((accuracy, loss)) = found else { return Ok(()) };
                Score { epoch, loss, accuracy }
            }
        };
        self.progress.validation.push(score);
        let Some(stopping) = &plan.options.early_stopping else { return Ok(()) };
        let verdict = verdict(&self.progress.validation, stopping);
        if stopping.restore_best && verdict.best + 1 == self.progress.validation.len() {
            self.best = Some(values(self.seen(), plan.model.layout_of(self.progress.block).weights())?);
        }
        if verdict.ends && epoch < plan.options.epochs {
            self.progress.ended = Some(End::EarlyStopping);
        }
        Ok(())
    }

    /// Steps until `until` says stop after a step, or the job is finished.
    pub fn run(
        &mut self,
        plan: &Plan,
        trainer: &mut Trainer,
        stop: &StopFlag,
        mut until: impl FnMut(&Self, f64) -> bool,
    ) -> Result<()> {
        while !self.is_finished(plan) {
            let loss = self.step(plan, trainer, stop)?;
            if until(self, loss) {
                break;
            }
        }
        Ok(())
    }

    /// Puts what a device has made of the state in its place.
    pub(super) fn set_state(&mut self, state: Vec<f32>) -> Result<()> {
        self.state = row(state)?;
        Ok(())
    }

    /// Parameters, statistics and both moments.
    pub fn state(&self) -> Result<Vec<f32>> {
        values(&self.state, self.state.elem_count())
    }

    /// The weights of the best validation, where the block is to end with them.
    pub(super) fn best(&self) -> Option<&[f32]> {
        self.best.as_deref()
    }

    /// The average of its weights, where the block is to end with that.
    pub(super) fn average(&self) -> Result<Option<Vec<f32>>> {
        self.average.as_ref().map(|average| values(average, average.elem_count())).transpose()
    }

    /// What begins with the weights that the block has to show: their average, or else the state.
    fn seen(&self) -> &Buffer {
        self.average.as_ref().unwrap_or(&self.state)
    }

    /// The weights `[1, parameters + statistics]` as they are.
    pub(super) fn weights_now(&self, plan: &Plan) -> Result<Buffer> {
        row(values(self.seen(), plan.model.layout_of(self.progress.block).weights())?)
    }

    /// The weights `[parameters | statistics]` that the block would end with now.
    pub(super) fn weights_so_far(&self, plan: &Plan) -> Result<Vec<f32>> {
        match &self.best {
            Some(best) => Ok(best.clone()),
            None => values(self.seen(), plan.model.layout_of(self.progress.block).weights()),
        }
    }

    /// The trained weights `[parameters | statistics]`.
    ///
    /// # Errors
    /// [`Code::NotTrained`] before the last step.
    pub fn weights(&self, plan: &Plan) -> Result<Vec<f32>> {
        if !self.is_finished(plan) {
            return Err(Error::new(Code::NotTrained, "the block job is not finished"));
        }
        self.weights_so_far(plan)
    }
}

/// The first values of a tensor `[1, …]`.
fn values(from: &Buffer, len: usize) -> Result<Vec<f32>> {
    let (storage, layout) = from.storage_and_layout();
    let Storage::Cpu(CpuStorage::F32(state)) = &*storage else {
        return Ok(from.narrow(1, 0, len)?.flatten_all()?.to_vec1()?);
    };
    let mut values = reserved(len, "a copy of a block's state")?;
    values.extend_from_slice(&state[layout.start_offset()..][..len]);
    Ok(values)
}

/// These values as a tensor `[1, …]` on the processor.
fn row(values: Vec<f32>) -> Result<Buffer> {
    let len = values.len();
    Buffer::new(Tensor::from_vec(values, (1, len), &Device::Cpu)?)
}

/// When a job in flight last wrote a checkpoint or a progress event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Every {
    period: Duration,
    last: Instant,
}

impl Every {
    pub(super) fn new(period: Duration) -> Self {
        Self { period, last: Instant::now() }
    }

    /// Whether a period has passed since this last said so.
    pub(super) fn is_due(&mut self) -> bool {
        self.is_due_at(Instant::now())
    }

    fn is_due_at(&mut self, now: Instant) -> bool {
        let due = now.duration_since(self.last) >= self.period;
        if due {
            self.last = now;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_every_period_is_due_once_in_each() {
        let mut every = Every::new(Duration::from_millis(100));
        let began = every.last;
        let due: Vec<_> = (0..500).filter(|ms| every.is_due_at(began + Duration::from_millis(*ms))).collect();
        assert_eq!(due, [100, 200, 300, 400]);
        // After a pause it does not catch up.
        let due = [750, 751, 849, 850].map(|ms| every.is_due_at(began + Duration::from_millis(ms)));
        assert_eq!(due, [true, false, false, true]);
    }
}
