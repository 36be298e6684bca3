//! How much of an inference fits on a device at a time. No bit of a result depends on it.

use crate::config::ModelConfig;
use crate::cuda::{Engine, out_of_memory};
use crate::data::{Dataset, Pixels};
use crate::error::Result;
use crate::model::Model;
use crate::net::{Block, Buffers, made};
use crate::tensor::Buffer;
use candle_core::{DType, Device};

/// Samples of a chunk: enough for one block to fill a card.
const CHUNK: usize = 1024;
/// Samples of the smallest chunk.
const LEAST_CHUNK: usize = 32;
/// Bytes of the samples that are on the device at a time.
const WINDOW: usize = 256 << 20;
/// Bytes of the states after some blocks that wait on the device to be read together.
const STATES: usize = 16 << 20;
/// Left to the driver, to fragmentation and to scratch memory, bytes.
const RESERVE: usize = 256 << 20;

/// The buffers of a chunk.
pub(super) struct ChunkBuffers {
    pub block: Block,
    pub x: Buffer,
    /// Stands where training has gradients.
    pub no_gradients: Buffer,
}

/// How much is worked on at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkSizes {
    /// Samples that go through a block together.
    pub chunk: usize,
    /// Samples that are on the device together.
    pub window: usize,
    /// Whether the weights of all blocks stay there.
    pub keeps_weights: bool,
    /// Bytes for states that wait to be read.
    pub states: usize,
}

/// Bytes that an inference takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct InferenceMemory {
    /// Weights of a block, and blocks.
    weights: usize,
    blocks: usize,
    /// Whatever the samples: states that wait, and buffers that are none of a sample.
    fixed: usize,
    /// Each sample of a chunk: activations and x.
    chunk: usize,
    /// Each sample of a window: as it is stored, its number, its state.
    window: usize,
}

impl ChunkSizes {
    /// For `samples` samples at most.
    ///
    /// # Errors
    /// [`crate::Code::DeviceMemory`] when not even the smallest chunk fits.
    pub(super) fn of(engine: &Engine, model: &Model, data: &Dataset) -> Result<Self> {
        let config = &model.checked.config;
        let width = config.classes.len();
        let pixels = match data.pixels() {
            Pixels::U8(_) => config.input.len(),
            Pixels::Disk(values) if !values.is_floats() => config.input.len(),
            Pixels::F32(_) | Pixels::Disk(_) => 4 * config.input.len(),
        };
        let placement = config.net.placement(config.input, width)?;
        let [fixed, chunk] = buffers(config)?;
        let memory = InferenceMemory {
            weights: 4 * (placement.parameters() + placement.statistics()),
            blocks: config.blocks,
            fixed: STATES + 4 * fixed,
            chunk: 4 * chunk,
            window: pixels + 4 * (1 + width),
        };
        let free = engine.memory()?.map(|(free, _)| free);
        Self::decide(memory, free, data.samples(), model.may_be_resident())
    }

    /// Of how many of the blocks the states `[1, values]` may wait to be read together; one alone is not worth it.
    pub(super) fn waiting(&self, values: usize, blocks: usize) -> Option<usize> {
        Some((self.states / (4 * values)).min(blocks)).filter(|blocks| *blocks > 1)
    }

    fn decide(memory: InferenceMemory, free: Option<usize>, samples: usize, may_keep: bool) -> Result<Self> {
        let InferenceMemory { weights, blocks, fixed, chunk: of_chunk, window: of_window } = memory;
        let free_bytes = free.unwrap_or(usize::MAX);
        // Those of the next block arrive while those of this one are still used.
        let weights_of = |keeps: bool| weights.saturating_mul(if keeps { blocks } else { 2 });
        let total = |chunk: usize, keeps: bool| {
            let each = (of_chunk + of_window).saturating_mul(chunk.min(samples));
            (RESERVE + fixed).saturating_add(weights_of(keeps)).saturating_add(each)
        };
        let chunks = || std::iter::successors(Some(CHUNK), |chunk| (*chunk > LEAST_CHUNK).then(|| chunk / 2));
        let fitting = |keeps: bool| chunks().find(|chunk| total(*chunk, keeps) <= free_bytes);
        // A full chunk matters more than weights that stay.
        let kept = fitting(true).filter(|chunk| may_keep && *chunk == CHUNK).map(|chunk| (chunk, true));
        let Some((chunk, keeps_weights)) = kept.or_else(|| fitting(false).map(|chunk| (chunk, false))) else {
            let asked = total(LEAST_CHUNK, false);
            return Err(out_of_memory("inference", asked, free_bytes)
                .hint("free the GPU: `nvidia-smi` lists who uses it; or use device: 'cpu'"));
        };
        let left = free_bytes - (total(chunk, keeps_weights) - of_window.saturating_mul(chunk.min(samples)));
        let window = (WINDOW.min(left) / of_window / chunk).max(1) * chunk;
        Ok(Self { chunk: chunk.min(samples), window: window.min(samples), keeps_weights, states: STATES })
    }
}

