//! One whole training step of one block on one core, batch 128, with its FLOP/s: the paper's block on the shapes of MNIST and
//! CIFAR-10, and the seed's block.

use candle_core::Device;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use noprop::config::{FitOptions, from_json};
use noprop::data::{Dataset, InputShape, Pixels};
use noprop::ops::StopFlag;
use noprop::train::{BlockJob, Lane, Plan};
use noprop::{Model, NetConfig};
use std::sync::Arc;

const BATCH: usize = 128;
/// Batches of an epoch, so that what is done once an epoch counts as little as in real training.
const BATCHES: usize = 64;

fn step(criterion: &mut Criterion) {
    let mlp = NetConfig::Mlp { hidden: vec![512; 3], dropout: 0.0 };
    for (name, shape, net) in [
        ("cnn-mnist", [28, 28, 1], NetConfig::default()),
        ("cnn-cifar10", [32, 32, 3], NetConfig::default()),
        ("mlp-mnist", [28, 28, 1], mlp),
    ] {
        let input = InputShape::new(&shape).expect("a shape");
        let json = format!(r#"{{"input":{shape:?},"classes":[0,1,2,3,4,5,6,7,8,9]}}"#);
        let config = noprop::ModelConfig { net: net.clone(), ..from_json(&json).expect("a configuration") };
        let pixels = (0..BATCHES * BATCH * input.len()).map(|index| (index * 7919 % 251) as u8).collect();
        let labels = (0..(BATCHES * BATCH) as i32).map(|sample| sample % 10).collect();
        let data = Dataset::from_arrays(Pixels::U8(pixels), input, Some(labels)).expect("a data set");
        let options = FitOptions { epochs: 1_000_000, threads: Some(1), ..FitOptions::default() };
        let model = Model::new(config).expect("a model");
        let plan = Plan::new(model.checked.clone(), options, Arc::new(data)).expect("a plan");
        let mut lane = Lane::new(&plan, &Device::Cpu).expect("a lane");
        let mut job = BlockJob::start(&plan, 5, &Device::Cpu).expect("a job");
        let (_, flops) = net.flops(input, 10).expect("a count");
        let mut group = criterion.benchmark_group("step");
        // One element is one counted floating-point operation.
        group.throughput(Throughput::Elements((flops * BATCH) as u64));
        group.bench_function(name, |b| b.iter(|| job.step(&plan, &mut lane, &StopFlag::new())));
        group.finish();
    }
}

criterion_group!(benches, step);
criterion_main!(benches);
