//! What a run will take, before it is begun: parameters, memory, arithmetic and time.

use super::batches::Batches;
use super::device::memory;
use super::{BlockJob, Plan, Trainer};
use crate::config::Precision;
use crate::error::{Code, Error, Result};
use crate::ops::adamw::AdamW;
use crate::team::Crew;
use crate::tensor::StopFlag;
use crate::threads::spawn_scoped;
use candle_core::Device;
use serde::Serialize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long each thread is measured, after one step that is not.
const MEASURED: Duration = Duration::from_millis(500);

/// What a run takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// Number of blocks.
    pub blocks: usize,
    /// Passes over the data.
    pub epochs: usize,
    /// Samples of a step.
    pub batch: usize,
    /// Training samples.
    pub samples: usize,
    /// Optimiser steps of one block.
    pub steps_per_block: u64,
    /// Worker threads.
    pub threads: usize,
    /// Blocks in training at once.
    pub in_flight: usize,
    /// Where the run computes: `cpu`, `cuda:0`.
    pub device: String,
    /// What factors are rounded to.
    pub precision: Precision,
    /// Trained values of one block.
    pub parameters_per_block: usize,
    /// Floating-point operations of one sample through one block forward, 2 a multiply-add.
    pub forward_flops: usize,
    /// Those of forward and backward.
    pub training_flops: usize,
    /// Bytes.
    pub memory: Memory,
    /// What was measured; none where the run needs more memory than there is, and on GPUs.
    pub time: Option<Time>,
}

/// Bytes that a run holds at once, without those of the program itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// Parameters, statistics, AdamW's moments and averages of the blocks in flight. On a GPU gradients and activations too: all that
    /// each block has.
    pub blocks: usize,
    /// Activations and gradients, which each thread has. 0 on a GPU.
    pub buffers: usize,
    /// Training samples, and the batches made of them.
    pub data: usize,
    /// The sum.
    pub total: usize,
}

/// How long a run takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Time {
    /// The whole run, seconds.
    pub seconds: f64,
    /// Samples through all blocks a second.
    pub samples_per_second: f64,
    /// Steps that were measured, of all threads at the same time.
    pub measured_steps: u64,
}

/// What a run of `plan` takes. Where it needs at most `available` bytes, a few of its steps are measured, on all its threads;
/// they change nothing.
///
/// # Errors
/// As those of a step.
pub fn estimate(plan: &Plan, available: usize, stop: &StopFlag) -> Result<Estimate> {
    let (options, data) = (&plan.options, &plan.data);
    let (threads, in_flight) = (options.threads.unwrap_or(1), options.in_flight.unwrap_or(1));
    let memory = memory(plan)?;
    let (forward_flops, training_flops) = plan.model.graph()?.flops();
    let nets = plan.model.method.graphs()?.len();
    let threads = threads.min(in_flight);
    let is_measured = plan.devices.is_cpu() && memory.total <= available;
    Ok(Estimate {
        blocks: plan.model.jobs(),
        epochs: options.epochs,
        batch: options.batch_size(),
        samples: data.samples(),
        steps_per_block: plan.steps(),
        threads,
        in_flight,
        device: plan.devices.to_string(),
        precision: options.precision,
        parameters_per_block: plan.model.layout.parameters(),
        forward_flops: nets * forward_flops,
        training_flops: nets * training_flops,
        memory,
        time: is_measured.then(|| measure(plan, threads, stop)).transpose()?,
    })
}

fn memory(plan: &Plan) -> Result<Memory> {
    let (config, options, data, layout) = (&plan.model.config, &plan.options, &plan.data, &plan.model.layout);
    let (threads, in_flight) = (options.threads.unwrap_or(1), options.in_flight.unwrap_or(1));
    let (blocks, buffers, data) = if plan.devices.is_cpu() {
        let (graph, batch) = (plan.model.graph()?, options.batch_size());
        let width = plan.model.vectors.width() + graph.estimate_width();
        let average = if options.ema.is_some() { layout.weights() } else { 0 };
        let state = AdamW::state_len(layout.parameters(), layout.statistics()) + average;
        let net = graph.activations(layout, batch)?;
        // z, the gradient of the estimate, the gradients and the loss.
        let timed = if graph.form().timed { batch } else { 0 };
        // Of the steps of a differential equation: what their gradients are summed in, and their states, in double precision.
        let ode = plan.model.method.equation().map_or(0, |equation| {
            layout.parameters() + 2 * (equation.steps() + 1) * batch * plan.model.vectors.width()
        });
        let buffers = net + batch * width + layout.parameters() + 1 + timed + ode;
        let kept = Batches::bytes(options, config.input.len(), data.samples());
        (4 * state * in_flight, 4 * buffers * threads.min(in_flight), data.bytes() + kept)
    } else {
        let (blocks, shared) = memory::needed(&plan.model, options, data, plan.engines.len())?;
        (blocks, 0, shared)
    };
    Ok(Memory { blocks, buffers, data, total: blocks + buffers + data })
}

