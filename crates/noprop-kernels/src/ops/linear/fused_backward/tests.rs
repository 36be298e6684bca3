//! What the kernels promise beyond being near the reference (`parity.rs`): bits.

use super::{DenseBackward, GradientBuffers};
use crate::cuda::{Context, Multiply, launches_of};
use crate::ops::add::Add;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::linear::{Linear, Saved};
use crate::ops::multiply::Precision;
use crate::ops::testing::slot;
use crate::rng::{Purpose, Stream};
use crate::tensor::Buffer;
use candle_core::{Device, Tensor};

const INPUTS: usize = 40;

/// Rows of normal values for each of the blocks, functions of the block. All their bits are in use.
fn rows(stage: usize, blocks: &[usize], len: usize) -> Buffer {
    let value = |at: usize| Stream::new(1, Purpose::Init, blocks[at / len], 0, stage).normal((at % len) as u32) as f32;
    let values = (0..blocks.len() * len).map(value).collect();
    Buffer::new(Tensor::from_vec(values, (blocks.len(), len), &Device::Cpu).unwrap()).unwrap()
}

/// Calls `work` with a layer behind a norm, and returns dx, d_product and the gradients that it has written.
fn with(
    (samples, outputs): (usize, usize),
    blocks: &[usize],
    work: impl Fn(&DenseBackward<'_>, GradientBuffers<'_>, [&Tensor; 3], Saved<'_>),
) -> [Buffer; 3] {
    let weight = slot(0, INPUTS * outputs);
    let layer = Linear { samples, inputs: INPUTS, outputs, weight, bias: None, precision: Precision::F32 };
    let [weight, bias, running_mean, running_variance] =
        [0, 1, 2, 3].map(|i| slot(layer.weight.len + i * INPUTS, INPUTS));
    let norm = BatchNorm { samples, width: INPUTS, weight, bias, running_mean, running_variance, relu: true };
    let state = layer.weight.len + 4 * INPUTS;
    let poisoned = |len| Buffer::new(Tensor::full(f32::NAN, (blocks.len(), len), &Device::Cpu).unwrap()).unwrap();
    let written = [poisoned(samples * INPUTS), poisoned(samples * INPUTS), poisoned(state)];
    let [dx, d_product, parameters] = &written;
    let of = |stage, width| rows(stage, blocks, samples * width);
    let (dy, skip, product, y) = (of(0, outputs), of(1, INPUTS), of(2, INPUTS), of(3, INPUTS));
    // Mean and variance: a variance is positive.
    let statistics = Buffer::new(rows(4, blocks, 2 * INPUTS).abs().unwrap()).unwrap();
    let from = Saved { product: &product, y: &y, statistics: &statistics };
    let op = DenseBackward { layer: &layer, norm: &norm };
    work(&op, GradientBuffers { dx, d_product, parameters }, [&dy, &skip, &rows(5, blocks, state)], from);
    written
}

fn bits(tensors: [Buffer; 3]) -> [Vec<Vec<u32>>; 3] {
    let of_row = |row: &Vec<f32>| row.iter().copied().map(f32::to_bits).collect();
    tensors.map(|tensor| tensor.to_vec2().unwrap().iter().map(of_row).collect())
}

fn on_emulation<R>(multiply: Multiply, work: impl FnOnce() -> R) -> R {
    Context { multiply, emulate: true, ..Context::current() }.run(work)
}

fn fused(sizes: (usize, usize), blocks: &[usize], multiply: Multiply) -> [Buffer; 3] {
    with(sizes, blocks, |op, to, [dy, skip, state], written| {
        on_emulation(multiply, || op.run(to, dy, Some(skip), written, state).unwrap());
    })
}

/// Each operation with a kernel of its own.
fn apart(sizes: (usize, usize), blocks: &[usize], multiply: Multiply) -> [Buffer; 3] {
    with(sizes, blocks, |op, to, [dy, skip, state], Saved { product, y, statistics }| {
        on_emulation(multiply, || {
            op.layer.backward_data(to.dx, dy, state).unwrap();
            Add { len: op.layer.samples * INPUTS }.forward(to.dx, skip).unwrap();
            op.norm.backward(to.d_product, to.parameters, [to.dx, y, product, statistics, state]).unwrap();
        });
    })
}

/// Sums, their order and what follows are the same. (Products of 512 outputs and more may be split.)
#[test]
fn fused_kernels_have_the_bits_of_separate_ones() {
    for multiply in [Multiply::F32, Multiply::Tf32, Multiply::Bf16] {
        for sizes in [(1, 5), (2, 20), (17, 33), (128, 70), (129, 12)] {
            let [fused, apart] = [fused, apart].map(|way| bits(way(sizes, &[3, 8], multiply)));
            assert!(fused == apart, "{sizes:?}, {multiply:?}");
        }
    }
}

#[test]
fn a_block_does_not_depend_on_those_beside_it() {
    for sizes in [(70, 40), (130, 40), (20, 700)] {
        let together = bits(fused(sizes, &[4, 9, 2], Multiply::Bf16));
        for (row, block) in [4, 9, 2].into_iter().enumerate() {
            let alone = bits(fused(sizes, &[block], Multiply::Bf16));
            assert!(together.iter().zip(&alone).all(|(together, alone)| together[row] == alone[0]), "block {block}");
        }
    }
}

#[test]
fn the_sizes_of_the_layer_alone_choose_the_kernels() {
    const APART: &[&str] = &["linear_backward_data_tf32", "add", "batch_norm_backward"];
    const SPLIT: &[&str] = &["linear_backward_data_tf32", "sum_of_parts", "add", "batch_norm_backward"];
    const IN_ONE: &[&str] = &["dense_norm_backward_tf32"];
    for (sizes, expected) in [((1, 1), IN_ONE), ((128, 512), IN_ONE), ((129, 1), APART), ((128, 513), SPLIT)] {
        for blocks in [&[1][..], &[1; 10]] {
            assert_eq!(launches_of(|| drop(fused(sizes, blocks, Multiply::Tf32))), expected, "{sizes:?}");
        }
    }
}
