//! The chain on a device: a window of the data after the other lies there with its states, and the weights; nothing is read
//! back but the states, those after each block together.
//!
//! A window goes through all blocks chunk by chunk. Products are split as those of [`NOMINAL`] samples are, so no bit of a
//! state depends on how many samples there are, or on how they are cut.

mod chunks;
mod states;
#[cfg(all(test, feature = "emulation"))]
mod tests;

use super::{AfterBlock, SampleOptions, content};
use crate::config::Precision;
use crate::cuda::{Context, DeviceStep, Engine, Mark, Multiply, address_of};
use crate::data::Dataset;
use crate::device::DeviceId;
use crate::error::{Code, Error, Result};
use crate::memory::reserved;
use crate::method::Move;
use crate::model::Model;
use crate::net::Mode;
use crate::net::Step;
use crate::ops::sampler::{Chunk, words};
use crate::tensor::{Buffer, StopFlag};
use crate::train::DeviceData;
use candle_core::{DType, Device, Tensor};
use chunks::{ChunkBuffers, ChunkSizes};
use states::StateReader;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Rows that products are split for: a usual batch, so that a small prediction fills a card as well as it can.
const NOMINAL: usize = 128;

/// A model on a device, for any number of calls.
struct DeviceChain {
    id: DeviceId,
    engine: Engine,
    /// What the buffers are for.
    sizes: ChunkSizes,
    /// Samples that room was sought for; fewer take less.
    made_for: usize,
    buffers: ChunkBuffers,
    /// Those of every block; `None` where they are too many to keep.
    weights: Option<Vec<Buffer>>,
}

/// Samples that are worked on together.
struct Part<'a> {
    chunk: Chunk<'a>,
    /// Their states `[1, samples · classes]`, a view.
    z: Buffer,
    step: DeviceStep,
}

/// What was last used on a device; whoever uses it holds it.
#[derive(Default)]
pub(super) struct DeviceCache(Mutex<Option<DeviceChain>>);

/// z_T of all samples, by what `cache` has of the model on the device.
pub(super) fn chain(
    cache: &DeviceCache,
    id: DeviceId,
    model: &Model,
    data: &Dataset,
    options: &SampleOptions,
    stop: &StopFlag,
    after_block: AfterBlock<'_>,
) -> Result<Vec<f32>> {
    let mut kept = cache.0.lock().unwrap_or_else(PoisonError::into_inner);
    let mut chain = match kept.take() {
        Some(chain) if chain.id == id && chain.made_for >= data.samples() => chain,
        other => {
            if let Some(other) = other {
                other.give_back()?;
            }
            let engine = Engine::open(id)?;
            let sizes = ChunkSizes::of(&engine, model, data)?;
            DeviceChain::new((id, engine), model, sizes, data.samples())?
        }
    };
    let states = chain.run(model, data, options, stop, after_block)?;
    *kept = Some(chain);
    Ok(states)
}

/// The weights `[1, parameters + statistics]` of a block (from 1) where kernels look for them.
fn weights(model: &Model, block: usize, device: &Device) -> Result<Buffer> {
    let config = &model.checked.config;
    let placement = config.net.placement(config.input, config.classes.len())?;
    let packed: Vec<f32> = model.block(block, &Device::Cpu)?.flatten_all()?.to_vec1()?;
    let weights = placement.weights(&packed);
    let len = weights.len();
    Buffer::new(Tensor::from_vec(weights, (1, len), device)?)
}

impl DeviceChain {
    fn new((id, engine): (DeviceId, Engine), model: &Model, sizes: ChunkSizes, made_for: usize) -> Result<Self> {
        let config = &model.checked.config;
        let blocks = || (1..=config.blocks).map(|block| weights(model, block, &engine.device)).collect::<Result<_>>();
        Ok(Self {
            id,
            sizes,
            made_for,
            buffers: ChunkBuffers::new(config, engine.device.clone(), sizes.chunk)?,
            weights: if sizes.keeps_weights { Some(blocks()?) } else { None },
            engine,
        })
    }

    /// Gives its memory back before more is asked for, and waits until that has happened.
    fn give_back(self) -> Result<()> {
        let Self { engine, buffers, weights, .. } = self;
        drop((buffers, weights));
        engine.synchronize()
    }

