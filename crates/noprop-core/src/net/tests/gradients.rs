//! The backward pass of whole blocks against central differences in f64, with the dropout masks held fixed.

use super::{Batch, Rig, is_shift_before_norm};
use crate::NetConfig;
use crate::data::InputShape;
use crate::net::Activation;
use crate::net::layout::Entry;

/// Half the distance of the two points of a difference: small enough that next to no ReLU or maximum switches between
/// them.
const STEP: f64 = 1e-6;
/// Relative to the tensor's greatest gradient: the third derivative times the step's square, which batch norm over few
/// samples makes large.
const RELATIVE: f64 = 1e-6;
/// The rounding of a loss of order 1, 1e-16, over the distance, 2e-6; some tens of it.
const ABSOLUTE: f64 = 2e-9;

/// Compares the gradient of every parameter of one block with central differences of its loss.
fn check(net: &NetConfig, input: InputShape, width: usize, samples: usize) {
    check_unless(net, input, width, samples, |_| false);
}

/// The same, where tensors may have gradients of 0.
pub(super) fn check_unless(
    net: &NetConfig,
    input: InputShape,
    width: usize,
    samples: usize,
    may_be_0: fn(&Entry) -> bool,
) {
    let batch = Batch::new(input, width, samples);
    let mut rig = Rig::<f64>::new(net, input, width, samples, &[3]);
    let mut weights = rig.weights();
    // Batch norm starts at 1 and 0, where a factor that is forgotten or too much would not show.
    let parameters = rig.layout.parameters();
    for (weight, random) in weights[..parameters].iter_mut().zip(crate::ops::testing::normal(8, parameters)) {
        *weight += 0.1 * random;
    }
    // Few channels of a convolution die easily; a larger bias keeps them alive.
    for entry in rig.layout.entries().iter().filter(|entry| entry.name.starts_with("params.conv")) {
        if entry.name.ends_with(".bias") {
            entry.slot.of_mut(&mut weights).iter_mut().for_each(|bias| *bias = bias.abs() + 0.4);
        }
    }
    // A constant factor of the loss must come out as one of the gradient.
    let factor = 3.0;
    let mut loss = |weights: &[f64]| {
        rig.load(weights);
        factor * rig.train(&batch).1[0]
    };
    let numeric: Vec<f64> = (0..parameters)
        .map(|index| {
            let mut moved = weights.clone();
            moved[index] = weights[index] + STEP;
            let above = loss(&moved);
            moved[index] = weights[index] - STEP;
            (above - loss(&moved)) / (2.0 * STEP)
        })
        .collect();
    loss(&weights);
    let gradients = rig.backward(&batch, factor);
    assert_eq!(gradients.len(), parameters);
    for entry in rig.layout.entries().iter().filter(|entry| entry.name.starts_with("params.")) {
        let (gradients, numeric) = (entry.slot.of(&gradients), entry.slot.of(&numeric));
        let greatest = gradients.iter().fold(0.0, |most: f64, gradient| most.max(gradient.abs()));
        // The comparison would say nothing of a tensor that the loss does not depend on.
        assert!(
            greatest > 1e-4 || is_shift_before_norm(net, entry) || may_be_0(entry),
            "{}: all gradients are 0",
            entry.name
        );
        let bound = ABSOLUTE + RELATIVE * greatest;
        for (index, (gradient, numeric)) in gradients.iter().zip(numeric).enumerate() {
            let name = &entry.name;
            assert!(
                (gradient - numeric).abs() <= bound,
                "{name}[{index}]: {gradient:e} is not {numeric:e} within {bound:e}"
            );
        }
    }
}

fn image(height: usize, width: usize, channels: usize) -> InputShape {
    InputShape::Image { height, width, channels }
}

#[test]
fn of_a_cnn_equal_finite_differences() {
    let net = NetConfig::Cnn { widths: [2, 3, 4], hidden: 4, dropout: 0.2 };
    check(&net, image(14, 14, 1), 3, 7);
    // Neither square nor even: both poolings leave out a row or a column.
    check(&net, image(19, 22, 2), 4, 5);
}

#[test]
fn of_a_cnn_without_dropout_equal_finite_differences() {
    check(&NetConfig::Cnn { widths: [3, 2, 5], hidden: 5, dropout: 0.0 }, image(15, 14, 1), 3, 6);
}

#[test]
fn of_an_mlp_equal_finite_differences() {
    let vector = InputShape::Vector { len: 6 };
    check(&NetConfig::Mlp { hidden: vec![8, 7], dropout: 0.25 }, vector, 3, 6);
    check(&NetConfig::Mlp { hidden: vec![5], dropout: 0.0 }, vector, 2, 3);
    check(&NetConfig::Mlp { hidden: vec![6, 5, 7], dropout: 0.1 }, image(2, 3, 2), 3, 6);
}

#[test]
fn of_a_resnet_equal_finite_differences() {
    let smooth = NetConfig::Resnet {
        widths: vec![2, 3],
        depth: 1,
        hidden: 4,
        activation: Activation::Gelu,
        whitening: 0,
        identity: false,
    };
    check(&smooth, image(6, 5, 2), 3, 5);
    let relu = NetConfig::Resnet {
        widths: vec![3],
        depth: 2,
        hidden: 5,
        activation: Activation::Relu,
        whitening: 0,
        identity: false,
    };
    check(&relu, image(4, 4, 1), 3, 4);
}

#[test]
fn of_a_vit_equal_finite_differences() {
    // Softmax does not change where a vector is added to all keys.
    let vit = |dropout| NetConfig::Vit { patch: 2, width: 6, depth: 2, heads: 2, mlp_ratio: 2, dropout };
    check(&vit(0.0), image(4, 6, 1), 3, 4);
    check(&vit(0.3), image(4, 4, 2), 4, 3);
}
