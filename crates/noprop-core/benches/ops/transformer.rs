//! The operations of a transformer's layer on CIFAR-10's shape: 65 tokens of 128 values, 4 heads; and pooling of its images.

use crate::support::{Bench, SAMPLES, Work, bytes, random};
use noprop_core::ops::activation::{Activation, Kind};
use noprop_core::ops::attention::Attention;
use noprop_core::ops::layer_norm::{Affine, LayerNorm, ModulatedNorm};
use noprop_core::ops::multiply::Precision;
use noprop_core::ops::pool::{self, Pool};
use noprop_core::tensor::Slot;

const TOKENS: usize = 65;
const WIDTH: usize = 128;

pub fn run() {
    attention();
    layer_norm();
    modulated_norm();
    activation();
    pool();
}

fn attention() {
    let mut bench = Bench::new("attention");
    let op = Attention { samples: SAMPLES, tokens: TOKENS, width: WIDTH, heads: 4 };
    let (qkv, out, probabilities) = (random(3 * op.out_len()), random(op.out_len()), random(op.probabilities_len()));
    let d_qkv = random(3 * op.out_len());
    let shape = format!("{SAMPLES}x{TOKENS}x{WIDTH}, 4 heads");
    let products = |count: usize| Work::Flops(2 * count * SAMPLES * TOKENS * TOKENS * WIDTH, Precision::F32);
    bench.run("forward", &shape, products(2), || op.forward([&out, &probabilities], &qkv).expect("forward"));
    bench.run("backward", &shape, products(4), || {
        op.backward(&d_qkv, [&out, &qkv, &probabilities]).expect("backward");
    });
    bench.finish();
}

fn layer_norm() {
    let mut bench = Bench::new("layer_norm");
    let (rows, slot) = (SAMPLES * TOKENS, |offset| Slot { offset, len: WIDTH });
    let op = LayerNorm { rows, width: WIDTH, affine: Some(Affine { weight: slot(0), bias: slot(WIDTH) }) };
    let (state, gradients, statistics) = (random(2 * WIDTH), random(2 * WIDTH), random(2 * rows));
    let (x, y, dx) = (random(rows * WIDTH), random(rows * WIDTH), random(rows * WIDTH));
    let shape = format!("{rows}x{WIDTH}");
    let passes = |count: usize| bytes(count * rows * WIDTH);
    bench.run("forward", &shape, passes(3), || op.forward([&y, &statistics], &x, &state).expect("forward"));
    bench.run("backward-data", &shape, passes(3), || {
        op.backward_data(&dx, [&y, &x, &statistics, &state]).expect("backward");
    });
    bench.run("backward-weights", &shape, passes(2), || {
        op.backward_weights(&gradients, [&y, &x, &statistics]).expect("backward");
    });
    bench.finish();
}

/// Adaptive layer norm.
fn modulated_norm() {
    let mut bench = Bench::new("modulated_norm");
    let (rows, op) = (SAMPLES * TOKENS, ModulatedNorm { rows: SAMPLES * TOKENS, width: WIDTH, tokens: TOKENS });
    let (modulation, gradients, statistics) =
        (random(2 * SAMPLES * WIDTH), random(2 * SAMPLES * WIDTH), random(2 * rows));
    let (x, y, dx) = (random(rows * WIDTH), random(rows * WIDTH), random(rows * WIDTH));
    let shape = format!("{rows}x{WIDTH}");
    let passes = |count: usize| bytes(count * rows * WIDTH);
    bench.run("forward", &shape, passes(3), || op.forward([&y, &statistics], &x, &modulation).expect("forward"));
    bench.run("backward-data", &shape, passes(3), || {
        op.backward_data(&dx, [&y, &x, &statistics, &modulation]).expect("backward");
    });
    bench.run("backward-modulation", &shape, passes(2), || {
        op.backward_modulation(&gradients, [&y, &x, &statistics]).expect("backward");
    });
    bench.finish();
}

fn activation() {
    let mut bench = Bench::new("activation");
    let len = SAMPLES * TOKENS * 4 * WIDTH;
    let (x, y, dx) = (random(len), random(len), random(len));
    for (name, kind) in [("gelu", Kind::Gelu), ("silu", Kind::Silu)] {
        let op = Activation { kind, len };
        let shape = format!("{name} {len}");
        bench.run("forward", &shape, bytes(2 * len), || op.forward(&y, &x).expect("forward"));
        bench.run("backward", &shape, bytes(3 * len), || op.backward(&dx, &y, &x).expect("backward"));
    }
    bench.finish();
}

fn pool() {
    let mut bench = Bench::new("pool");
    for (name, kind) in [("max", pool::Kind::Max), ("mean", pool::Kind::Mean)] {
        let op = Pool { kind, samples: SAMPLES, height: 32, width: 32, channels: 64 };
        let (x, y) = (random(op.input_len()), random(op.output_len()));
        let (dx, dy) = (random(op.input_len()), random(op.output_len()));
        let (all, shape) = (op.input_len() + op.output_len(), format!("{name} {SAMPLES}x32x32x64"));
        bench.run("forward", &shape, bytes(all), || op.forward(&y, &x).expect("forward"));
        bench.run("backward", &shape, bytes(2 * all), || op.backward(&dx, [&dy, &x, &y]).expect("backward"));
    }
    bench.finish();
}
