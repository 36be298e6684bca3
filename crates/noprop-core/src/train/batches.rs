//! Batches, which all blocks share: a batch is a function of the step alone, so it is gathered and converted once for all
//! blocks that run in step.
//!
//! Jobs in flight advance together, a window of steps at a time ([`Plan::window`]). The cache holds the windows that threads
//! are in at one time. A job that has fallen behind them gathers its batches anew: it takes longer, and its results are the
//! same.

use super::batch::Gather;
use super::cache::Cache;
use super::plan::Plan;
use crate::config::FitOptions;
use crate::error::Result;
use crate::memory::zero_tensor;
use crate::rng;
use crate::tensor::Buffer;
use candle_core::DType;
use std::sync::{Arc, Mutex, PoisonError};

/// Greatest number of steps in a window. A window of small steps is still long beside the change to another job.
const WINDOW: usize = 8;
/// Windows that are kept: with several threads some are at the end of one while others are in the next, and one is to spare.
const WINDOWS: usize = 3;
/// Bytes that the kept batches may have. One batch a thread is kept even if it is larger.
const MAX_BYTES: usize = 32 << 20;
/// Epoch orders that are kept; blocks in flight are seldom more than one epoch apart.
const ORDERS: usize = 4;

/// What all blocks are trained on in one step.
pub struct Batch {
    /// `[1, batch · input]`, f32, of which the first `samples.len() · input` values count.
    pub x: Buffer,
    /// Each sample's index in the data set.
    pub samples: Vec<u32>,
    /// Each sample's class.
    pub classes: Vec<u32>,
}

/// The batches that blocks in flight share.
pub(super) struct Batches {
    window: usize,
    batches: Cache<Batch>,
    orders: Cache<Vec<u32>>,
    /// Sort keys of the order that is being made.
    keys: Mutex<Vec<(u64, u32)>>,
}

impl Batches {
    /// For complete options and samples of `input` values.
    pub(super) fn new(options: &FitOptions, input: usize) -> Self {
        let (threads, in_flight) = (options.threads.unwrap_or(1), options.in_flight.unwrap_or(1));
        let windows = if threads.min(in_flight) > 1 { WINDOWS } else { 1 };
        let bytes = (options.batch_size() * (4 * input + 8)).max(1);
        let steps = if in_flight > 1 { WINDOW } else { 1 };
        let capacity = (MAX_BYTES / bytes).clamp(1, windows * steps);
        let orders = if in_flight > 1 { ORDERS } else { 1 };
        Self::with_capacity(capacity, (capacity / windows).max(1), orders)
    }

    /// `capacity` batches, slices of `window` steps, `orders` epoch orders.
    pub(super) fn with_capacity(capacity: usize, window: usize, orders: usize) -> Self {
        Self { window, batches: Cache::new(capacity), orders: Cache::new(orders), keys: Mutex::default() }
    }

    pub(super) fn window(&self) -> u64 {
        self.window as u64
    }

    /// How many batches have been gathered so far.
    #[cfg(test)]
    pub(super) fn gathered(&self) -> u64 {
        self.batches.filled()
    }
}

impl Plan {
    /// The batch of step `step` (from 0): samples of its epoch's order. Gathered by the first who asks.
    pub fn batch(&self, step: u64) -> Result<Arc<Batch>> {
        let capacity = self.options.batch_size();
        let input = self.data.shape().len();
        let new = || {
            Ok(Batch {
                x: Buffer::new(zero_tensor(1, capacity * input, DType::F32, "a batch")?)?,
                samples: Vec::with_capacity(capacity),
                classes: Vec::with_capacity(capacity),
            })
        };
        self.batches.batches.get(step, new, |batch| {
            let (epoch, index) = ((step / self.steps_per_epoch()) as usize, (step % self.steps_per_epoch()) as usize);
            let order = self.order(epoch)?;
            let samples = &order[index * capacity..((index + 1) * capacity).min(order.len())];
            batch.samples.clear();
            batch.samples.extend_from_slice(samples);
            batch.classes.clear();
            batch.classes.extend(samples.iter().map(|sample| self.classes[*sample as usize]));
            Gather { data: &self.data, samples, augmenter: self.augmenter(epoch) }.fill(&batch.x)
        })
    }

    /// The order of the samples in an epoch (from 0).
    pub(super) fn order(&self, epoch: usize) -> Result<Arc<Vec<u32>>> {
        let samples = self.data.samples();
        let new = || Ok(Vec::with_capacity(samples));
        self.batches.orders.get(epoch as u64, new, |order| {
            let keys = &mut *self.batches.keys.lock().unwrap_or_else(PoisonError::into_inner);
            rng::fill_epoch_order(self.model.config.seed, epoch, samples, keys, order);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(batches kept, steps of a window)`
    fn sizes(threads: usize, in_flight: usize, batch: usize, input: usize) -> (usize, usize) {
        let (threads, in_flight) = (Some(threads), Some(in_flight));
        let batches =
            Batches::new(&FitOptions { batch: Some(batch), threads, in_flight, ..FitOptions::default() }, input);
        (batches.batches.capacity(), batches.window)
    }

    #[test]
    fn the_memory_of_kept_batches_is_bounded() {
        // MNIST: 400 KiB a batch.
        assert_eq!(sizes(1, 1, 128, 784), (1, 1));
        assert_eq!(sizes(4, 1, 128, 784), (1, 1));
        assert_eq!(sizes(1, 10, 128, 784), (8, 8));
        assert_eq!(sizes(2, 10, 128, 784), (24, 8));
        // CIFAR-10: 1.5 MiB a batch.
        assert_eq!(sizes(2, 10, 128, 3072), (21, 7));
        // 6 MiB, and 49 MiB.
        assert_eq!(sizes(64, 64, 512, 3072), (5, 1));
        assert_eq!(sizes(2, 10, 4096, 3072), (1, 1));
    }
}
