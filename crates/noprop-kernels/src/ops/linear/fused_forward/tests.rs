//! What the kernels promise beyond being near the reference (`parity.rs`): bits.

use super::{Dense, Saved};
use crate::cuda::{Context, Multiply, launches_of};
use crate::ops::batch_norm::BatchNorm;
use crate::ops::linear::Linear;
use crate::ops::multiply::Precision;
use crate::ops::relu::Relu;
use crate::ops::testing::slot;
use crate::rng::{Purpose, Stream};
use crate::tensor::{Buffer, Slot};
use candle_core::{Device, Tensor};

const OUTPUTS: usize = 40;

/// Sizes, and a state `[weight | bias | γ | β | running mean | running variance]`.
#[derive(Clone, Copy)]
struct Case {
    samples: usize,
    inputs: usize,
    relu: bool,
}

impl Case {
    fn places(&self) -> [Slot; 5] {
        [0, 1, 2, 3, 4].map(|i| slot(self.inputs * OUTPUTS + i * OUTPUTS, OUTPUTS))
    }

    fn linear(&self) -> Linear {
        let (weight, bias) = (slot(0, self.inputs * OUTPUTS), Some(self.places()[0]));
        let (samples, inputs) = (self.samples, self.inputs);
        Linear { samples, inputs, outputs: OUTPUTS, weight, bias, precision: Precision::F32 }
    }

    fn norm(&self) -> BatchNorm {
        let [_, weight, bias, running_mean, running_variance] = self.places();
        let (samples, width, relu) = (self.samples, OUTPUTS, self.relu);
        BatchNorm { samples, width, weight, bias, running_mean, running_variance, relu }
    }
}

/// Rows of positive values for each of the blocks, functions of the block. All their bits are in use.
fn rows(purpose: Purpose, blocks: &[usize], len: usize) -> Buffer {
    let value = |at: usize| 0.5 + Stream::new(1, purpose, blocks[at / len], 0, 0).uniform((at % len) as u32) as f32;
    let values = (0..blocks.len() * len).map(value).collect();
    Buffer::new(Tensor::from_vec(values, (blocks.len(), len), &Device::Cpu).unwrap()).unwrap()
}

fn poisoned(blocks: &[usize], len: usize) -> Buffer {
    Buffer::new(Tensor::full(f32::NAN, (blocks.len(), len), &Device::Cpu).unwrap()).unwrap()
}

fn bits(tensor: &Tensor) -> Vec<Vec<u32>> {
    tensor.to_vec2().unwrap().iter().map(|row: &Vec<f32>| row.iter().copied().map(f32::to_bits).collect()).collect()
}

fn in_context<R>(multiply: Multiply, nominal_rows: Option<usize>, work: impl FnOnce() -> R) -> R {
    Context { multiply, nominal_rows, emulate: true, ..Context::current() }.run(work)
}

const EVERY: [Multiply; 3] = [Multiply::F32, Multiply::Tf32, Multiply::Bf16];

/// Product, y, statistics and state after training; y of evaluation and of the layer without a norm. Either by the layer, or
/// by the operations that it consists of, each with a kernel of its own.
fn outcome(case: Case, blocks: &[usize], multiply: Multiply, apart: bool) -> Vec<Vec<Vec<u32>>> {
    let (linear, norm, layer) = (case.linear(), case.norm(), Dense { products: [case.linear()] });
    let x = rows(Purpose::LabelNoise, blocks, case.samples * case.inputs);
    let state = rows(Purpose::Init, blocks, linear.weight.len + 5 * OUTPUTS);
    let activations = || poisoned(blocks, case.samples * OUTPUTS);
    let (product, y, statistics) = (activations(), activations(), poisoned(blocks, 2 * OUTPUTS));
    let (room, evaluated, plain) = (activations(), activations(), activations());
    in_context(multiply, None, || {
        if apart {
            linear.forward(&room, &x, &state).unwrap();
            norm.forward_evaluation(&evaluated, &room, &state).unwrap();
            linear.forward(&product, &x, &state).unwrap();
            norm.training(&state, [&y, &statistics], &product).unwrap();
            linear.forward(&plain, &x, &state).unwrap();
            if case.relu {
                Relu { len: case.samples * OUTPUTS }.forward(&plain).unwrap();
            }
        } else {
            layer.evaluation(&norm, &state, [&room, &evaluated], [&x]).unwrap();
            let to = Saved { product: &product, y: &y, statistics: &statistics };
            layer.training(&norm, &state, to, [&x]).unwrap();
            layer.forward(case.relu, &plain, [&x], &state).unwrap();
        }
    });
    [product, y, statistics, state, evaluated, plain].iter().map(|tensor| bits(tensor)).collect()
}

