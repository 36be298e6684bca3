//! What a training step consists of: each operation's share of its time, on one core. Ten blocks take turns as in a run.
//!
//! Convolutions and products are what a step is for; all other operations together are the "small operations". Where ReLU and
//! pooling happen in the registers of a convolution's tile, they count to the convolution.

use crate::support::{SAMPLES, configuration, images, keep, nets};
use candle_core::Device;
use noprop_core::ops::profile::{self, BETWEEN};
use noprop_core::ops::simd::InstructionSet;
use noprop_core::tensor::StopFlag;
use noprop_core::train::{BlockJob, Plan, Trainer};
use noprop_core::{FitOptions, Model, NetConfig, Result};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const BLOCKS: usize = 10;
/// Batches of an epoch, so that what is done once an epoch weighs as little as in real training.
const BATCHES: usize = 64;
/// How long steps are measured.
const TIME: Duration = Duration::from_secs(2);

pub fn run() {
    let records: Vec<Value> = nets()
        .into_iter()
        .flat_map(|(name, shape, net)| {
            let (times, steps) = measure(shape, net).expect("training steps");
            let shape = format!("{name}, {SAMPLES}x{}x{}x{}", shape[0], shape[1], shape[2]);
            report(&shape, &times, steps)
        })
        .collect();
    keep("parts", &records);
}

/// The time of each operation, and in how many steps.
fn measure(shape: [usize; 3], net: NetConfig) -> Result<(Vec<(&'static str, Duration)>, u32)> {
    let options = FitOptions { epochs: 1_000_000, threads: Some(1), ..FitOptions::default() };
    let model = Model::new(configuration(shape, BLOCKS, net))?;
    let plan = Plan::new(model.checked, options, Arc::new(images(shape, BATCHES * SAMPLES)))?;
    let mut trainer = Trainer::new(&plan, &Device::Cpu)?;
    let mut jobs = (1..=BLOCKS).map(|block| BlockJob::start(&plan, block, &Device::Cpu)).collect::<Result<Vec<_>>>()?;
    let (stop, mut steps) = (StopFlag::new(), 0);
    let mut turns = |steps: &mut u32| {
        for job in &mut jobs {
            for _ in 0..plan.window() {
                job.step(&plan, &mut trainer, &stop)?;
                *steps += 1;
            }
        }
        Result::Ok(())
    };
    turns(&mut 0)?;
    profile::start();
    let started = Instant::now();
    while started.elapsed() < TIME {
        turns(&mut steps)?;
    }
    Ok((profile::finish(), steps))
}

/// Prints the operations, the longest first, and the sum of the small ones; returns the records of the table.
fn report(shape: &str, times: &[(&'static str, Duration)], steps: u32) -> Vec<Value> {
    let whole: Duration = times.iter().map(|(_, time)| *time).sum();
    let is_small = |name: &str| !name.starts_with("conv3x3") && !name.starts_with("linear") && name != BETWEEN;
    let small = times.iter().filter(|(name, _)| is_small(name)).map(|(_, time)| *time).sum();
    let mut rows: Vec<_> = times.iter().map(|(name, time)| (*name, *time)).collect();
    rows.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
    rows.push(("all small operations", small));
    println!("parts/{shape}: {:.2} ms a step", whole.as_secs_f64() * 1e3 / f64::from(steps));
    rows.into_iter()
        .map(|(name, time)| {
            let share = time.as_secs_f64() / whole.as_secs_f64();
            println!("  {name}: {:.1} %", 100.0 * share);
            json!({
                "operation": "parts of a step", "direction": name, "shape": shape, "share": share,
                "meanNs": time.as_secs_f64() * 1e9 / f64::from(steps), "threads": 1,
                "instructionSet": InstructionSet::current().as_str(),
            })
        })
        .collect()
}
