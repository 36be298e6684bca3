//! The chain on the processor: threads share the chunks of a block.

use super::evaluator::Evaluator;
use super::{AfterBlock, SampleOptions, content};
use crate::config::{self, CheckedConfig};
use crate::data::Dataset;
use crate::diffusion::{Coefficients, initial_state, step};
use crate::error::{Code, Error, Result};
use crate::memory::zeros;
use crate::model::Model;
use crate::rng::{Purpose, Stream};
use crate::team::{Team, processors};
use crate::tensor::{Buffer, StopFlag};
use crate::threads::spawn_scoped;
use candle_core::{CpuStorage, Device, Storage};
use std::sync::{Arc, Mutex, PoisonError};

/// Samples of a chunk.
pub(super) const CHUNK: usize = 128;
/// From this many samples on, weights are read block by block instead of being kept in memory.
pub(super) const STREAMED: usize = 4 * CHUNK;

/// Multiply-adds of a chain from which on threads are started to help with it, some 4 ms: below, as for one image through ten of the paper's blocks,
/// starting them and meeting after every operation takes longer than it saves.
const WORTH_HELP: usize = 128_000_000;

/// z_T of all samples.
pub(super) fn chain(
    model: &Model,
    data: &Dataset,
    options: &SampleOptions,
    stop: &StopFlag,
    after_block: AfterBlock<'_>,
) -> Result<Vec<f32>> {
    let checked = &model.checked;
    let samples = data.samples();
    let asked = config::threads(options.threads)?;
    let threads = asked.min(samples.div_ceil(CHUNK));
    let helpers = if threads == 1 { helpers(checked, samples, asked)? } else { 0 };
    if helpers == 0 {
        return chain_of(model, data, options, threads, stop, after_block);
    }
    // A single chunk: its operations are shared.
    let team = Arc::new(Team::new(Arc::default()));
    std::thread::scope(|scope| {
        team.lead(|| {
            // Without those that the system refuses to start it takes longer, that is all.
            for seat in (0..helpers).map(|_| team.seat()) {
                let _ = spawn_scoped(scope, "noprop-infer", move || seat.help(|| false));
            }
            chain_of(model, data, options, threads, stop, after_block)
        })
    })
}

/// Threads that are worth starting to help with one chunk.
fn helpers(checked: &CheckedConfig, samples: usize, threads: usize) -> Result<usize> {
    let threads = threads.min(processors());
    if threads == 1 {
        return Ok(0);
    }
    let (flops, _) = checked.config.net.flops(checked.config.input, checked.config.classes.len())?;
    let multiply_adds = flops / 2 * samples * checked.config.blocks;
    Ok(if multiply_adds >= WORTH_HELP { threads - 1 } else { 0 })
}

fn chain_of(
    model: &Model,
    data: &Dataset,
    options: &SampleOptions,
    threads: usize,
    stop: &StopFlag,
    mut after_block: AfterBlock<'_>,
) -> Result<Vec<f32>> {
    let checked = &model.checked;
    let device = Device::Cpu;
    let (samples, width) = (data.samples(), checked.config.classes.len());
    let resident = if samples < STREAMED { model.resident()? } else { None };
    let mut evaluators =
        (0..threads).map(|_| Evaluator::new(checked, samples.min(CHUNK), &device)).collect::<Result<Vec<_>>>()?;

    let keys = content::keys(data)?;
    let mut states = zeros::<f32>(samples.saturating_mul(width), "the samples' states")?;
    for (key, z) in keys.iter().zip(states.chunks_exact_mut(width)) {
        initial_state(&Stream::of_content(options.seed, Purpose::InitialState, 0, *key), z);
    }
    for block in 1..=checked.config.blocks {
        let weights = match &resident {
            Some(blocks) => blocks[block - 1].clone(),
            None => model.block(block, &device)?,
        };
        let coefficients = options.sampler.coefficients(&checked.schedule, block, options.stochastic);
        let work = BlockWork { data, keys: &keys, weights: &weights, block, coefficients, seed: options.seed, stop };
        let chunks = Mutex::new(states.chunks_mut(CHUNK * width).enumerate());
        let next = || chunks.lock().unwrap_or_else(PoisonError::into_inner).next();
        let outcomes: Vec<Result<()>> = if threads == 1 {
            vec![work.run(&mut evaluators[0], &next)]
        } else {
            std::thread::scope(|scope| {
                let run = |evaluator| spawn_scoped(scope, "noprop-infer", || work.run(evaluator, &next));
                let started: Vec<_> = evaluators.iter_mut().map(run).collect();
                if started.iter().any(Result::is_err) {
                    // Nothing is left to do for those that were started.
                    while next().is_some() {}
                }
                let panicked = |_| Err(Error::new(Code::Internal, "an inference thread panicked"));
                started.into_iter().map(|thread| thread?.join().unwrap_or_else(panicked)).collect()
            })
        };
        outcomes.into_iter().collect::<Result<Vec<()>>>()?;
        if let Some(after_block) = &mut after_block {
            after_block(block, 0, &states);
        }
    }
    Ok(states)
}

/// What one block does to every chunk.
struct BlockWork<'a> {
    data: &'a Dataset,
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
        let estimate = evaluator.estimate(self.weights, self.data, first, states, self.stop)?;
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
