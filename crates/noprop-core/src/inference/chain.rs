//! The chain on the processor, whole or with early ends.

use super::exit::{self, Ended, Exit};
use super::processor::{CHUNK, Processor, Seen};
use super::{AfterBlock, SampleOptions};
use crate::config::{self, CheckedConfig};
use crate::cuda::Engine;
use crate::data::Dataset;
use crate::device::DeviceId;
use crate::error::Result;
use crate::model::Model;
use crate::team::{Team, processors};
use crate::tensor::StopFlag;
use crate::threads::spawn_scoped;
use std::sync::Arc;

/// Multiply-adds of a chain from which on threads are started to help with it, some 4 ms: below, as for one image through ten of the paper's blocks,
/// starting them and meeting after every operation takes longer than it saves.
const WORTH_HELP: usize = 128_000_000;

/// z_T of all samples; on a device its nets run there.
pub(super) fn chain(
    model: &Model,
    data: &Dataset,
    options: &SampleOptions,
    (device, stop): (Option<DeviceId>, &StopFlag),
    exit: Option<Exit>,
    after_block: AfterBlock<'_>,
) -> Result<Ended> {
    let checked = &model.checked;
    let samples = data.samples();
    let asked = config::threads(options.threads)?;
    if let Some(id) = device {
        let engine = Arc::new(Engine::open(id)?);
        return chain_of(model, data, options, (1, Some(&engine)), stop, exit, after_block);
    }
    let threads = asked.min(samples.div_ceil(CHUNK));
    let helpers = if threads == 1 { helpers(checked, samples, asked)? } else { 0 };
    if helpers == 0 {
        return chain_of(model, data, options, (threads, None), stop, exit, after_block);
    }
    // A single chunk: its operations are shared.
    let team = Arc::new(Team::new(Arc::default()));
    std::thread::scope(|scope| {
        team.lead(|| {
            // Without those that the system refuses to start it takes longer, that is all.
            for seat in (0..helpers).map(|_| team.seat()) {
                let _ = spawn_scoped(scope, "noprop-infer", move || seat.help(|| false));
            }
            chain_of(model, data, options, (threads, None), stop, exit, after_block)
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
    places: (usize, Option<&Arc<Engine>>),
    stop: &StopFlag,
    exit: Option<Exit>,
    mut after_block: AfterBlock<'_>,
) -> Result<Ended> {
    let mut processor = Processor::on(model, data, options, places, stop)?;
    if let Some(exit) = exit {
        return exit::chain(&mut processor, model, exit, after_block);
    }
    let mut states = processor.initial()?;
    for block in 1..=model.checked.method.jobs() {
        processor.advance(block, Seen::default(), &mut states)?;
        if let Some(after_block) = &mut after_block {
            after_block(block, 0, &states);
        }
    }
    let blocks = vec![model.checked.config.blocks as u32; data.samples()];
    Ok(Ended { states, blocks })
}
