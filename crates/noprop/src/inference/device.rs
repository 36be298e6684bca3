//! The chain on a device: data, states and weights lie there, and nothing is read back but the states.
//!
//! How products are split, and so the last bits of a state, follows from the number of samples in a chunk; the last chunk may
//! be short.

use super::{AfterBlock, SampleOptions};
use crate::block::{Block, Buffers, Mode};
use crate::config::Precision;
use crate::cuda::{DeviceStep, Engine, Multiply, address_of};
use crate::data::Dataset;
use crate::device::Spot;
use crate::error::Result;
use crate::model::Model;
use crate::nn::Step;
use crate::ops::sampler::Chunk;
use crate::ops::{Buffer, StopFlag};
use crate::train::DeviceData;
use candle_core::{DType, Tensor};

/// Samples of a chunk: enough for one block to fill a card.
const CHUNK: usize = 1024;

/// A model on a device, for any number of calls.
pub(crate) struct DeviceChain {
    spot: Spot,
    engine: Engine,
    /// Samples that the buffers are for.
    capacity: usize,
    block: Box<dyn Block>,
    x: Buffer,
    nothing: Buffer,
    /// Those of every block; `None` where they are too many to keep.
    weights: Option<Vec<Buffer>>,
}

/// Samples that are worked on together.
struct Part {
    chunk: Chunk,
    /// Their states `[1, samples · classes]`, a view.
    z: Buffer,
    step: DeviceStep,
}

/// z_T of all samples, by the model that `model` keeps on the device.
pub(super) fn chain(
    spot: Spot,
    model: &Model,
    data: &Dataset,
    options: &SampleOptions,
    stop: &StopFlag,
    after_block: AfterBlock<'_>,
) -> Result<Vec<f32>> {
    let mut kept = model.on_device();
    let capacity = data.samples().min(CHUNK);
    let mut chain = match kept.take() {
        Some(chain) if chain.spot == spot && chain.capacity >= capacity => chain,
        // Its memory is given back before more is asked for.
        other => {
            drop(other);
            DeviceChain::new(spot, model, capacity)?
        }
    };
    let states = chain.run(model, data, options, stop, after_block)?;
    *kept = Some(chain);
    Ok(states)
}

impl DeviceChain {
    fn new(spot: Spot, model: &Model, capacity: usize) -> Result<Self> {
        let engine = Engine::open(spot)?;
        let config = &model.checked.config;
        let buffers =
            Buffers { stacked: 1, capacity, dtype: DType::F32, device: engine.device.clone(), training: false };
        let blocks = || (1..=config.blocks).map(|block| model.block(block, &engine.device)).collect::<Result<_>>();
        Ok(Self {
            spot,
            capacity,
            block: config.net.build(config.input, config.classes.len(), &buffers)?,
            x: buffers.samples(config.input.len())?,
            nothing: buffers.rows(1)?,
            weights: if model.may_be_resident()? { Some(blocks()?) } else { None },
            engine,
        })
    }

    fn run(
        &mut self,
        model: &Model,
        data: &Dataset,
        options: &SampleOptions,
        stop: &StopFlag,
        mut after_block: AfterBlock<'_>,
    ) -> Result<Vec<f32>> {
        let (samples, classes, device) = (data.samples(), model.checked.config.classes.len(), &self.engine.device);
        let pixels = DeviceData::upload(&self.engine, data)?;
        let numbers = Tensor::from_iter(0..samples as u32, device)?;
        let z = Tensor::zeros((1, samples * classes), DType::F32, device)?;
        let part = |first: usize| {
            let chunk = Chunk { seed: options.seed, first, samples: self.capacity.min(samples - first), classes };
            let z = Buffer::new(z.narrow(1, first * classes, chunk.samples * classes)?)?;
            Ok(Part { chunk, z, step: DeviceStep::of_samples(address_of(&numbers.narrow(0, first, 1)?)?) })
        };
        let parts = (0..samples).step_by(self.capacity).map(part).collect::<Result<Vec<_>>>()?;

        for Part { chunk, z, step } in &parts {
            self.engine.context(Multiply::F32, Some(*step)).run(|| chunk.start(z))?;
        }
        for block in 1..=model.checked.config.blocks {
            let weights = match &self.weights {
                Some(blocks) => blocks[block - 1].clone(),
                None => model.block(block, device)?,
            };
            let coefficients = options.sampler.coefficients(&model.checked.schedule, block, options.stochastic);
            for Part { chunk, z, step } in &parts {
                stop.check()?;
                // Inference is f32 whatever the training was: evaluations of one model compare.
                self.engine.context(Multiply::F32, Some(*step)).run(|| {
                    pixels.gather(&self.x, chunk.samples)?;
                    let pass = Step {
                        state: &weights,
                        gradients: &self.nothing,
                        optimiser: None,
                        stop,
                        samples: chunk.samples,
                        precision: Precision::F32,
                    };
                    self.block.forward(pass, Mode::Evaluation, &self.x, z)?;
                    chunk.advance(z, self.block.estimate(), block, coefficients)
                })?;
            }
            // So that no more than a block is queued when a stop comes.
            self.engine.synchronize()?;
            if let Some(after_block) = &mut after_block {
                after_block(&self.engine.read(&z)?);
            }
        }
        self.engine.read(&z)
    }
}

