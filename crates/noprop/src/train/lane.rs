//! A lane: the buffers that one worker thread needs to run any block job of a run, one step at a time.

use super::batch::{Gather, NoisedLabels};
use super::plan::Plan;
use crate::block::{Block, Buffers, Draw, Mode};
use crate::error::{Code, Error, Result};
use crate::nn::Step;
use crate::ops::StopFlag;
use crate::ops::adamw::AdamW;
use crate::ops::squared_error::SquaredError;
use candle_core::{CpuStorage, DType, Device, Storage, Tensor};

/// Buffers for one step of one block.
pub struct Lane {
    block: Box<dyn Block>,
    x: Tensor,
    z: Tensor,
    gradient: Tensor,
    gradients: Tensor,
    loss: Tensor,
    classes: Vec<u32>,
}

impl Lane {
    /// Buffers for `plan`'s batches.
    pub fn new(plan: &Plan, device: &Device) -> Result<Self> {
        Self::with_dtype(plan, device, DType::F32)
    }

    pub(crate) fn with_dtype(plan: &Plan, device: &Device, dtype: DType) -> Result<Self> {
        let config = &plan.model.config;
        let capacity = plan.options.batch;
        let buffers = Buffers { stacked: 1, capacity, dtype, device: device.clone(), training: true };
        let width = config.classes.len();
        Ok(Self {
            block: config.net.build(config.input, width, &buffers)?,
            x: buffers.samples(config.input.len())?,
            z: buffers.samples(width)?,
            gradient: buffers.samples(width)?,
            gradients: buffers.rows(plan.model.layout.parameters())?,
            loss: buffers.rows(1)?,
            classes: Vec::with_capacity(capacity),
        })
    }

    /// One training step (from 0) of `block` on `state` `[1, 3 · parameters + statistics]`. Returns the batch's mean loss and
    /// its number of samples.
    ///
    /// # Errors
    /// [`Code::Cancelled`] when stopped; `state` is then between two steps and must not be used. [`Code::Diverged`] when the
    /// loss is not a finite number.
    pub fn step(
        &mut self,
        plan: &Plan,
        block: usize,
        step: u64,
        state: &Tensor,
        stop: &StopFlag,
    ) -> Result<(f64, usize)> {
        let config = &plan.model.config;
        let (epoch, index) = ((step / plan.steps_per_epoch()) as usize, (step % plan.steps_per_epoch()) as usize);
        let order = plan.order(epoch);
        let batch = plan.options.batch;
        let samples = &order[index * batch..((index + 1) * batch).min(order.len())];
        self.classes.clear();
        self.classes.extend(samples.iter().map(|sample| plan.classes[*sample as usize]));

        let (seed, blocks, width) = (config.seed, &[block], config.classes.len());
        Gather { data: &plan.data, samples }.fill(&self.x)?;
        let alpha_bars = &[plan.model.schedule.alpha_bar(block - 1)];
        NoisedLabels { alpha_bars, blocks, seed, epoch, samples, classes: &self.classes, width }.fill(&self.z)?;

        let pass = Step { state, gradients: &self.gradients, stop, samples: samples.len() };
        let mode = Mode::Training(Draw { seed, blocks, epoch, samples });
        self.block.forward(pass, mode, &self.x, &self.z)?;
        let error = SquaredError { classes: &self.classes, width };
        error.forward(&self.loss, self.block.estimate())?;
        error.backward(&self.gradient, self.block.estimate(), plan.weight(block))?;
        self.block.backward(pass, &self.gradient, &self.x, &self.z)?;

        let rate = plan.options.learning_rate_schedule.rate(plan.options.learning_rate, step, plan.steps());
        let layout = &plan.model.layout;
        AdamW::new(rate, plan.options.weight_decay, step + 1, layout.parameters(), layout.statistics())
            .step(state, &self.gradients)?;
        let loss = first_value(&self.loss)?;
        if !loss.is_finite() {
            return Err(diverged(block, step).received(loss.to_string()));
        }
        Ok((loss, samples.len()))
    }
}

/// The error of a block whose numbers are no longer finite.
pub(super) fn diverged(block: usize, step: u64) -> Error {
    Error::new(Code::Diverged, format!("block {block} diverged in step {}", step + 1))
        .expected("a finite loss and finite weights")
        .hint("use a smaller learning rate, and check the scale of the inputs")
}

/// Reads one value without allocating.
fn first_value(tensor: &Tensor) -> Result<f64> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(CpuStorage::F32(values)) => Ok(f64::from(values[layout.start_offset()])),
        Storage::Cpu(CpuStorage::F64(values)) => Ok(values[layout.start_offset()]),
        _ => Err(Error::new(Code::Internal, "a loss is neither f32 nor f64 on the CPU")),
    }
}
