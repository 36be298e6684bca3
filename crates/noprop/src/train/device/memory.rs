//! How many blocks devices have room for.

use super::DeviceData;
use crate::block::NetConfig;
use crate::cuda::{Engine, Multiply, out_of_memory};
use crate::error::Result;
use crate::ops::adamw::AdamW;
use crate::train::Plan;

/// Left to the driver, to fragmentation and to others, bytes.
const RESERVE: usize = 512 << 20;

/// Bytes that training takes on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Demand {
    /// Whatever the number of blocks: data, order, x.
    shared: usize,
    /// Each block: state, gradients, activations and theirs.
    block: usize,
}

impl Demand {
    fn of(plan: &Plan) -> Result<Self> {
        let (config, layout, batch) = (&plan.model.config, &plan.model.layout, plan.options.batch);
        let width = config.classes.len();
        let net = config.net.activations(config.input, width, batch)?;
        let state = AdamW::state_len(layout.parameters(), layout.statistics());
        let steps = plan.steps_per_epoch() as usize;
        // z, the gradient of the estimate, the losses of an epoch.
        let values = state + layout.parameters() + net + 2 * batch * width + steps;
        let samples = plan.data.samples();
        let shared = DeviceData::bytes(&plan.data) + 4 * (samples + batch * config.input.len() + 3 * steps + 2 * batch);
        Ok(Self { shared, block: 4 * values })
    }

    fn total(&self, blocks: usize) -> usize {
        RESERVE.saturating_add(self.shared).saturating_add(self.block.saturating_mul(blocks))
    }

    /// Blocks that fit into `free` bytes.
    fn fits(&self, free: usize) -> usize {
        free.saturating_sub(self.total(0)) / self.block
    }
}

/// The most blocks of a run that can be in flight: all that there are if memory allows, or `asked`.
///
/// # Errors
/// [`crate::Code::DeviceMemory`] when not a single block fits, or fewer than were asked for.
pub(in crate::train) fn in_flight(plan: &Plan, engines: &[Engine], asked: Option<usize>) -> Result<usize> {
    let free = engines.iter().map(|engine| Ok(engine.memory()?.map(|(free, _)| free))).collect::<Result<Vec<_>>>()?;
    decide(Demand::of(plan)?, &free, asked, plan.model.config.blocks)
}

/// The devices share the blocks evenly, so the smallest decides.
fn decide(demand: Demand, free: &[Option<usize>], asked: Option<usize>, blocks: usize) -> Result<usize> {
    let wanted = asked.unwrap_or(blocks).min(blocks);
    let Some(least) = free.iter().copied().flatten().min() else { return Ok(wanted) };
    let (devices, fits) = (free.len(), demand.fits(least));
    if fits == 0 {
        return Err(out_of_memory("one block", demand.total(1), least)
            .hint("use a smaller batch or net, or free the GPU: `nvidia-smi` lists who uses it"));
    }
    match asked {
        Some(_) if wanted.div_ceil(devices) > fits => {
            Err(out_of_memory(&format!("{wanted} blocks in flight"), demand.total(wanted.div_ceil(devices)), least)
                .hint(format!("use inFlight {}, which fits, or a smaller batch", fits * devices)))
        }
        _ => Ok(wanted.min(fits * devices)),
    }
}
