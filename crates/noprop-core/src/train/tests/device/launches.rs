//! How often a training step launches which kernels. A launch costs time before and behind it, in which a small net leaves a
//! card idle.

use super::*;
use crate::cuda::launches_of;
use std::collections::BTreeMap;

/// Hands `work` a step of `blocks` blocks of a net.
pub(super) fn with_step(
    net: &NetConfig,
    input: InputShape,
    classes: i32,
    options: FitOptions,
    blocks: usize,
    work: impl FnOnce(&mut dyn FnMut()),
) {
    let samples = 2 * options.batch_size();
    let labels = (0..samples).map(|sample| sample as i32 % classes).collect();
    let data = Dataset::from_arrays(Pixels::U8(vec![1; samples * input.len()]), input, Some(labels)).unwrap();
    let config = ModelConfig { classes: (0..classes).collect::<Vec<_>>().into(), ..model(blocks, input, net.clone()) };
    let plan = plan(config, on("emulated", options), &Arc::new(data));
    let engine = &plan.engines[0];
    let data = DeviceData::upload(engine, &plan.data).unwrap();
    let mut stack = Stack::new(&plan, engine, blocks, false).unwrap();
    let numbers: Vec<usize> = (1..=blocks).collect();
    let state = BlockJob::start(&plan, 1, &Device::Cpu).unwrap().state().unwrap();
    stack.load(&plan, engine, &numbers, &vec![state; blocks]).unwrap();
    stack.begin_epoch(&plan, 0, 0).unwrap();
    work(&mut || stack.step(&plan, engine, &data, 0, &StopFlag::new()).unwrap());
}

/// Kernels and how often each is launched, in a step of `blocks` blocks of a net for MNIST's images.
fn step(net: &NetConfig, options: FitOptions, blocks: usize) -> Vec<(String, usize)> {
    let input = InputShape::Image { height: 28, width: 28, channels: 1 };
    let mut counts = BTreeMap::new();
    with_step(net, input, 10, options, blocks, |step| {
        for kernel in launches_of(step) {
            *counts.entry(kernel).or_insert(0) += 1;
        }
    });
    counts.into_iter().collect()
}

/// Whatever the number of blocks.
fn check(net: &NetConfig, batch: usize, total: usize, expected: &[(&str, usize)]) {
    for blocks in [1, 3] {
        let found = step(net, options(batch), blocks);
        let found: Vec<_> = found.iter().map(|(kernel, count)| (kernel.as_str(), *count)).collect();
        assert_eq!(found, expected, "{blocks} blocks");
        assert_eq!(found.iter().map(|(_, count)| count).sum::<usize>(), total);
    }
}

#[test]
fn a_step_of_the_papers_block_launches_these_kernels() {
    let expected = [
        ("adamw", 1),
        ("add", 1),
        ("begin_step", 1),
        ("conv3x3_backward_data_f32", 1),
        ("conv3x3_backward_data_narrow_f32", 1),
        ("conv3x3_backward_weights_f32", 2),
        ("conv3x3_backward_weights_narrow_f32", 1),
        ("conv3x3_forward_f32", 2),
        ("conv3x3_forward_narrow_f32", 1),
        ("conv3x3_spread_f32", 3),
        ("dense_forward_f32", 1),
        ("dense_forward_narrow_f32", 1),
        ("dense_norm_backward_f32", 6),
        ("dense_norm_f32", 5),
        ("dense_norm_of_parts", 1),
        ("gather_u8", 1),
        ("linear_backward_data_f32", 1),
        ("linear_backward_weights_f32", 7),
        ("linear_backward_weights_narrow_f32", 1),
        ("noised_labels", 1),
        ("softmax_backward", 1),
        ("softmax_forward", 1),
        ("squared_error_backward", 1),
        ("squared_error_forward", 1),
        ("store_loss", 1),
        ("sum_of_parts", 3),
    ];
    check(&NetConfig::default(), 128, 47, &expected);
}

#[test]
fn a_step_of_the_seeds_block_launches_these_kernels() {
    let expected = [
        ("adamw", 1),
        ("begin_step", 1),
        ("dense_forward_f32", 3),
        ("dense_forward_narrow_f32", 1),
        ("dense_of_parts", 4),
        ("gather_u8", 1),
        ("linear_backward_data_f32", 3),
        ("linear_backward_weights_f32", 4),
        ("linear_backward_weights_narrow_f32", 1),
        ("noised_labels", 1),
        ("squared_error_backward", 1),
        ("squared_error_forward", 1),
        ("store_loss", 1),
        ("sum_of_parts", 2),
    ];
    check(&NetConfig::Mlp { hidden: vec![512; 3], dropout: 0.0 }, 128, 25, &expected);
}
