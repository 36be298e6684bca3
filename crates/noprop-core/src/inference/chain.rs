//! The chain on the processor, whole or with early ends.

use super::exit::{self, Ended, Exit};
use super::processor::{CHUNK, Processor, Seen, WORTH_HELP};
use super::{AfterBlock, SampleOptions, views};
use crate::config::{self, CheckedConfig};
use crate::cuda::Engine;
use crate::data::Dataset;
use crate::device::DeviceId;
use crate::error::Result;
use crate::memory::zeros;
use crate::model::Model;
use crate::team::{Team, processors};
use crate::tensor::StopFlag;
use crate::threads::spawn_scoped;
use std::sync::Arc;

/// z_T of all samples; on a device its nets run there.
pub(super) fn chain(
    model: &Model,
    data: &Dataset,
    options: &SampleOptions,
    (device, stop): (Option<DeviceId>, &StopFlag),
    (exit, views): (Option<Exit>, usize),
    after_block: AfterBlock<'_>,
) -> Result<Ended> {
    let checked = &model.checked;
    let samples = data.samples();
    let asked = config::threads(options.threads)?;
    if let Some(id) = device {
        let engine = Arc::new(Engine::open(id)?);
        return chain_of(model, data, options, (1, Some(&engine)), stop, (exit, views), after_block);
    }
    let threads = asked.min(samples.div_ceil(CHUNK));
    let helpers = if threads == 1 { helpers(checked, samples, asked)? } else { 0 };
    if helpers == 0 {
        return chain_of(model, data, options, (threads, None), stop, (exit, views), after_block);
    }
    // A single chunk: its operations are shared.
    let team = Arc::new(Team::new(Arc::default()));
    std::thread::scope(|scope| {
        team.lead(|| {
            // Without those that the system refuses to start it takes longer, that is all.
            for seat in (0..helpers).map(|_| team.seat()) {
                let _ = spawn_scoped(scope, "noprop-infer", move || seat.help(|| false));
            }
            chain_of(model, data, options, (threads, None), stop, (exit, views), after_block)
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
    (exit, views): (Option<Exit>, usize),
    after_block: AfterBlock<'_>,
) -> Result<Ended> {
    let mut processor = Processor::on(model, data, options, places, stop)?;
    match views {
        1 => one(&mut processor, model, exit, data.samples(), after_block),
        _ => mean(&mut processor, model, views, exit, data.samples(), after_block),
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

/// The means of the states of so many views, after each block too.
fn mean(
    processor: &mut Processor<'_>,
    model: &Model,
    count: usize,
    exit: Option<Exit>,
    samples: usize,
    after_block: AfterBlock<'_>,
) -> Result<Ended> {
    let (width, jobs) = (model.checked.vectors.width(), model.checked.method.jobs());
    let len = samples.saturating_mul(width);
    let mut sum = zeros::<f32>(len, "the states of views")?;
    let kept = if after_block.is_some() { jobs } else { 0 };
    let mut after: Vec<Vec<f32>> =
        (0..kept).map(|_| zeros(len, "the states of views after each block")).collect::<Result<_>>()?;
    let mut through = Vec::new();
    for number in 0..count {
        processor.view = Some(views::view(number));
        let mut gather =
            |block: usize, first: usize, states: &[f32]| add(&mut after[block - 1][first * width..], states);
        let gather: AfterBlock<'_> = if kept > 0 { Some(&mut gather) } else { None };
        let Ended { states, blocks } = one(processor, model, exit, samples, gather)?;
        add(&mut sum, &states);
        through = blocks;
    }
    let average = |states: &mut [f32]| states.iter_mut().for_each(|value| *value /= count as f32);
    average(&mut sum);
    if let Some(after_block) = after_block {
        for (block, states) in after.iter_mut().enumerate() {
            average(states);
            after_block(block + 1, 0, states);
        }
    }
    Ok(Ended { states: sum, blocks: through })
}

fn add(to: &mut [f32], values: &[f32]) {
    to.iter_mut().zip(values).for_each(|(to, value)| *to += value);
}
