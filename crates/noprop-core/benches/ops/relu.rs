//! ReLU on the hidden vectors of the original sketch's block, and its gradient on the largest activation of the paper's block.

use crate::support::{Bench, SAMPLES, bytes, random};
use noprop_core::ops::relu::Relu;

pub fn run() {
    let mut bench = Bench::new("relu");
    for (shape, len) in [("128x512", SAMPLES * 512), ("128x11x11x64", SAMPLES * 11 * 11 * 64)] {
        let op = Relu { len };
        let (y, dy) = (random(len), random(len));
        bench.run("forward", shape, bytes(2 * len), || op.forward(&y).expect("forward"));
        bench.run("backward", shape, bytes(3 * len), || op.backward(&dy, &y, 1.0).expect("backward"));
    }
    bench.finish();
}
