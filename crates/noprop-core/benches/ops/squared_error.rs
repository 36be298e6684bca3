//! The blocks' loss and its gradient, over ten and over a hundred classes.

use crate::support::{Bench, SAMPLES, bytes, random};
use noprop_core::ops::squared_error::SquaredError;

pub fn run() {
    let mut bench = Bench::new("squared_error");
    for width in [10, 100] {
        let classes: Vec<u32> = (0..SAMPLES).map(|sample| (sample % width) as u32).collect();
        let op = SquaredError { classes: &classes, width };
        let len = SAMPLES * width;
        let (estimate, gradient, loss) = (random(len), random(len), random(1));
        let shape = format!("{SAMPLES}x{width}");
        bench.run("forward", &shape, bytes(len), || op.forward(&loss, &estimate).expect("forward"));
        bench.run("backward", &shape, bytes(2 * len), || op.backward(&gradient, &estimate, 1.0).expect("backward"));
    }
    bench.finish();
}
