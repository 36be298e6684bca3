//! Whether products read their factors four values at once, which takes a quarter of the instructions.

use super::launches::with_step;
use super::*;
use crate::cuda::{Context, Multiply, listed_of, strides};
use crate::ops::linear::{Dense, Linear};
use crate::ops::multiply::Precision;
use crate::tensor::{Buffer, Slot};
use candle_core::{DType, Tensor};

/// The factors that are not read in fours, of the products of a step: kernel and factor.
fn singly(net: &NetConfig, input: InputShape, classes: i32) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    with_step(net, input, classes, options(128), 2, |step| {
        for (kernel, in_fours) in listed_of(step) {
            // The parts have been read; and words are read in fours everywhere: da in both directions of a convolution.
            let factors: Vec<_> = match kernel.as_str() {
                name if name.contains("of_parts") || name.contains("spread") => vec![],
                name if name.starts_with("conv3x3_backward_data") => vec![1],
                name if name.starts_with("conv3x3_backward_weights") => vec![0],
                _ => (0..in_fours.len()).collect(),
            };
            found
                .extend(factors.into_iter().filter(|factor| !in_fours[*factor]).map(|factor| (kernel.clone(), factor)));
        }
    });
    found
}

fn images(channels: usize) -> InputShape {
    let side = if channels == 1 { 28 } else { 32 };
    InputShape::Image { height: side, width: side, channels }
}

#[test]
fn default_nets_read_every_factor_in_fours_whose_width_is_a_multiple_of_four() {
    let mlp = NetConfig::Mlp { hidden: vec![512; 3], dropout: 0.0 };
    for channels in [1, 3] {
        for net in [NetConfig::default(), mlp.clone()] {
            assert_eq!(singly(&net, images(channels), 100), [], "100 classes, {channels} channels, {net:?}");
        }
        // The label's values, and the weights and gradients of the estimate, are ten wide; and nothing else.
        let of_cnn = [
            ("dense_norm_f32", 0),
            ("dense_forward_narrow_f32", 1),
            ("dense_norm_backward_f32", 0),
            ("dense_norm_backward_f32", 1),
            ("linear_backward_weights_narrow_f32", 1),
            ("linear_backward_weights_f32", 0),
        ];
        let of_mlp = [
            ("dense_forward_f32", 1),
            ("dense_forward_narrow_f32", 1),
            ("linear_backward_data_f32", 0),
            ("linear_backward_data_f32", 1),
            ("linear_backward_weights_narrow_f32", 1),
            ("linear_backward_weights_f32", 0),
        ];
        for (net, expected) in [(NetConfig::default(), of_cnn), (mlp.clone(), of_mlp)] {
            let found = singly(&net, images(channels), 10);
            let found: Vec<_> = found.iter().map(|(kernel, factor)| (kernel.as_str(), *factor)).collect();
            assert_eq!(found, expected, "10 classes, {channels} channels, {net:?}");
        }
    }
}

/// The first layer of an mlp has the image's values, and behind them the ten of the label, which are not read in fours: that
/// costs the strides in which they are, and no others.
#[test]
fn a_layer_reads_in_fours_up_to_where_its_second_input_begins() {
    let buffer = |len: usize| Buffer::new(Tensor::zeros((1, len), DType::F32, &Device::Cpu).unwrap()).unwrap();
    let weight = Slot { offset: 0, len: 794 * 64 };
    let part = |inputs, before: usize, bias| Linear {
        samples: 4,
        inputs,
        outputs: 64,
        weight: weight.part(64 * before, 64 * inputs),
        bias,
        precision: Precision::F32,
    };
    let bias = Some(Slot { offset: weight.len, len: 64 });
    let layer = Dense { products: [part(784, 0, bias), part(10, 784, None)] };
    for (multiply, deep) in [(Multiply::Tf32, 16), (Multiply::Bf16, 32)] {
        let (state, y, x, z) = (buffer(weight.len + 64), buffer(256), buffer(4 * 784), buffer(40));
        let before = strides();
        let context = Context { multiply, emulate: true, ..Context::current() };
        context.run(|| layer.forward(true, &y, [&x, &z], &state)).unwrap();
        let [singly, in_fours] = [0, 1].map(|kind| strides()[kind] - before[kind]);
        assert_eq!((in_fours, singly), (784 / deep, 794_u64.div_ceil(deep) - 784 / deep), "{multiply:?}");
    }
}
