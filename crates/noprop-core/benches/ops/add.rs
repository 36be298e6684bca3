//! The sum of two paths of the paper's block.

use crate::support::{Bench, SAMPLES, bytes, random};
use noprop_core::ops::add::Add;

pub fn run() {
    let mut bench = Bench::new("add");
    let len = SAMPLES * 256;
    let (y, x) = (random(len), random(len));
    bench.run("forward", "128x256", bytes(3 * len), || Add { len }.forward(&y, &x).expect("a sum"));
    bench.finish();
}
