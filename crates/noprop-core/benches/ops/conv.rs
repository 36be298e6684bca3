//! The convolutions of a residual net on CIFAR-10's shape, in each direction: kernels of 3 at each of its sizes, and the two
//! that halve an image.

use crate::support::{Bench, SAMPLES, Work, random};
use noprop_core::ops::conv::{Conv, Dims, Padding};
use noprop_core::ops::multiply::Precision;
use noprop_core::tensor::{Slot, StopFlag};

pub fn run() {
    let mut bench = Bench::new("conv");
    for [side, cin, cout, kernel, stride] in [
        [32, 64, 64, 3, 1],
        [16, 128, 128, 3, 1],
        [8, 256, 256, 3, 1],
        [32, 3, 64, 3, 1],
        [32, 64, 128, 3, 2],
        [32, 64, 128, 1, 2],
    ] {
        let padding = Padding::Same;
        let dims = Dims { height: side, width: side, cin, cout, kernel, stride, padding };
        let stop = StopFlag::new();
        let (weight, precision) = (Slot { offset: 0, len: dims.weights() }, Precision::F32);
        let op = Conv { dims, samples: SAMPLES, weight, bias: None, precision, stop: &stop };
        let (state, gradients) = (random(dims.weights()), random(dims.weights()));
        let (x, y) = (random(SAMPLES * dims.input()), random(SAMPLES * dims.output()));
        let (dx, dy) = (random(SAMPLES * dims.input()), random(SAMPLES * dims.output()));
        let shape = format!("{SAMPLES}x{side}x{side}x{cin} to {cout}, {kernel}x{kernel} by {stride}");
        let work = Work::Flops(2 * SAMPLES * dims.multiply_adds(), precision);
        bench.run("forward", &shape, work, || op.forward(&y, &x, &state).expect("forward"));
        // The gradient of the images themselves is never needed.
        if cin > 3 {
            bench.run("backward-data", &shape, work, || op.backward_data(&dx, &dy, &state).expect("backward"));
        }
        bench.run("backward-weights", &shape, work, || op.backward_weights(&gradients, &x, &dy).expect("backward"));
    }
    bench.finish();
}
