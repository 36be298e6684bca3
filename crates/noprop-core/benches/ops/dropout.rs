//! Dropout behind the second convolution of the paper's block: its random numbers are computed anew for every value.

use crate::support::{Bench, SAMPLES, bytes, random};
use noprop_core::ops::dropout::Dropout;

pub fn run() {
    let mut bench = Bench::new("dropout");
    let len = 11 * 11 * 64;
    let samples: Vec<u32> = (0..SAMPLES as u32).collect();
    let op = Dropout { rate: 0.2, seed: 0, stage: 1, blocks: &[1], epoch: 0, samples: &samples, len };
    let y = random(SAMPLES * len);
    // After many passes every value is 0 or infinite; the kernel takes the same time for those.
    bench.run("forward", "128x11x11x64", bytes(2 * SAMPLES * len), || op.forward(&y).expect("forward"));
    bench.finish();
}