#[cfg(all(test, feature = "emulation"))]
mod tests {
    use super::*;
    use crate::config::from_json;
    use crate::data::Pixels;
    use crate::diffusion::Sampler;
    use crate::error::Code;
    use crate::inference::{evaluate, predict};
    use crate::storage::WeightStore;
    use serde_json::Value;

    /// A model with random weights whose batch norms have seen other data than their beginning says.
    fn model(json: &str) -> Model {
        let model = Model::new(from_json(json).unwrap()).unwrap();
        let (layout, blocks) = (&model.checked.layout, model.checked.config.blocks);
        let store = WeightStore::temporary(blocks, layout.weights()).unwrap();
        for block in 1..=blocks {
            let mut weights = layout.initial_weights(1, block);
            for (index, value) in weights[layout.parameters()..].iter_mut().enumerate() {
                *value = *value * 1.5 + 0.1 * (index % 3) as f32;
            }
            store.write(block, &weights).unwrap();
        }
        model.with_weights(store, Value::Null)
    }

    fn data(model: &Model, samples: usize) -> Dataset {
        let input = model.checked.config.input;
        let values = (0..samples * input.len()).map(|value| (value * 7 % 251) as u8).collect();
        let labels = (0..samples).map(|sample| (sample % 3) as i32).collect();
        Dataset::from_arrays(Pixels::U8(values), input, Some(labels)).unwrap()
    }

    fn on(device: &str, sampler: Sampler, stochastic: bool) -> SampleOptions {
        SampleOptions { sampler, stochastic, seed: 5, threads: Some(1), device: device.parse().unwrap() }
    }

    const MLP: &str = r#"{"input":[9],"classes":[0,1,2],"blocks":4,"net":{"type":"mlp","hidden":[8,7]}}"#;
    const CNN: &str =
        r#"{"input":[14,14],"classes":[0,1,2],"blocks":3,"net":{"type":"cnn","widths":[4,6,8],"hidden":8}}"#;

    /// Sums of some hundred f32 products in another order: 1e-5 is far above their roundings, and another noise or another
    /// block's weights would change probabilities by percents.
    fn check(json: &str, samples: usize) {
        let model = model(json);
        let data = data(&model, samples);
        for sampler in [Sampler::Posterior, Sampler::Resample, Sampler::Ddim] {
            for stochastic in [false, true] {
                let run = |device| predict(&model, &data, on(device, sampler, stochastic), &StopFlag::new()).unwrap();
                let (expected, found) = (run("cpu"), run("emulated"));
                for (found, expected) in found.probabilities.iter().zip(&expected.probabilities) {
                    assert!((found - expected).abs() < 1e-5, "{sampler:?} {stochastic}: {found} {expected}");
                }
                assert_eq!(found, run("emulated"), "the buffers of the first call are used again");
            }
        }
    }

    #[test]
    fn an_mlp_predicts_as_on_the_processor_by_every_sampler() {
        check(MLP, 20);
    }

    #[test]
    fn a_second_chunk_goes_on_with_the_samples_behind_the_first() {
        let model = model(MLP);
        let data = data(&model, CHUNK + 3);
        let run = |device| predict(&model, &data, on(device, Sampler::Posterior, true), &StopFlag::new()).unwrap();
        let (expected, found) = (run("cpu"), run("emulated"));
        let pairs = found.probabilities.iter().zip(&expected.probabilities);
        assert!(pairs.clone().all(|(found, expected)| (found - expected).abs() < 1e-5));
        assert_eq!(pairs.count(), 3 * (CHUNK + 3));
    }

    #[test]
    fn a_cnn_predicts_as_on_the_processor_by_every_sampler() {
        check(CNN, 5);
    }

    #[test]
    fn evaluation_sees_the_states_after_every_block_and_sets_of_any_size_follow_each_other() {
        let model = model(MLP);
        for samples in [20, 3, 50] {
            let data = data(&model, samples);
            let run = |device| evaluate(&model, &data, on(device, Sampler::Posterior, false), &StopFlag::new()).unwrap();
            let (expected, found) = (run("cpu"), run("emulated"));
            assert_eq!(found.accuracy_per_block, expected.accuracy_per_block);
            assert_eq!((found.confusion, found.samples), (expected.confusion, samples));
        }
    }

    #[test]
    fn a_stop_is_heard() {
        let model = model(MLP);
        let stop = StopFlag::new();
        stop.stop();
        let error = predict(&model, &data(&model, 4), on("emulated", Sampler::Ddim, false), &stop).unwrap_err();
        assert_eq!(error.code, Code::Cancelled);
    }
}
