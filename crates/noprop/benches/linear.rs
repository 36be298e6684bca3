//! The products of the paper's block and of the seed's, batch 128, in each direction, with their FLOP/s.

use candle_core::{Device, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use noprop::ops::Slot;
use noprop::ops::linear::Linear;

const SAMPLES: usize = 128;

fn linear(criterion: &mut Criterion) {
    for (inputs, outputs) in [(2048, 256), (256, 256), (784, 512), (512, 512)] {
        let op = Linear {
            samples: SAMPLES,
            inputs,
            outputs,
            weight: Slot { offset: outputs, len: inputs * outputs },
            bias: Some(Slot { offset: 0, len: outputs }),
        };
        let random = |len: usize| Tensor::randn(0.0_f32, 1.0, (1, len), &Device::Cpu).expect("random values");
        let (state, gradients) = (random((inputs + 1) * outputs), random((inputs + 1) * outputs));
        let (x, y) = (random(SAMPLES * inputs), random(SAMPLES * outputs));
        let (dx, dy) = (random(SAMPLES * inputs), random(SAMPLES * outputs));
        let mut group = criterion.benchmark_group(format!("linear-{inputs}x{outputs}"));
        group.throughput(Throughput::Elements((2 * SAMPLES * op.multiply_adds()) as u64));
        group.bench_function("forward", |b| b.iter(|| op.forward(&y, &x, &state)));
        group.bench_function("backward-data", |b| b.iter(|| op.backward_data(&dx, &dy, &state)));
        group.bench_function("backward-weights", |b| b.iter(|| op.backward_weights(&gradients, &x, &dy)));
        group.finish();
    }
}

criterion_group!(benches, linear);
criterion_main!(benches);