impl ChunkBuffers {
    /// A block, x, and what stands in for gradients, for chunks of at most `capacity` samples.
    pub(super) fn new(config: &ModelConfig, device: Device, capacity: usize) -> Result<Self> {
        let buffers = Buffers { stacked: 1, capacity, dtype: DType::F32, device, training: false, launched: true };
        Ok(Self {
            block: Block::new(&config.net, config.input, config.classes.len(), &buffers)?,
            x: buffers.samples(config.net.launched_input(config.input, config.classes.len())?.len())?,
            no_gradients: buffers.rows(1)?,
        })
    }
}

/// Values of [`ChunkBuffers`]: whatever the samples, and for each sample. Found out by making them for one and for two
/// samples on the processor, so that nothing is forgotten or counted twice, whatever the net.
fn buffers(config: &ModelConfig) -> Result<[usize; 2]> {
    let values = |capacity| {
        let before = made();
        ChunkBuffers::new(config, Device::Cpu, capacity)?;
        Ok::<_, crate::Error>(made() - before)
    };
    let (one, two) = (values(1)?, values(2)?);
    Ok([2 * one - two, two - one])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    const MIB: usize = 1 << 20;
    const MEMORY: InferenceMemory =
        InferenceMemory { weights: 4 * MIB, blocks: 10, fixed: 2 * MIB, chunk: MIB, window: 4096 };

    fn decide(free: usize, samples: usize) -> Result<ChunkSizes> {
        ChunkSizes::decide(MEMORY, Some(free), samples, true)
    }

    fn sizes(chunk: usize, window: usize, keeps_weights: bool) -> ChunkSizes {
        ChunkSizes { chunk, window, keeps_weights, states: STATES }
    }

    #[test]
    fn as_much_as_fits_is_worked_on_at_a_time() {
        let all = sizes(1024, 65_536, true);
        assert_eq!(decide(80 << 30, 1_000_000).unwrap(), all);
        assert_eq!(ChunkSizes::decide(MEMORY, None, 1_000_000, true).unwrap(), all);
        // Few samples ask for little.
        assert_eq!(decide(RESERVE + 46 * MIB, 3).unwrap(), sizes(3, 3, true));
        // First the window shrinks, then the weights are read block by block, then the chunk shrinks.
        let window = decide(RESERVE + 42 * MIB + 1024 * MIB + 3 * 4 * MIB, 1_000_000).unwrap();
        assert_eq!(window, sizes(1024, 3 * 1024, true));
        let weights = decide(RESERVE + 10 * MIB + 1024 * MIB + 4 * MIB, 1_000_000).unwrap();
        assert_eq!(weights, sizes(1024, 1024, false));
        let chunk = decide(RESERVE + 10 * MIB + 65 * MIB, 1_000_000).unwrap();
        assert_eq!((chunk.chunk, chunk.keeps_weights), (64, false));
        assert!(chunk.window.is_multiple_of(64) && chunk.window * MEMORY.window <= 2 * MIB);
        assert!(!ChunkSizes::decide(MEMORY, None, 9, false).unwrap().keeps_weights);
    }

    #[test]
    fn too_little_memory_is_told() {
        let error = decide(RESERVE + 10 * MIB + 31 * MIB, 1_000_000).unwrap_err();
        assert_eq!((error.code, &error.received[..]), (Code::DeviceMemory, "297 MiB free"));
        assert_eq!(error.expected, "299 MiB free");
        assert!(error.what.contains("inference"), "{error}");
    }

    #[test]
    fn the_estimate_is_what_is_made_for_any_number_of_samples() {
        let nets = [
            r#"{"input":[15,17,2],"classes":[0,1,2],"blocks":3,"net":{"type":"cnn","widths":[3,4,5],"hidden":7}}"#,
            r#"{"input":[9],"classes":[0,1,2],"blocks":3,"net":{"type":"mlp","hidden":[8,5]}}"#,
        ];
        for json in nets {
            let config: ModelConfig = crate::config::from_json(json).unwrap();
            let [fixed, each] = buffers(&config).unwrap();
            let before = made();
            ChunkBuffers::new(&config, Device::Cpu, 37).unwrap();
            let inference = made() - before;
            assert_eq!(inference, fixed + 37 * each);
            // The gradients are not counted.
            let (device, dtype) = (Device::Cpu, DType::F32);
            let buffers = Buffers { stacked: 1, capacity: 37, dtype, device, training: true, launched: true };
            let before = made();
            Block::new(&config.net, config.input, config.classes.len(), &buffers).unwrap();
            buffers.samples(config.net.launched_input(config.input, config.classes.len()).unwrap().len()).unwrap();
            assert!(made() - before > inference);
        }
    }
}
