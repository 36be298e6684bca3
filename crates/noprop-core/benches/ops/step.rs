//! One whole training step of one block of every net on one core, in every precision of the machine.

use crate::support::{Bench, SAMPLES, Work, configuration, images, nets};
use candle_core::Device;
use noprop_core::config::Precision;
use noprop_core::data::InputShape;
use noprop_core::tensor::StopFlag;
use noprop_core::train::{BlockJob, Plan, Trainer};
use noprop_core::{FitOptions, Model};
use std::sync::Arc;

/// Batches of an epoch, so that what is done once an epoch weighs as little as in real training.
const BATCHES: usize = 64;

pub fn run() {
    let mut bench = Bench::new("step");
    let precisions = || Precision::OF_PROCESSORS.into_iter().filter(|precision| precision.check_processor().is_ok());
    for ((name, shape, net), precision) in
        nets().into_iter().flat_map(|case| precisions().map(move |one| (case.clone(), one)))
    {
        let (_, flops) = net.flops(InputShape::new(&shape).expect("a shape"), 10).expect("a count");
        let options = FitOptions { epochs: 1_000_000, threads: Some(1), precision, ..FitOptions::default() };
        let model = Model::new(configuration(shape, 10, net)).expect("a model");
        let plan = Plan::new(model.checked, options, Arc::new(images(shape, BATCHES * SAMPLES))).expect("a plan");
        let mut trainer = Trainer::new(&plan, &Device::Cpu).expect("a trainer");
        let mut job = BlockJob::start(&plan, 5, &Device::Cpu).expect("a job");
        let stop = StopFlag::new();
        let shape = format!("{SAMPLES}x{}x{}x{} {}", shape[0], shape[1], shape[2], precision.as_str());
        bench.run_slow(name, &shape, Work::Flops(flops * SAMPLES, precision), || {
            job.step(&plan, &mut trainer, &stop).expect("a step")
        });
    }
    bench.finish();
}
