//! Two fully connected layers in each direction: the paper's block behind its convolutions (MNIST's shape), and its own.

use crate::support::{Bench, SAMPLES, Work, random};
use noprop_core::ops::linear::Linear;
use noprop_core::ops::multiply::Precision;
use noprop_core::tensor::Slot;

pub fn run() {
    let mut bench = Bench::new("linear");
    for (inputs, outputs) in [(2048, 256), (256, 256)] {
        let weight = Slot { offset: outputs, len: inputs * outputs };
        let (bias, precision) = (Some(Slot { offset: 0, len: outputs }), Precision::F32);
        let op = Linear { samples: SAMPLES, inputs, outputs, weight, bias, precision };
        let (state, gradients) = (random(outputs + weight.len), random(outputs + weight.len));
        let (x, y) = (random(SAMPLES * inputs), random(SAMPLES * outputs));
        let (dx, dy) = (random(SAMPLES * inputs), random(SAMPLES * outputs));
        let shape = format!("{SAMPLES}x{inputs} to {outputs}");
        let work = Work::Flops(2 * SAMPLES * op.multiply_adds(), precision);
        bench.run("forward", &shape, work, || op.forward(&y, &x, &state).expect("forward"));
        bench.run("backward-data", &shape, work, || op.backward_data(&dx, &dy, &state).expect("backward"));
        bench.run("backward-weights", &shape, work, || op.backward_weights(&gradients, &x, &dy).expect("backward"));
    }
    bench.finish();
}
