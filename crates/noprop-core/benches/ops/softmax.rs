//! Softmax of a batch over ten and over a hundred classes.

use crate::support::{Bench, SAMPLES, bytes, random};
use noprop_core::ops::softmax::Softmax;

pub fn run() {
    let mut bench = Bench::new("softmax");
    for classes in [10, 100] {
        let op = Softmax { samples: SAMPLES, classes };
        let len = SAMPLES * classes;
        let (logits, gradient) = (random(len), random(len));
        let shape = format!("{SAMPLES}x{classes}");
        bench.run("forward", &shape, bytes(2 * len), || op.forward(&logits).expect("forward"));
        bench.run("backward", &shape, bytes(3 * len), || op.backward(&gradient, &logits).expect("backward"));
    }
    bench.finish();
}