/// Steps so many blocks for a while, each on a thread, with the help of those for whom there is no block.
fn measure(plan: &Plan, blocks: usize, stop: &StopFlag) -> Result<Time> {
    let threads = plan.options.threads.unwrap_or(1).max(blocks);
    let (crew, running, seats) = (Crew::new(threads), AtomicUsize::new(blocks), Mutex::new(()));
    let help = || {
        while running.load(Ordering::SeqCst) > 0 {
            let guard = seats.lock().unwrap_or_else(PoisonError::into_inner);
            let seat = crew.seat();
            drop(guard);
            match seat {
                Some(seat) => seat.help(|| false),
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        Ok(())
    };
    let one = |block: usize| {
        let mut trainer = Trainer::new(plan, &Device::Cpu)?;
        let mut job = BlockJob::start(plan, block, &Device::Cpu)?;
        job.step(plan, &mut trainer, stop)?;
        let (started, mut steps) = (Instant::now(), 0_u64);
        while steps == 0 || started.elapsed() < MEASURED {
            if job.is_finished(plan) {
                job = BlockJob::start(plan, block, &Device::Cpu)?;
            }
            job.step(plan, &mut trainer, stop)?;
            steps += 1;
        }
        Ok((steps, started.elapsed().as_secs_f64()))
    };
    let lead = |block: usize| {
        let found = crew.team(block - 1).lead(|| one(block));
        running.fetch_sub(1, Ordering::SeqCst);
        found
    };
    let found = std::thread::scope(|scope| {
        let (lead, help) = (&lead, &help);
        let handles: Result<Vec<_>> =
            (1..=blocks).map(|block| spawn_scoped(scope, "noprop-estimate", move || lead(block))).collect();
        let helpers: Vec<_> = (blocks..threads).map(|_| spawn_scoped(scope, "noprop-estimate", help)).collect();
        let panicked = || Error::new(Code::Internal, "a thread that measured panicked");
        let found = handles.and_then(|handles| {
            let joined = handles.into_iter().map(|handle| handle.join().unwrap_or_else(|_| Err(panicked())));
            joined.collect::<Result<Vec<_>>>()
        });
        // One that panicked has not counted itself out.
        running.store(0, Ordering::SeqCst);
        helpers.into_iter().try_for_each(|helper| helper?.join().unwrap_or_else(|_| Err(panicked())))?;
        found
    })?;
    let measured_steps = found.iter().map(|(steps, _)| steps).sum();
    let steps_per_second: f64 = found.iter().map(|(steps, seconds)| *steps as f64 / seconds).sum();
    let seconds = plan.steps() as f64 * plan.model.jobs() as f64 / steps_per_second;
    let samples = plan.data.samples() as f64 * plan.options.epochs as f64;
    Ok(Time { seconds, samples_per_second: samples / seconds, measured_steps })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FitOptions, ModelConfig, from_json};
    use crate::data::{Dataset, Pixels};
    use std::sync::Arc;

    fn plan(net: &str, options: &str) -> Plan {
        let json = format!(r#"{{"input":[8,8,1],"classes":[0,1],"blocks":5,"net":{net}}}"#);
        let model = from_json::<ModelConfig>(&json).unwrap().check().unwrap();
        let labels = (0..30).map(|sample| sample % 2).collect();
        let pixels = Pixels::U8((0..30 * 64).map(|place| place as u8).collect());
        let data = Dataset::from_arrays(pixels, model.config.input, Some(labels)).unwrap();
        Plan::new(model, from_json::<FitOptions>(options).unwrap(), Arc::new(data)).unwrap()
    }

    #[test]
    fn the_buffers_are_those_that_a_trainer_makes() {
        for net in [r#"{"type":"mlp","hidden":[7]}"#, r#"{"type":"resnet","widths":[3,4],"hidden":5}"#] {
            let plan = plan(net, r#"{"batch":6,"threads":2,"inFlight":3,"device":"cpu"}"#);
            let before = crate::net::made();
            Trainer::new(&plan, &Device::Cpu).unwrap();
            let found = estimate(&plan, 0, &StopFlag::new()).unwrap();
            assert_eq!(found.memory.buffers, 2 * 4 * (crate::net::made() - before), "{net}");
            let state = 3 * plan.model.layout.parameters() + plan.model.layout.statistics();
            assert_eq!(found.memory.blocks, 3 * 4 * state);
            assert_eq!(found.time, None);
        }
    }

    #[test]
    fn a_short_run_is_measured_too() {
        let plan = plan(r#"{"type":"mlp","hidden":[7]}"#, r#"{"batch":30,"threads":2,"device":"cpu"}"#);
        let found = estimate(&plan, usize::MAX, &StopFlag::new()).unwrap();
        let time = found.time.unwrap();
        assert!(time.measured_steps >= 2 && time.seconds > 0.0 && time.samples_per_second > 0.0, "{time:?}");
        assert_eq!((found.steps_per_block, found.threads, found.in_flight), (1, 2, 5));
        let stop = StopFlag::new();
        stop.stop();
        assert_eq!(estimate(&plan, usize::MAX, &stop).unwrap_err().code, Code::Cancelled);
    }
}
