//! Operations that move values or do one thing to each: what a transformer reads and joins on CIFAR-10's shape (64 patches of 48 values,
//! 65 tokens of 128), products of paths, features of times, embeddings of labels.

use crate::support::{Bench, SAMPLES, bytes, random};
use noprop_core::ops::copy_columns::CopyColumns;
use noprop_core::ops::embed::Embed;
use noprop_core::ops::mul::Mul;
use noprop_core::ops::patches::Patches;
use noprop_core::ops::positions::Positions;
use noprop_core::ops::time_features::TimeFeatures;
use noprop_core::tensor::Slot;

pub fn run() {
    patches();
    positions();
    copy_columns();
    mul();
    time_features();
    embed();
}

fn patches() {
    let mut bench = Bench::new("patches");
    let op = Patches { samples: SAMPLES, height: 32, width: 32, channels: 3, patch: 4 };
    let len = SAMPLES * op.tokens() * op.token_len();
    let (x, y) = (random(len), random(len));
    bench.run("forward", "128x32x32x3", bytes(2 * len), || op.forward(&y, &x).expect("patches"));
    bench.run("backward", "128x32x32x3", bytes(2 * len), || op.backward(&x, &y).expect("gradients"));
    bench.finish();
}

fn positions() {
    let mut bench = Bench::new("positions");
    let (len, shape) = (65 * 128, "128x65x128");
    let op = Positions { samples: SAMPLES, len, parameter: Slot { offset: 0, len } };
    let (y, state, gradients) = (random(SAMPLES * len), random(len), random(len));
    bench.run("forward", shape, bytes(2 * SAMPLES * len), || op.forward(&y, &state).expect("a sum"));
    bench.run("backward-weights", shape, bytes(SAMPLES * len), || {
        op.backward_weights(&gradients, &y).expect("gradients");
    });
    bench.finish();
}

/// How tokens are joined and vectors concatenated.
fn copy_columns() {
    let mut bench = Bench::new("copy_columns");
    let (width, to_stride) = (64 * 128, 65 * 128);
    let (from_stride, from_offset, to_offset) = (width, 0, 128);
    let op = CopyColumns { rows: SAMPLES, width, from_stride, from_offset, to_stride, to_offset, add: false };
    let (x, y) = (random(SAMPLES * width), random(SAMPLES * to_stride));
    bench.run("forward", "128x8192", bytes(2 * SAMPLES * width), || op.forward(&y, &x).expect("a copy"));
    bench.run("backward", "128x8192", bytes(2 * SAMPLES * width), || op.backward(&x, &y).expect("a copy"));
    bench.finish();
}

fn mul() {
    let mut bench = Bench::new("mul");
    let len = SAMPLES * 65 * 128;
    let (y, a, b) = (random(len), random(len), random(len));
    bench.run("forward", "128x65x128", bytes(3 * len), || Mul { len }.forward(&y, &a, &b).expect("a product"));
    bench.finish();
}

fn time_features() {
    let mut bench = Bench::new("time_features");
    let op = TimeFeatures { samples: SAMPLES, width: 64 };
    let (y, time) = (random(SAMPLES * op.width), random(SAMPLES));
    bench.run("forward", "128x64", bytes(SAMPLES * op.width), || op.forward(&y, &time).expect("features"));
    bench.finish();
}

fn embed() {
    let mut bench = Bench::new("embed");
    let (classes, width) = (100, 128);
    let embeddings = random(classes * width);
    let (weights, mixed) = (random(SAMPLES * classes), random(SAMPLES * width));
    for (direction, is_transposed, to, from) in
        [("forward", false, &mixed, &weights), ("backward", true, &weights, &mixed)]
    {
        let op = Embed { samples: SAMPLES, classes, width, offset: 0, is_transposed };
        let read = SAMPLES * (classes + width) + classes * width;
        bench.run(direction, "128x100x128", bytes(read), || op.forward(to, from, &embeddings).expect("embeddings"));
    }
    bench.finish();
}
