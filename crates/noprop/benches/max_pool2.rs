//! The two poolings of the paper's block on MNIST's shape. The backward pass replaces the activations by their gradient.

mod support;

use noprop::ops::max_pool2::MaxPool2;
use support::{Bench, SAMPLES, bytes, random};

fn main() {
    let mut bench = Bench::new("max_pool2");
    for (side, channels) in [(26, 32), (9, 128)] {
        let op = MaxPool2 { samples: SAMPLES, height: side, width: side, channels };
        let (inputs, outputs) = (SAMPLES * op.input(), SAMPLES * op.output());
        let (x, y) = (random(inputs), random(outputs));
        let shape = format!("{SAMPLES}x{side}x{side}x{channels}");
        bench.run("forward", &shape, bytes(inputs + outputs), || op.forward(&y, &x).expect("forward"));
        bench.run("backward", &shape, bytes(2 * inputs + outputs), || op.backward(&x, &y).expect("backward"));
    }
    bench.finish();
}
