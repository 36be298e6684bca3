//! An epoch on the device: what its steps read and write there, so that the host waits for none of them.
//!
//! ```text
//! host:    start(epoch, order, rates)                                                              outcome
//! device:  begin_step ─ gather ─ noised labels ─ … ─ AdamW ─ store_loss ─ begin_step ─ … ─ all_finite ─┘
//! ```
//! All addresses stay the same from step to step and from epoch to epoch, so a step can be recorded once and replayed.

mod parity;

pub(crate) use parity::parity;

use super::address::{Address, address_of};
use super::engine::write;
use super::executor::Executor;
use super::launch::{Arguments, Launch, ceil_div};
use super::rows::{DeviceRows, RowsOf};
use super::step::{DeviceStep, StepTensors};
use crate::error::Result;
use crate::tensor::check;
use candle_core::{DType, Device, Tensor};

/// The tensors of an epoch.
#[derive(Debug, Clone)]
pub struct EpochTensors {
    /// u32 `[2]`: the epoch, and the step of it that comes next, from 0.
    pub counter: Tensor,
    /// u32 `[N]`: the order in which the epoch visits the samples.
    pub order: Tensor,
    /// u32 `[N]`: the class of each sample.
    pub class_of_sample: Tensor,
    /// f32 `[steps, 3]`: [`AdamW::rates`](crate::ops::adamw::AdamW::rates) of each step of the epoch.
    pub rates: Tensor,
    /// What a run reads back of an epoch, in one piece: `losses`, and behind them the words of `finite`.
    pub outcome: Tensor,
    /// f32 `[K, steps]`: the loss of each block in each step of the epoch. A view.
    pub losses: Tensor,
    /// Whether the blocks' states are finite. A view.
    finite: AllFinite,
    batch: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct BeginStepArguments {
    values: Address,
    samples: Address,
    classes: Address,
    counter: Address,
    order: Address,
    class_of_sample: Address,
    rates: Address,
    total: u32,
    batch: u32,
    steps: u32,
}

// SAFETY: mirrors the struct in epoch.cu; padding only at its end.
unsafe impl Arguments for BeginStepArguments {}

#[repr(C)]
#[derive(Clone, Copy)]
struct StoreLossArguments {
    losses: Address,
    loss: RowsOf,
    step: DeviceStep,
    blocks: u32,
    steps: u32,
}

// SAFETY: mirrors the struct in epoch.cu, without padding.
unsafe impl Arguments for StoreLossArguments {}

impl EpochTensors {
    /// Tensors for epochs of the samples whose classes are given, in batches of `batch`, with `blocks` blocks together.
    pub fn new(device: &Device, class_of_sample: &[u32], batch: usize, blocks: usize) -> Result<Self> {
        let samples = class_of_sample.len();
        check(batch > 0 && samples > 0 && blocks > 0, "sizes of an epoch")?;
        let steps = samples.div_ceil(batch);
        let outcome = Tensor::zeros(blocks * (steps + PARTS), DType::F32, device)?;
        Ok(Self {
            counter: Tensor::zeros(2, DType::U32, device)?,
            order: Tensor::zeros(samples, DType::U32, device)?,
            class_of_sample: Tensor::new(class_of_sample, device)?,
            rates: Tensor::zeros((steps, 3), DType::F32, device)?,
            losses: outcome.narrow(0, 0, blocks * steps)?.reshape((blocks, steps))?,
            finite: AllFinite { finite: outcome.narrow(0, blocks * steps, blocks * PARTS)?.reshape((blocks, PARTS))? },
            outcome,
            batch,
        })
    }

    /// Steps of an epoch; the last one may be short.
    pub fn steps(&self) -> usize {
        self.order.elem_count().div_ceil(self.batch)
    }

    /// Writes an epoch's order and rates where they were, and makes `step` the next one.
    pub fn start(&self, epoch: usize, step: usize, order: &[u32], rates: &[[f32; 3]]) -> Result<()> {
        check(order.len() == self.order.elem_count() && rates.len() == self.steps(), "order and rates of an epoch")?;
        write(&self.counter, &[epoch as u32, step as u32])?;
        write(&self.order, order)?;
        write(&self.rates, rates.as_flattened())
    }

