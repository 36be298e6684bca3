//! The three convolutions of the paper's block on MNIST, batch 128, in each direction, with their FLOP/s.

use candle_core::{Device, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use noprop::ops::conv3x3::{Backward, Conv3x3, Dims};
use noprop::ops::{Slot, StopFlag};

const SAMPLES: usize = 128;

fn conv3x3(criterion: &mut Criterion) {
    for (name, height, cin, cout, pool) in
        [("conv1", 28, 1, 32, true), ("conv2", 13, 32, 64, false), ("conv3", 11, 64, 128, true)]
    {
        let dims = Dims { height, width: height, cin, cout, pool };
        let stop = StopFlag::new();
        let weight = Slot { offset: cout, len: dims.weights() };
        let op = Conv3x3 { dims, samples: SAMPLES, weight, bias: Slot { offset: 0, len: cout }, stop: &stop };
        let random = |len: usize| Tensor::randn(0.0_f32, 1.0, (1, len), &Device::Cpu).expect("random values");
        let (state, gradients) = (random(cout + dims.weights()), random(cout + dims.weights()));
        let (x, y) = (random(SAMPLES * dims.input()), random(SAMPLES * dims.stored()));
        let (dx, dy) = (random(SAMPLES * dims.input()), random(SAMPLES * dims.output()));
        let backward = Backward { dy: &dy, y: &y, scale: 1.25 };
        let mut group = criterion.benchmark_group(name);
        // One element is one floating-point operation, so that criterion's element/s are FLOP/s.
        group.throughput(Throughput::Elements((2 * SAMPLES * dims.multiply_adds()) as u64));
        group.bench_function("forward", |b| b.iter(|| op.forward(&y, &x, &state, None)));
        if cin > 1 {
            group.bench_function("backward-data", |b| b.iter(|| op.backward_data(&dx, backward, &state)));
        }
        group.bench_function("backward-weights", |b| b.iter(|| op.backward_weights(&gradients, &x, backward)));
        group.finish();
    }
}

criterion_group!(benches, conv3x3);
criterion_main!(benches);
