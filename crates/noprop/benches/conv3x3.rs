//! The three convolutions of the paper's block on MNIST's shape, in each direction.

mod support;

use noprop::ops::conv3x3::{Conv3x3, Dims};
use noprop::ops::{Slot, StopFlag};
use support::{Bench, SAMPLES, Work, random};

fn main() {
    let mut bench = Bench::new("conv3x3");
    for (side, cin, cout) in [(28, 1, 32), (13, 32, 64), (11, 64, 128)] {
        let dims = Dims { height: side, width: side, cin, cout };
        let stop = StopFlag::new();
        let weight = Slot { offset: cout, len: dims.weights() };
        let op = Conv3x3 { dims, samples: SAMPLES, weight, bias: Slot { offset: 0, len: cout }, stop: &stop };
        let (state, gradients) = (random(cout + dims.weights()), random(cout + dims.weights()));
        let (x, y) = (random(SAMPLES * dims.input()), random(SAMPLES * dims.output()));
        let (dx, dy) = (random(SAMPLES * dims.input()), random(SAMPLES * dims.output()));
        let shape = format!("{SAMPLES}x{side}x{side}x{cin} to {cout}");
        let work = Work::Flops(2 * SAMPLES * dims.multiply_adds());
        bench.run("forward", &shape, work, || op.forward_relu(&y, &x, &state).expect("forward"));
        // The gradient of the images themselves is never needed.
        if cin > 1 {
            bench.run("backward-data", &shape, work, || op.backward_data(&dx, &dy, &state).expect("backward"));
        }
        bench.run("backward-weights", &shape, work, || op.backward_weights(&gradients, &x, &dy).expect("backward"));
    }
    bench.finish();
}