    fn run(
        &mut self,
        model: &Model,
        data: &Dataset,
        options: &SampleOptions,
        stop: &StopFlag,
        mut after_block: AfterBlock<'_>,
    ) -> Result<Vec<f32>> {
        let samples = data.samples();
        let keys = content::keys(data)?;
        let mut states = reserved(samples * model.checked.config.classes.len(), "the samples' states")?;
        for first in (0..samples).step_by(self.sizes.window) {
            let window = first..samples.min(first + self.sizes.window);
            states.extend(self.run_window(model, (data, &keys, window), options, stop, &mut after_block)?);
        }
        Ok(states)
    }

    /// z_T of the samples of a window.
    fn run_window(
        &mut self,
        model: &Model,
        (data, keys, window): (&Dataset, &[u64], Range<usize>),
        options: &SampleOptions,
        stop: &StopFlag,
        after_block: &mut AfterBlock<'_>,
    ) -> Result<Vec<f32>> {
        let (samples, classes, device) = (window.len(), model.checked.config.classes.len(), &self.engine.device);
        let pixels = DeviceData::upload_part(&self.engine, data, window.clone())?;
        let numbers = Tensor::from_iter(0..samples as u32, device)?;
        let z = Tensor::zeros((1, samples * classes), DType::F32, device)?;
        let keys = &keys[window.clone()];
        let halves: Vec<u32> = words(keys).flatten().collect();
        let halves = Tensor::from_vec(halves, (samples, 2), device)?;
        let part = |at: usize| {
            let samples = self.sizes.chunk.min(samples - at);
            let on_device = address_of(&halves.narrow(0, at, 1)?)?;
            let chunk = Chunk { seed: options.seed, keys: &keys[at..at + samples], on_device, classes };
            let z = Buffer::new(z.narrow(1, at * classes, samples * classes)?)?;
            Ok(Part { chunk, z, step: DeviceStep::of_samples(address_of(&numbers.narrow(0, at, 1)?)?) })
        };
        let parts = (0..samples).step_by(self.sizes.chunk).map(part).collect::<Result<Vec<_>>>()?;
        let in_context =
            |step| Context { nominal_rows: Some(NOMINAL), ..self.engine.context(Multiply::F32, Some(step)) };

        for Part { chunk, z, step } in &parts {
            in_context(*step).run(|| chunk.start(z))?;
        }
        let blocks = model.checked.config.blocks;
        let reader = after_block.as_mut().map(|see| StateReader::new((&self.engine, self.sizes), &z, blocks, see));
        let mut reader = reader.transpose()?;
        let mut queued: Option<Mark> = None;
        let ChunkBuffers { block: net, x, no_gradients } = &mut self.buffers;
        let seen_as =
            model.checked.config.net.launched_input(model.checked.config.input, model.checked.config.classes.len())?;
        for block in 1..=blocks {
            let weights = match &self.weights {
                Some(blocks) => blocks[block - 1].clone(),
                None => weights(model, block, device)?,
            };
            // The methods that run on devices take one plain step a block.
            let moves = model.checked.method.chain(block, &[], &options.sampling())?;
            let [Move::Step { coefficients, .. }] = moves[..] else {
                return Err(Error::new(Code::Internal, "a chain of several moves a block on a device"));
            };
            for Part { chunk, z, step } in &parts {
                stop.check()?;
                // Inference is f32 whatever the training was: evaluations of one model compare.
                in_context(*step).run(|| {
                    pixels.gather(x, seen_as, chunk.keys.len(), None)?;
                    let pass = Step {
                        state: &weights,
                        gradients: no_gradients,
                        optimiser: None,
                        stop,
                        samples: chunk.keys.len(),
                        precision: Precision::F32,
                    };
                    net.forward(pass, Mode::Evaluation, x, z)?;
                    chunk.advance(z, net.estimate(), block, coefficients)
                })?;
            }
            if let Some(reader) = &mut reader {
                reader.after(block, window.start, &z)?;
            }
            // So that no more than two blocks are queued when a stop comes, and the device does not run dry between them.
            if let Some(before) = queued.replace(self.engine.mark()?) {
                self.engine.wait(&before)?;
            }
        }
        self.engine.read(&z)
    }
}