/// Sums, their order and what follows are the same. (Products of more than 512 inputs are split by the sizes of their tiles.)
#[test]
fn fused_kernels_have_the_bits_of_separate_ones() {
    for multiply in EVERY {
        for (samples, inputs) in [(1, 5), (2, 20), (17, 33), (128, 70), (129, 12), (3, 600), (130, 600)] {
            for relu in [false, true] {
                let case = Case { samples, inputs, relu };
                let [fused, apart] = [false, true].map(|apart| outcome(case, &[3, 8], multiply, apart));
                assert!(fused == apart, "{samples} samples, {inputs} inputs, {multiply:?}, ReLU: {relu}");
            }
        }
    }
}

#[test]
fn a_block_does_not_depend_on_those_beside_it() {
    for (samples, inputs) in [(70, 40), (130, 40), (20, 700), (130, 700)] {
        let case = Case { samples, inputs, relu: true };
        let together = outcome(case, &[4, 9, 2], Multiply::Bf16, false);
        for (row, block) in [4, 9, 2].into_iter().enumerate() {
            let alone = outcome(case, &[block], Multiply::Bf16, false);
            assert!(together.iter().zip(&alone).all(|(together, alone)| together[row] == alone[0]), "block {block}");
        }
    }
}

/// By the running statistics, which is inference: of a layer whose product is split, and of one whose is not.
#[test]
fn a_sample_does_not_depend_on_those_beside_it() {
    for inputs in [40, 1100] {
        let all = 300;
        let evaluate = |first: usize, samples: usize| {
            let case = Case { samples, inputs, relu: true };
            let x = rows(Purpose::LabelNoise, &[1], all * inputs);
            let x = x.narrow(1, first * inputs, samples * inputs).unwrap();
            let state = rows(Purpose::Init, &[1], case.linear().weight.len + 5 * OUTPUTS);
            let [room, y] = [(); 2].map(|()| poisoned(&[1], samples * OUTPUTS));
            let layer = Dense { products: [case.linear()] };
            in_context(Multiply::F32, Some(128), || {
                layer.evaluation(&case.norm(), &state, [&room, &y], [&x]).unwrap();
            });
            bits(&y).swap_remove(0)
        };
        let together = evaluate(0, all);
        for (first, samples) in [(0, 1), (299, 1), (5, 64), (100, 129)] {
            assert!(evaluate(first, samples) == together[first * OUTPUTS..][..samples * OUTPUTS], "{first}, {samples}");
        }
    }
}

/// The kernels of one call of each kind: training, evaluation, without a norm.
fn kernels(samples: usize, inputs: usize, blocks: &[usize]) -> [Vec<String>; 3] {
    let case = Case { samples, inputs, relu: true };
    let (layer, norm) = (Dense { products: [case.linear()] }, case.norm());
    let x = poisoned(blocks, samples * inputs);
    let state = poisoned(blocks, case.linear().weight.len + 5 * OUTPUTS);
    let [product, y] = [(); 2].map(|()| poisoned(blocks, samples * OUTPUTS));
    let statistics = poisoned(blocks, 2 * OUTPUTS);
    let to = Saved { product: &product, y: &y, statistics: &statistics };
    in_context(Multiply::Tf32, None, || {
        [
            launches_of(|| layer.training(&norm, &state, to, [&x]).unwrap()),
            launches_of(|| layer.evaluation(&norm, &state, [&product, &y], [&x]).unwrap()),
            launches_of(|| layer.forward(true, &y, [&x], &state).unwrap()),
        ]
    })
}

#[test]
fn the_sizes_of_the_layer_alone_choose_the_kernels() {
    const WHOLE: &[&str] = &["dense_forward_tf32"];
    const PARTS: &[&str] = &["dense_forward_tf32", "dense_of_parts"];
    const IN_ONE: &[&str] = &["dense_norm_tf32"];
    let cases: [(_, _, &[&str], _); 7] = [
        (2, 1, IN_ONE, WHOLE),
        (128, 512, IN_ONE, PARTS),
        (129, 511, &["dense_forward_tf32", "batch_norm_training"], WHOLE),
        (128, 513, &["dense_forward_tf32", "dense_norm_of_parts"], PARTS),
        (129, 512, &["dense_forward_tf32", "dense_norm_of_parts"], PARTS),
        // So many tiles that they are not split.
        (3072, 513, &["dense_forward_tf32", "batch_norm_training"], WHOLE),
        (64, 300, IN_ONE, WHOLE),
    ];
    for (samples, inputs, training, value_by_value) in cases {
        for blocks in [&[1][..], &[1; 10]] {
            let found = kernels(samples, inputs, blocks);
            assert_eq!(found, [training, value_by_value, value_by_value], "{samples} samples, {inputs} inputs");
        }
    }
}
