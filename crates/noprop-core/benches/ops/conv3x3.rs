//! The three stages of the paper's image pathway on MNIST's shape (convolution, ReLU, pooling but for the second, dropout),
//! in each direction.

use crate::support::{Bench, SAMPLES, Work, random};
use noprop_core::ops::conv3x3::{Backward, Conv3x3, Dims};
use noprop_core::ops::dropout::Dropout;
use noprop_core::ops::multiply::Precision;
use noprop_core::tensor::{Slot, StopFlag};

pub fn run() {
    let mut bench = Bench::new("conv3x3");
    for (side, cin, cout, pool) in [(28, 1, 32, true), (13, 32, 64, false), (11, 64, 128, true)] {
        let dims = Dims { height: side, width: side, cin, cout, pool };
        let stop = StopFlag::new();
        let weight = Slot { offset: cout, len: dims.weights() };
        let (bias, precision) = (Slot { offset: 0, len: cout }, Precision::F32);
        let op = Conv3x3 { dims, samples: SAMPLES, weight, bias, precision, stop: &stop };
        let (state, gradients) = (random(cout + dims.weights()), random(cout + dims.weights()));
        let (x, y) = (random(SAMPLES * dims.input()), random(SAMPLES * dims.stored()));
        let (dx, dy) = (random(SAMPLES * dims.input()), random(SAMPLES * dims.output()));
        let backward = Backward { dy: &dy, y: &y, scale: 1.25 };
        let samples: Vec<u32> = (0..SAMPLES as u32).collect();
        let len = dims.output();
        let dropout = Dropout { rate: 0.2, seed: 0, stage: 0, blocks: &[1], epoch: 0, samples: &samples, len };
        let shape = format!("{SAMPLES}x{side}x{side}x{cin} to {cout}");
        let work = Work::Flops(2 * SAMPLES * dims.multiply_adds(), precision);
        bench.run("forward", &shape, work, || op.forward(&y, &x, &state, Some(dropout)).expect("forward"));
        // The gradient of the images themselves is never needed.
        if cin > 1 {
            bench.run("backward-data", &shape, work, || op.backward_data(&dx, backward, &state).expect("backward"));
        }
        bench
            .run("backward-weights", &shape, work, || op.backward_weights(&gradients, &x, backward).expect("backward"));
    }
    bench.finish();
}
