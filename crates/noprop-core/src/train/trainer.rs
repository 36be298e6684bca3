//! Steps blocks: the buffers that one worker thread needs to run any block job of a run, one step at a time.

use super::batch::Gather;
use super::plan::Plan;
use super::validation::Validator;
use crate::error::{Code, Error, Result};
use crate::net::Step;
use crate::net::{Block, Buffers, Draw, Mode};
use crate::ops::batch::NoisedLabels;
use crate::ops::squared_error::SquaredError;
use crate::tensor::{Buffer, Real, StopFlag};
use candle_core::{CpuStorage, DType, Device, Storage, Tensor};

/// Steps any block of a run in buffers of its own.
pub struct Trainer {
    block: Block,
    /// x in double precision, for checks; in f32 the batch's own is read.
    wide: Option<Buffer>,
    z: Buffer,
    gradient: Buffer,
    gradients: Buffer,
    loss: Buffer,
    /// Made at the first validation.
    validator: Option<Validator>,
}

impl Trainer {
    /// Buffers for `plan`'s batches.
    pub fn new(plan: &Plan, device: &Device) -> Result<Self> {
        Self::with_dtype(plan, device, DType::F32)
    }

    pub(crate) fn with_dtype(plan: &Plan, device: &Device, dtype: DType) -> Result<Self> {
        let config = &plan.model.config;
        let capacity = plan.options.batch_size();
        let buffers = Buffers { stacked: 1, capacity, dtype, device: device.clone(), training: true, launched: false };
        let width = config.classes.len();
        Ok(Self {
            block: Block::new(&config.net, config.input, width, &buffers)?,
            wide: (dtype != DType::F32).then(|| buffers.samples(config.input.len())).transpose()?,
            z: buffers.samples(width)?,
            gradient: buffers.samples(width)?,
            gradients: buffers.rows(plan.model.layout.parameters())?,
            loss: buffers.rows(1)?,
            validator: None,
        })
    }

    /// What measures blocks on validation samples.
    pub(super) fn validator(&mut self, plan: &Plan) -> Result<&mut Validator> {
        match &mut self.validator {
            Some(validator) => Ok(validator),
            empty => Ok(empty.insert(Validator::new(&plan.model)?)),
        }
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
        state: &Buffer,
        stop: &StopFlag,
    ) -> Result<(f64, usize)> {
        let config = &plan.model.config;
        let epoch = (step / plan.steps_per_epoch()) as usize;
        let batch = plan.batch(step)?;
        let (samples, classes) = (&batch.samples[..], &batch.classes[..]);
        let x = match &self.wide {
            None => &batch.x,
            Some(wide) => {
                Gather { data: &plan.data, samples, augmenter: plan.augmenter(epoch) }.fill(wide)?;
                wide
            }
        };
        let (seed, blocks, width) = (config.seed, &[block], config.classes.len());
        let alpha_bars = &[plan.model.schedule.alpha_bar(block - 1)];
        NoisedLabels { alpha_bars, blocks, seed, epoch, samples, classes, width }.fill(&self.z)?;

        let optimiser = plan.adamw(step);
        let optimiser = Some(&optimiser);
        let (gradients, precision) = (&self.gradients, plan.options.precision);
        let pass = Step { state, gradients, optimiser, stop, samples: samples.len(), precision };
        let mode = Mode::Training(Draw { seed, blocks, epoch, samples });
        self.block.forward(pass, mode, x, &self.z)?;
        let error = SquaredError { classes, width };
        error.forward(&self.loss, self.block.estimate())?;
        error.backward(&self.gradient, self.block.estimate(), plan.weight(block))?;
        self.block.backward(pass, mode, &self.gradient, x, &self.z)?;

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
        _ => Err(neither()),
    }
}

/// Whether every value of a contiguous tensor is a finite number, without a copy.
pub(super) fn all_finite(tensor: &Tensor) -> Result<bool> {
    // A part at a time without a way out in the middle, so that the loop is vectorised.
    fn check<T: Real>(values: &[T]) -> bool {
        values.chunks(1024).all(|part| part.iter().fold(true, |finite, value| finite & value.is_finite()))
    }
    let (storage, layout) = tensor.storage_and_layout();
    let range = layout.start_offset()..layout.start_offset() + tensor.elem_count();
    match &*storage {
        Storage::Cpu(CpuStorage::F32(values)) => Ok(check(&values[range])),
        Storage::Cpu(CpuStorage::F64(values)) => Ok(check(&values[range])),
        _ => Err(neither()),
    }
}

fn neither() -> Error {
    Error::new(Code::Internal, "a tensor of training is neither f32 nor f64 on the CPU")
}