    /// Fills `step`'s values, samples and classes for the next step of the epoch, and counts it. `step` has room for a
    /// batch; of the short last one only the first [`StepValues::samples`](super::StepValues) entries are written. Behind
    /// the last step it sets the samples to 0 and leaves the rest.
    pub fn begin_step(&self, step: &StepTensors) -> Result<()> {
        let room = step.samples.elem_count().min(step.classes.elem_count());
        check(room >= self.batch.min(self.order.elem_count()), "room for the samples of a step")?;
        let to = step.addresses()?;
        let arguments = BeginStepArguments {
            values: to.values,
            samples: to.samples,
            classes: to.classes,
            counter: address_of(&self.counter)?,
            order: address_of(&self.order)?,
            class_of_sample: address_of(&self.class_of_sample)?,
            rates: address_of(&self.rates)?,
            total: self.order.elem_count() as u32,
            batch: self.batch as u32,
            steps: self.steps() as u32,
        };
        Executor::with(self.order.device(), |on| {
            on.launch(Launch { kernel: "begin_step", grid: [1; 3], threads: 256, shared: 0, arguments })
        })
    }

    /// Finds out whether all values of each block's `state` `[K, len]` are finite, for [`Outcome::finite`].
    pub fn check_finite(&self, state: &Tensor) -> Result<()> {
        self.finite.launch(state)
    }

    /// What the values of `outcome` say.
    pub fn read(&self, outcome: &[f32]) -> Result<Outcome> {
        let (blocks, steps) = self.losses.dims2()?;
        check(outcome.len() == blocks * (steps + PARTS), "outcome of an epoch")?;
        let (losses, finite) = outcome.split_at(blocks * steps);
        Ok(Outcome {
            losses: losses.chunks_exact(steps).map(<[f32]>::to_vec).collect(),
            finite: AllFinite::told(finite),
        })
    }

    /// Writes `loss` `[K, 1]` into the column of `step` among the epoch's losses.
    pub fn store_loss(&self, step: &StepTensors, loss: &Tensor) -> Result<()> {
        let loss = DeviceRows::of(loss)?;
        let blocks = self.losses.dims()[0];
        check(loss.count == blocks && loss.len == 1, "losses of a step")?;
        let arguments = StoreLossArguments {
            losses: address_of(&self.losses)?,
            loss: loss.rows(),
            step: step.addresses()?,
            blocks: blocks as u32,
            steps: self.steps() as u32,
        };
        Executor::with(self.losses.device(), |on| {
            let grid = [ceil_div(blocks, 32), 1, 1];
            on.launch(Launch { kernel: "store_loss", grid, threads: 32, shared: 0, arguments })
        })
    }
}

/// What is known of an epoch once it is read back.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The mean losses of the batches, `[K][steps]`; those of steps that are still to come mean nothing.
    pub losses: Vec<Vec<f32>>,
    /// Whether each block's state was finite at the last [`EpochTensors::check_finite`].
    pub finite: Vec<bool>,
}

/// Whether all values of each block's state are finite: found out on the device, read once an epoch.
#[derive(Debug, Clone)]
pub struct AllFinite {
    /// Words `[K, PARTS]` among f32: 1 for a part of the row that is finite.
    finite: Tensor,
}

/// Blocks of threads that share a row.
pub const PARTS: usize = 32;

#[repr(C)]
#[derive(Clone, Copy)]
struct AllFiniteArguments {
    finite: Address,
    values: RowsOf,
    len: u32,
}

// SAFETY: mirrors the struct in epoch.cu; padding only at its end.
unsafe impl Arguments for AllFiniteArguments {}

impl AllFinite {
    /// Room for what is found out about `blocks` rows.
    pub fn new(device: &Device, blocks: usize) -> Result<Self> {
        Ok(Self { finite: Tensor::zeros((blocks, PARTS), DType::F32, device)? })
    }

    /// Puts the check of `values` `[K, len]` into the device's stream.
    pub fn launch(&self, values: &Tensor) -> Result<()> {
        let values = DeviceRows::of(values)?;
        check(values.count == self.finite.dims()[0], "rows to check")?;
        let arguments =
            AllFiniteArguments { finite: address_of(&self.finite)?, values: values.rows(), len: values.len as u32 };
        Executor::with(self.finite.device(), |on| {
            let grid = [PARTS as u32, values.count as u32, 1];
            on.launch(Launch { kernel: "all_finite", grid, threads: 256, shared: 4 * 256, arguments })
        })
    }

    /// Waits for the device. One answer a row.
    pub fn read(&self) -> Result<Vec<bool>> {
        Ok(Self::told(&self.finite.flatten_all()?.to_vec1()?))
    }

    /// One answer a row, of words among f32.
    fn told(words: &[f32]) -> Vec<bool> {
        words.chunks_exact(PARTS).map(|parts| parts.iter().all(|finite| finite.to_bits() == 1)).collect()
    }
}
