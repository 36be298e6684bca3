//! Batch normalisation of the paper's block's hidden vectors, as a training step does it, with ReLU.

use crate::support::{Bench, SAMPLES, bytes, random};
use noprop_core::ops::batch_norm::BatchNorm;
use noprop_core::tensor::Slot;

const WIDTH: usize = 256;

pub fn run() {
    let mut bench = Bench::new("batch_norm");
    let slot = |index: usize| Slot { offset: index * WIDTH, len: WIDTH };
    let (weight, bias, running_mean, running_variance) = (slot(1), slot(0), slot(2), slot(3));
    let op = BatchNorm { samples: SAMPLES, width: WIDTH, weight, bias, running_mean, running_variance, relu: true };
    let (state, gradients, statistics) = (random(4 * WIDTH), random(2 * WIDTH), random(2 * WIDTH));
    let [x, y, dx, dy] = [(); 4].map(|()| random(SAMPLES * WIDTH));
    let values = SAMPLES * WIDTH;
    let shape = format!("{SAMPLES}x{WIDTH}");
    // x is gone over for the mean, for the variance and for the values; y is written.
    bench.run("forward", &shape, bytes(4 * values), || {
        op.statistics(&statistics, &x).expect("statistics");
        op.forward_training(&y, &x, &statistics, &state).expect("forward");
    });
    // dy, y and x are gone over twice: for the parameters' gradients, and for dx, which is written.
    bench.run("backward", &shape, bytes(7 * values), || {
        op.backward_weights(&gradients, [&dy, &y, &x, &statistics]).expect("backward");
        op.backward_data(&dx, [&dy, &y, &x, &statistics, &state, &gradients]).expect("backward");
    });
    bench.finish();
}
