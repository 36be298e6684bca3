//! Peak memory of training 10 and 100 of the paper's blocks on MNIST's shape, one in flight, each in a process of its own.

use crate::support::{SAMPLES, configuration, images, keep};
use noprop_core::ops::simd::InstructionSet;
use noprop_core::train::{Event, Plan, Training};
use noprop_core::{FitOptions, Model, NetConfig};
use serde_json::json;
use std::env;
use std::process::Command;
use std::sync::{Arc, mpsc};

const SHAPE: [usize; 3] = [28, 28, 1];
/// Names the number of blocks that the process is to train.
const BLOCKS: &str = "NOPROP_BENCH_BLOCKS";

/// What a process that is to train so many blocks does and prints; whether this is one.
pub fn train_alone() -> bool {
    let Ok(blocks) = env::var(BLOCKS) else { return false };
    train(blocks.parse().expect("a number of blocks"));
    println!("{}", peak_mebibytes().unwrap_or(f64::NAN));
    true
}

pub fn run() {
    if peak_mebibytes().is_none() {
        return println!("memory: not measured, because this system does not tell a process its peak in /proc");
    }
    let records: Vec<_> = [10, 100]
        .map(|blocks| {
            let program = env::current_exe().expect("this program");
            let output = Command::new(program).env(BLOCKS, blocks.to_string()).output().expect("a process");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let peak: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number of mebibytes");
            println!("memory/training {blocks} blocks, one in flight: peak {peak:.0} MiB");
            json!({
                "operation": "memory", "direction": format!("training {blocks} blocks, one in flight"),
                "shape": format!("{SAMPLES}x28x28x1"), "mebibytes": peak, "threads": 1,
                "instructionSet": InstructionSet::current().as_str(),
            })
        })
        .into();
    keep("memory", &records);
}

/// Two steps of each block, one block after the other.
fn train(blocks: usize) {
    let model = Model::new(configuration(SHAPE, blocks, NetConfig::default())).expect("a model");
    let options = FitOptions { threads: Some(1), in_flight: Some(1), ..FitOptions::default() };
    let plan = Plan::new(model.checked, options, Arc::new(images(SHAPE, 2 * SAMPLES))).expect("a plan");
    let (ended, next) = mpsc::channel();
    let observer = move |event: Event| {
        if let Event::Block { .. } | Event::Failed { .. } = event {
            let _ = ended.send(());
        }
    };
    let training = Training::start(plan, Box::new(observer)).expect("a run");
    for block in 1..=blocks {
        training.start_block(block).expect("a block");
        next.recv().expect("the end of the block");
    }
    training.finish().expect("trained blocks");
}

/// The most memory that this process has held at once. Linux tells it.
fn peak_mebibytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok()? / 1024.0)
}
