//! The chain on the processor, whole or with early ends.

use super::exit::{self, Ended, Exit};
use super::processor::{CHUNK, Processor, Seen, WORTH_HELP};
use super::{AfterBlock, SampleOptions, views};
use crate::config::{self, CheckedConfig};
use crate::data::Dataset;
use crate::error::Result;
use crate::model::Model;
use crate::team::{Team, processors};
use crate::tensor::StopFlag;
use crate::threads::spawn_scoped;
use std::sync::Arc;

/// z_T of all samples.
pub(super) fn chain(
    model: &Model,
    data: &Dataset,
    options: &SampleOptions,
    stop: &StopFlag,
    (exit, views): (Option<Exit>, usize),
    after_block: AfterBlock<'_>,
) -> Result<Ended> {
    let checked = &model.checked;
    let samples = data.samples();
    let asked = config::threads(options.threads)?;
    let threads = asked.min(samples.div_ceil(CHUNK));
    let helpers = if threads == 1 { helpers(checked, samples, asked)? } else { 0 };
    if helpers == 0 {
        return chain_of(model, data, options, threads, stop, (exit, views), after_block);
    }
    // A single chunk: its operations are shared.
    let team = Arc::new(Team::new(Arc::default()));
    std::thread::scope(|scope| {
        team.lead(|| {
            // Without those that the system refuses to start it takes longer, that is all.
            for seat in (0..helpers).map(|_| team.seat()) {
                let _ = spawn_scoped(scope, "noprop-infer", move || seat.help(|| false));
            }
            chain_of(model, data, options, threads, stop, (exit, views), after_block)
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
    (exit, views): (Option<Exit>, usize),
    after_block: AfterBlock<'_>,
) -> Result<Ended> {
    let mut processor = Processor::new(model, data, options, threads, stop)?;
    match views {
        1 => one(&mut processor, model, exit, data.samples(), after_block),
        _ => views::mean(&mut processor, model, views, exit, data.samples(), after_block),
    }
}

/// The chain on what the processor sees.
pub(super) fn one(
    processor: &mut Processor<'_>,
    model: &Model,
    exit: Option<Exit>,
    samples: usize,
    mut after_block: AfterBlock<'_>,
) -> Result<Ended> {
    if let Some(exit) = exit {
        return exit::chain(processor, model, exit, after_block);
    }
    let mut states = processor.initial()?;
    for block in 1..=model.checked.method.jobs() {
        processor.advance(block, Seen::default(), &mut states)?;
        if let Some(after_block) = &mut after_block {
            after_block(block, 0, &states);
        }
    }
    let blocks = vec![model.checked.config.blocks as u32; samples];
    Ok(Ended { states, blocks })
}
