//! Batches, which all blocks share: a batch is a function of the step alone, so it is gathered and converted once for all
//! blocks that run in step.
//!
//! Jobs in flight advance together, a window of steps at a time ([`Plan::window`](super::Plan::window)). The cache holds the windows that threads
//! are in at one time. A job that has fallen behind them gathers its batches anew: it takes longer, and its results are the
//! same.

use super::batch::Gather;
use super::cache::Cache;
use crate::config::FitOptions;
use crate::data::Dataset;
use crate::data::augment::{Augment, Augmenter};
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

/// How many batches are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    pub batches: usize,
    /// Steps of a window.
    pub window: usize,
    /// Epoch orders.
    pub orders: usize,
}

impl Kept {
    /// For complete options and samples of `input` values.
    fn new(options: &FitOptions, input: usize) -> Self {
        let (threads, in_flight) = (options.threads.unwrap_or(1), options.in_flight.unwrap_or(1));
        let windows = if threads.min(in_flight) > 1 { WINDOWS } else { 1 };
        let bytes = (options.batch_size() * (4 * input + 8)).max(1);
        let steps = if in_flight > 1 { WINDOW } else { 1 };
        let batches = (MAX_BYTES / bytes).clamp(1, windows * steps);
        let orders = if in_flight > 1 { ORDERS } else { 1 };
        Self { batches, window: (batches / windows).max(1), orders }
    }
}

/// The batches that blocks in flight share.
pub(super) struct Batches {
    data: Arc<Dataset>,
    /// The class of each sample.
    classes: Arc<Vec<u32>>,
    seed: u64,
    augment: Augment,
    mixup: f64,
    /// Samples of a batch; the last one of an epoch may be short.
    size: usize,
    window: usize,
    batches: Cache<Batch>,
    orders: Cache<Vec<u32>>,
    /// Sort keys of the order that is being made.
    keys: Mutex<Vec<(u64, u32)>>,
}

impl Batches {
    /// Batches of `data`, whose samples have these classes, for complete options.
    pub(super) fn new(data: Arc<Dataset>, classes: Arc<Vec<u32>>, seed: u64, options: &FitOptions) -> Self {
        let kept = Kept::new(options, data.shape().len());
        Self {
            data,
            classes,
            seed,
            augment: options.augment,
            mixup: options.mixup,
            size: options.batch_size(),
            window: kept.window,
            batches: Cache::new(kept.batches),
            orders: Cache::new(kept.orders),
            keys: Mutex::default(),
        }
    }

    /// The same with another number of kept ones.
    #[cfg(test)]
    pub(super) fn keeping(self, kept: Kept) -> Self {
        let (batches, orders) = (Cache::new(kept.batches), Cache::new(kept.orders));
        Self { window: kept.window, batches, orders, ..self }
    }

    /// Bytes of the batches and orders that are kept at most, for complete options and samples of `input` values.
    pub(super) fn bytes(options: &FitOptions, input: usize, samples: usize) -> usize {
        let kept = Kept::new(options, input);
        // The keys by which an order is sorted have 16 bytes.
        kept.batches * options.batch_size() * (4 * input + 8) + samples * (4 * kept.orders + 16)
    }

    pub(super) fn window(&self) -> u64 {
        self.window as u64
    }

    /// How many batches have been gathered so far.
    #[cfg(test)]
    pub(super) fn gathered(&self) -> u64 {
        self.batches.filled()
    }

    /// Steps of one epoch; the last one may be short.
    pub(super) fn steps_per_epoch(&self) -> u64 {
        self.data.samples().div_ceil(self.size) as u64
    }

    /// What makes the images of an epoch (from 0) others than those of the data set, if anything does.
    pub(super) fn augmenter(&self, epoch: usize) -> Option<Augmenter> {
        let (augment, mixup, seed) = (self.augment, self.mixup, self.seed);
        (!augment.is_none() || mixup > 0.0).then_some(Augmenter { augment, seed, epoch, mixup })
    }

    /// The batch of step `step` (from 0): samples of its epoch's order. Gathered by the first who asks.
    pub(super) fn get(&self, step: u64) -> Result<Arc<Batch>> {
        let (size, input) = (self.size, self.data.shape().len());
        let new = || {
            Ok(Batch {
                x: Buffer::new(zero_tensor(1, size * input, DType::F32, "a batch")?)?,
                samples: Vec::with_capacity(size),
                classes: Vec::with_capacity(size),
            })
        };
        self.batches.get(step, new, |batch| {
            let (epoch, index) = ((step / self.steps_per_epoch()) as usize, (step % self.steps_per_epoch()) as usize);
            let order = self.order(epoch)?;
            let samples = &order[index * size..((index + 1) * size).min(order.len())];
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
        self.orders.get(epoch as u64, new, |order| {
            let keys = &mut *self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            rng::fill_epoch_order(self.seed, epoch, samples, keys, order);
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
        let options = FitOptions { batch: Some(batch), threads, in_flight, ..FitOptions::default() };
        let kept = Kept::new(&options, input);
        (kept.batches, kept.window)
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
