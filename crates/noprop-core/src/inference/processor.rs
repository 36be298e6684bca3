//! The chain on the processor: threads share the chunks of a block.

use super::evaluator::Evaluator;
use super::{AfterBlock, SampleOptions, content};
use crate::config;
use crate::data::Dataset;
use crate::diffusion::{Coefficients, initial_state, step};
use crate::error::{Code, Error, Result};
use crate::memory::zeros;
use crate::model::Model;
use crate::rng::{Purpose, Stream};
use crate::tensor::{Buffer, StopFlag};
use crate::threads::spawn_scoped;
use candle_core::{CpuStorage, Device, Storage};
use std::sync::{Arc, Mutex, PoisonError};

/// Samples of a chunk.
pub(super) const CHUNK: usize = 128;
/// From this many samples on, weights are read block by block instead of being kept in memory.
pub(super) const STREAMED: usize = 4 * CHUNK;

/// z_T of all samples.
pub(super) fn chain(
    model: &Model,
    data: &Dataset,
    options: &SampleOptions,
    stop: &StopFlag,
    mut after_block: AfterBlock<'_>,
) -> Result<Vec<f32>> {
    let mut processor = Processor::new(model, data, options, stop)?;
    let mut states = processor.initial()?;
    for block in 1..=model.checked.config.blocks {
        processor.advance(block, None, &mut states)?;
        if let Some(after_block) = &mut after_block {
            after_block(block, 0, &states);
        }
    }
    Ok(states)
}

/// Runs blocks on the states of all samples of a data set.
pub(super) struct Processor<'a> {
    model: &'a Model,
    data: &'a Dataset,
    options: &'a SampleOptions,
    stop: &'a StopFlag,
    /// Which noise each sample gets.
    keys: Vec<u64>,
    /// The weights of all blocks, where they are kept in memory.
    resident: Option<Arc<Vec<Buffer>>>,
    /// One a thread.
    evaluators: Vec<Evaluator>,
}

impl<'a> Processor<'a> {
    pub(super) fn new(
        model: &'a Model,
        data: &'a Dataset,
        options: &'a SampleOptions,
        stop: &'a StopFlag,
    ) -> Result<Self> {
        let samples = data.samples();
        let threads = match (samples.div_ceil(CHUNK), options.threads) {
            // Asking the system for its processors would take as long as a small prediction.
            (1, None) => 1,
            (chunks, asked) => config::threads(asked)?.min(chunks),
        };
        let resident = if samples < STREAMED { model.resident()? } else { None };
        let evaluator = |_| Evaluator::new(&model.checked, samples.min(CHUNK), &Device::Cpu);
        let evaluators = (0..threads).map(evaluator).collect::<Result<Vec<_>>>()?;
        Ok(Self { model, data, options, stop, keys: content::keys(data)?, resident, evaluators })
    }

    /// z_0 of all samples, `[samples, classes]`.
    pub(super) fn initial(&self) -> Result<Vec<f32>> {
        let width = self.model.checked.config.classes.len();
        let mut states = zeros::<f32>(self.data.samples().saturating_mul(width), "the samples' states")?;
        for (key, z) in self.keys.iter().zip(states.chunks_exact_mut(width)) {
            initial_state(&Stream::of_content(self.options.seed, Purpose::InitialState, 0, *key), z);
        }
        Ok(states)
    }

    /// z_t of all samples in place of their z_{t−1}, by block t. With `images`, sample i sees the image of sample `images[i]`.
    pub(super) fn advance(&mut self, block: usize, images: Option<&[u32]>, states: &mut [f32]) -> Result<()> {
        let Self { model, data, options, stop, .. } = *self;
        let keys = &self.keys;
        let weights = match &self.resident {
            Some(blocks) => blocks[block - 1].clone(),
            None => model.block(block, &Device::Cpu)?,
        };
        let coefficients = options.sampler.coefficients(&model.checked.schedule, block, options.stochastic);
        let work = BlockWork { data, images, keys, weights: &weights, block, coefficients, seed: options.seed, stop };
        let chunks = Mutex::new(states.chunks_mut(CHUNK * model.checked.config.classes.len()).enumerate());
        let next = || chunks.lock().unwrap_or_else(PoisonError::into_inner).next();
        let outcomes: Vec<Result<()>> = if let [evaluator] = &mut self.evaluators[..] {
            vec![work.run(evaluator, &next)]
        } else {
            std::thread::scope(|scope| {
                let run = |evaluator| spawn_scoped(scope, "noprop-infer", || work.run(evaluator, &next));
                let started: Vec<_> = self.evaluators.iter_mut().map(run).collect();
                if started.iter().any(Result::is_err) {
                    // Nothing is left to do for those that were started.
                    while next().is_some() {}
                }
                let panicked = |_| Err(Error::new(Code::Internal, "an inference thread panicked"));
                started.into_iter().map(|thread| thread?.join().unwrap_or_else(panicked)).collect()
            })
        };
        outcomes.into_iter().collect()
    }
}

/// What one block does to every chunk.
struct BlockWork<'a> {
    data: &'a Dataset,
    /// Whose image each sample sees; its own without.
    images: Option<&'a [u32]>,
    keys: &'a [u64],
    weights: &'a Buffer,
    block: usize,
    coefficients: Coefficients,
    seed: u64,
    stop: &'a StopFlag,
}

impl BlockWork<'_> {
    /// Does it to the chunks that `next` gives.
    fn run<'s>(&self, evaluator: &mut Evaluator, next: &impl Fn() -> Option<(usize, &'s mut [f32])>) -> Result<()> {
        while let Some((chunk, states)) = next() {
            self.stop.check()?;
            self.advance(evaluator, chunk * CHUNK, states)?;
        }
        Ok(())
    }

    /// z_t from z_{t−1} for the samples from `first` on.
    fn advance(&self, evaluator: &mut Evaluator, first: usize, states: &mut [f32]) -> Result<()> {
        let width = evaluator.width();
        evaluator.take(self.data, self.images, first, states.len() / width)?;
        let estimate = evaluator.estimate(self.weights, states, self.stop)?;
        let (storage, layout) = estimate.storage_and_layout();
        let Storage::Cpu(CpuStorage::F32(estimates)) = &*storage else {
            return Err(Error::new(Code::Internal, "an estimate is not f32 on the CPU"));
        };
        let estimates = estimates[layout.start_offset()..].chunks_exact(width);
        for (key, (z, estimate)) in self.keys[first..].iter().zip(states.chunks_exact_mut(width).zip(estimates)) {
            let noise = Stream::of_content(self.seed, Purpose::SamplerNoise, self.block, *key);
            step(&self.coefficients, estimate, z, Some(&noise))?;
        }
        Ok(())
    }
}
