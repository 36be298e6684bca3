//! How much of an inference fits on a device at a time. No bit of a result depends on it.

use crate::cuda::{Engine, out_of_memory};
use crate::data::{Dataset, Pixels};
use crate::error::Result;
use crate::model::Model;

/// Samples of a chunk: enough for one block to fill a card.
const CHUNK: usize = 1024;
/// Samples of the smallest chunk.
const LEAST_CHUNK: usize = 32;
/// Bytes of the samples that are on the device at a time.
const WINDOW: usize = 256 << 20;
/// Left to the driver, to fragmentation and to scratch memory, bytes.
const RESERVE: usize = 256 << 20;

/// How much is worked on at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// Samples that go through a block together.
    pub chunk: usize,
    /// Samples that are on the device together.
    pub window: usize,
    /// Whether the weights of all blocks stay there.
    pub keeps_weights: bool,
}

/// Bytes that an inference takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Demand {
    /// Weights of a block, and blocks.
    weights: usize,
    blocks: usize,
    /// Each sample of a chunk: activations and x.
    chunk: usize,
    /// Each sample of a window: as it is stored, its number, its state.
    window: usize,
}

impl Room {
    /// For `samples` samples at most.
    ///
    /// # Errors
    /// [`crate::Code::DeviceMemory`] when not even the smallest chunk fits.
    pub(super) fn of(engine: &Engine, model: &Model, data: &Dataset) -> Result<Self> {
        let config = &model.checked.config;
        let width = config.classes.len();
        // A sample's share of a full chunk. It counts the gradients too, which inference does not make.
        let activations = config.net.activations(config.input, width, CHUNK)?.div_ceil(CHUNK);
        let pixels = match data.pixels() {
            Pixels::U8(_) => config.input.len(),
            Pixels::F32(_) => 4 * config.input.len(),
        };
        let store = model.weights()?;
        let demand = Demand {
            weights: 4 * store.block_len(),
            blocks: store.blocks(),
            chunk: 4 * (activations + config.input.len()),
            window: pixels + 4 * (1 + width),
        };
        let free = engine.memory()?.map(|(free, _)| free);
        Self::decide(demand, free, data.samples(), model.may_be_resident()?)
    }

    fn decide(demand: Demand, free: Option<usize>, samples: usize, may_keep: bool) -> Result<Self> {
        let Demand { weights, blocks, chunk: of_chunk, window: of_window } = demand;
        let free_bytes = free.unwrap_or(usize::MAX);
        // Those of the next block arrive while those of this one are still used.
        let weights_of = |keeps: bool| weights.saturating_mul(if keeps { blocks } else { 2 });
        let total = |chunk: usize, keeps: bool| {
            let each = (of_chunk + of_window).saturating_mul(chunk.min(samples));
            RESERVE.saturating_add(weights_of(keeps)).saturating_add(each)
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
        Ok(Self { chunk: chunk.min(samples), window: window.min(samples), keeps_weights })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    const MIB: usize = 1 << 20;
    const DEMAND: Demand = Demand { weights: 4 * MIB, blocks: 10, chunk: MIB, window: 4096 };

    fn decide(free: usize, samples: usize) -> Result<Room> {
        Room::decide(DEMAND, Some(free), samples, true)
    }

    #[test]
    fn as_much_as_fits_is_worked_on_at_a_time() {
        let all = Room { chunk: 1024, window: 65_536, keeps_weights: true };
        assert_eq!(decide(80 << 30, 1_000_000).unwrap(), all);
        assert_eq!(Room::decide(DEMAND, None, 1_000_000, true).unwrap(), all);
        // Few samples ask for little.
        assert_eq!(decide(RESERVE + 44 * MIB, 3).unwrap(), Room { chunk: 3, window: 3, keeps_weights: true });
        // First the window shrinks, then the weights are read block by block, then the chunk shrinks.
        let window = decide(RESERVE + 40 * MIB + 1024 * MIB + 3 * 4 * MIB, 1_000_000).unwrap();
        assert_eq!(window, Room { chunk: 1024, window: 3 * 1024, keeps_weights: true });
        let weights = decide(RESERVE + 8 * MIB + 1024 * MIB + 4 * MIB, 1_000_000).unwrap();
        assert_eq!(weights, Room { chunk: 1024, window: 1024, keeps_weights: false });
        let chunk = decide(RESERVE + 8 * MIB + 65 * MIB, 1_000_000).unwrap();
        assert_eq!((chunk.chunk, chunk.keeps_weights), (64, false));
        assert!(chunk.window.is_multiple_of(64) && chunk.window * DEMAND.window <= 2 * MIB);
        assert!(!Room::decide(DEMAND, None, 9, false).unwrap().keeps_weights);
    }

    #[test]
    fn too_little_memory_is_told() {
        let error = decide(RESERVE + 8 * MIB + 31 * MIB, 1_000_000).unwrap_err();
        assert_eq!((error.code, &error.received[..]), (Code::DeviceMemory, "295 MiB free"));
        assert_eq!(error.expected, "297 MiB free");
        assert!(error.what.contains("inference"), "{error}");
    }
}
