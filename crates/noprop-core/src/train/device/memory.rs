//! How many blocks devices have room for.

use super::DeviceData;
use crate::config::{CheckedConfig, FitOptions};
use crate::cuda::{Engine, PARTS, out_of_memory};
use crate::data::Dataset;
use crate::error::Result;
use crate::ops::adamw::AdamW;

/// Left to the driver, to fragmentation and to others, bytes.
const RESERVE: usize = 512 << 20;
/// Room for the sums of a product that is split in depth: at most 48 tiles of 128 × 128 values a block, which the scratch
/// memory rounds up to a power of two.
const SCRATCH: usize = 2 * 4 * 48 * 128 * 128;

/// Bytes that training takes on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TrainingMemory {
    /// Whatever the number of blocks: data, order, x.
    shared: usize,
    /// Each block: state, gradients, activations and theirs.
    block: usize,
}

impl TrainingMemory {
    /// For complete options.
    fn of(model: &CheckedConfig, options: &FitOptions, data: &Dataset) -> Result<Self> {
        let batch = options.batch_size();
        let launched = model.launched(false, true)?;
        let (net, placement) = (launched.values(batch)?, &launched.placement);
        let width = launched.width + launched.estimate_width();
        let state = AdamW::state_len(placement.parameters(), placement.statistics());
        let samples = data.samples();
        let steps = samples.div_ceil(batch);
        // Those of the steps of a differential equation, summed.
        let summed = model.method.equation().map_or(0, |_| placement.parameters());
        // z, the gradient of the estimate, the loss, and what is read back of an epoch.
        let values = state + placement.parameters() + summed + net + batch * width + 1 + steps + PARTS;
        let input = launched.seen_as.len();
        let shared = DeviceData::bytes(data) + 4 * (samples + batch * input + 3 * steps + 2 * batch);
        Ok(Self { shared, block: 4 * values + SCRATCH })
    }

    fn total(&self, blocks: usize) -> usize {
        RESERVE.saturating_add(self.shared).saturating_add(self.block.saturating_mul(blocks))
    }

    /// Blocks that fit into `free` bytes.
    fn fits(&self, free: usize) -> usize {
        free.saturating_sub(self.total(0)) / self.block
    }
}

/// Bytes that training takes on each of so many devices: `(blocks in flight, whatever their number)`.
pub(in crate::train) fn needed(
    model: &CheckedConfig,
    options: &FitOptions,
    data: &Dataset,
    devices: usize,
) -> Result<(usize, usize)> {
    let memory = TrainingMemory::of(model, options, data)?;
    let blocks = options.in_flight.unwrap_or(1).div_ceil(devices);
    Ok((memory.block.saturating_mul(blocks), memory.shared))
}

/// Bytes that a step of one block must move: weights read in both passes, gradients written and read, parameters and both
/// moments read and written, each activation and its gradient written and read once.
pub(crate) fn floor(model: &CheckedConfig, options: &FitOptions) -> Result<usize> {
    let (config, parameters, batch) = (&model.config, model.layout.parameters(), options.batch_size());
    let width = config.classes.len();
    let activations = config.net.activations(config.input, width, batch, false)? + 2 * batch * width;
    Ok(4 * ((2 + 2 + 6) * parameters + 2 * activations))
}

/// The most blocks of a run that can be in flight: all that there are if memory allows, or `asked`.
///
/// # Errors
/// [`crate::Code::DeviceMemory`] when not a single block fits, or fewer than were asked for.
pub(in crate::train) fn in_flight(
    model: &CheckedConfig,
    options: &FitOptions,
    data: &Dataset,
    engines: &[Engine],
    asked: Option<usize>,
) -> Result<usize> {
    let free = engines.iter().map(|engine| Ok(engine.memory()?.map(|(free, _)| free))).collect::<Result<Vec<_>>>()?;
    decide(TrainingMemory::of(model, options, data)?, &free, asked, model.jobs())
}

