//! One step of AdamW on the parameters of the paper's block for MNIST.

use crate::support::{Bench, bytes, random};
use noprop_core::ops::adamw::AdamW;
use noprop_core::tensor::Buffer;

const PARAMETERS: usize = 919_946;

pub fn run() {
    let mut bench = Bench::new("adamw");
    let op = AdamW::new(1e-3, 1e-3, 100, PARAMETERS, 0);
    // Second moments are never negative.
    let state = random(AdamW::state_len(PARAMETERS, 0)).abs().expect("absolute values");
    let state = Buffer::new(state).expect("a buffer");
    let gradients = random(PARAMETERS);
    // Parameters and both moments are read and written, gradients are read.
    bench.run("step", &PARAMETERS.to_string(), bytes(7 * PARAMETERS), || op.step(&state, &gradients).expect("a step"));
    bench.finish();
}