/// The devices share the blocks evenly, so the smallest decides.
fn decide(memory: TrainingMemory, free: &[Option<usize>], asked: Option<usize>, blocks: usize) -> Result<usize> {
    let wanted = asked.unwrap_or(blocks).min(blocks);
    let Some(least) = free.iter().copied().flatten().min() else { return Ok(wanted) };
    let (devices, fits) = (free.len(), memory.fits(least));
    if fits == 0 {
        return Err(out_of_memory("one block", memory.total(1), least)
            .hint("use a smaller batch or net, or free the GPU: `nvidia-smi` lists who uses it"));
    }
    match asked {
        Some(_) if wanted.div_ceil(devices) > fits => {
            Err(out_of_memory(&format!("{wanted} blocks in flight"), memory.total(wanted.div_ceil(devices)), least)
                .hint(format!("use inFlight {}, which fits, or a smaller batch", fits * devices)))
        }
        _ => Ok(wanted.min(fits * devices)),
    }
}

#[cfg(all(test, feature = "emulation"))]
mod tests {
    use super::*;
    use crate::config::{ModelConfig, from_json};
    use crate::data::Pixels;
    use crate::error::Code;
    use crate::train::Plan;
    use crate::train::device::Stack;
    use std::sync::Arc;

    const MIB: usize = 1 << 20;
    const MEMORY: TrainingMemory = TrainingMemory { shared: 100 * MIB, block: 10 * MIB };

    #[test]
    fn all_blocks_are_in_flight_if_there_is_room_and_else_as_many_as_fit() {
        let free = |blocks: usize| Some(RESERVE + 100 * MIB + blocks * 10 * MIB);
        let default = |free: &[Option<usize>], blocks| decide(MEMORY, free, None, blocks).unwrap();
        assert_eq!(default(&[None], 1000), 1000);
        assert_eq!(default(&[free(12)], 10), 10);
        assert_eq!(default(&[free(7)], 10), 7);
        // The smaller of two devices decides.
        assert_eq!(default(&[free(7), free(3)], 10), 6);
        assert_eq!(decide(MEMORY, &[free(12)], Some(3), 10).unwrap(), 3);
        assert_eq!(decide(MEMORY, &[free(12)], Some(30), 10).unwrap(), 10);
    }

    #[test]
    fn too_little_memory_is_told_with_what_would_fit() {
        let free = Some(RESERVE + 150 * MIB);
        let error = decide(MEMORY, &[free], Some(8), 10).unwrap_err();
        assert_eq!(error.code, Code::DeviceMemory);
        assert_eq!((&error.expected[..], &error.received[..]), ("692 MiB free", "662 MiB free"));
        assert!(error.what.contains("8 blocks") && error.hint.contains("inFlight 5"), "{error}");
        let error = decide(MEMORY, &[Some(MIB)], None, 10).unwrap_err();
        assert!(error.what.contains("one block"), "{error}");
    }

    /// Bytes of the tensors that are made in a stack, less those of another: of one block more.
    #[test]
    fn the_estimate_counts_every_buffer_of_a_block() {
        let nets = [
            r#"{"input":[15,17,2],"classes":[0,1,2],"blocks":3,"net":{"type":"cnn","widths":[3,4,5],"hidden":7}}"#,
            r#"{"input":[9],"classes":[0,1,2],"blocks":3,"net":{"type":"mlp","hidden":[8,5]}}"#,
            r#"{"input":[9],"classes":[0,1,2],"method":"adjoint","blocks":1,"net":{"type":"mlp","hidden":[8,5]}}"#,
        ];
        for json in nets {
            let model = from_json::<ModelConfig>(json).unwrap().check().unwrap();
            let pixels = Pixels::U8(vec![1; 10 * model.config.input.len()]);
            let labels = Some((0..10).map(|sample| sample % 3).collect());
            let data = Dataset::from_arrays(pixels, model.config.input, labels).unwrap();
            let options = FitOptions { batch: Some(4), device: "emulated".parse().unwrap(), ..FitOptions::default() };
            let plan = Plan::new(model, options, Arc::new(data)).unwrap();
            let values = |stacked: usize| {
                let before = crate::net::made();
                Stack::new(&plan, &plan.engines[0], stacked, false).unwrap();
                crate::net::made() - before
            };
            let memory = TrainingMemory::of(&plan.model, &plan.options, &plan.data).unwrap();
            // What is read back of an epoch of 3 steps, and scratch memory, are no buffers of a block.
            assert_eq!(4 * (values(2) - values(1) + 3 + PARTS) + SCRATCH, memory.block);
        }
    }
}
