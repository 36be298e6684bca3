//! Batches of one sample, short ones, samples that do not see their neighbours, blocks that run together.

use super::{Batch, Rig};
use crate::NetConfig;
use crate::data::InputShape;
use crate::net::Activation;
use crate::ops::simd::with_each;
use crate::ops::testing::{assert_close, normal, values};
use crate::tensor::Real;
use candle_core::WithDType;

const CLASSES: usize = 5;
/// f32 rounding, 6e-8, of sums of some 40 terms in another order, twice or thrice in sequence.
const ORDER_OF_SUMS: f64 = 2e-6;

fn nets() -> [(NetConfig, InputShape); 4] {
    let image = InputShape::Image { height: 9, width: 12, channels: 2 };
    let resnet = NetConfig::Resnet {
        widths: vec![5, 16],
        depth: 1,
        hidden: 9,
        activation: Activation::Gelu,
        whitening: 0,
        identity: false,
    };
    let vit = NetConfig::Vit { patch: 3, width: 12, depth: 2, heads: 3, mlp_ratio: 2, dropout: 0.3 };
    [
        (resnet, image),
        (vit, image),
        (
            NetConfig::Cnn { widths: [3, 17, 5], hidden: 21, dropout: 0.3 },
            InputShape::Image { height: 17, width: 15, channels: 2 },
        ),
        (NetConfig::Mlp { hidden: vec![33, 18], dropout: 0.3 }, InputShape::Vector { len: 37 }),
    ]
}

/// Weights after some steps, so that the running statistics are not at their beginning.
fn trained<T: Real + WithDType>(net: &NetConfig, input: InputShape, capacity: usize, blocks: &[usize]) -> Rig<T> {
    let mut rig = Rig::new(net, input, CLASSES, capacity, blocks);
    let mut batch = Batch::new(input, CLASSES, capacity);
    batch.z = normal(103, blocks.len() * capacity * CLASSES);
    for step in 1..=3 {
        rig.train(&batch);
        rig.backward(&batch, 1.0);
        rig.update(1e-2, 1e-3, step);
    }
    rig
}

#[test]
fn a_batch_of_one_sample_trains() {
    with_each(|_| {
        for (net, input) in nets() {
            let mut rig = Rig::<f32>::new(&net, input, CLASSES, 1, &[1]);
            let before = rig.weights();
            let (_, loss) = rig.train(&Batch::new(input, CLASSES, 1));
            let gradients = rig.backward(&Batch::new(input, CLASSES, 1), 1.0);
            rig.update(1e-3, 0.0, 1);
            assert!(loss[0].is_finite() && loss[0] > 0.0);
            assert!(gradients.iter().all(|gradient| gradient.is_finite()));
            let after = rig.weights();
            assert!(after.iter().all(|weight| weight.is_finite()) && before != after);
        }
    });
}

#[test]
fn a_short_batch_in_large_buffers_equals_one_that_fills_its_buffers() {
    with_each(|_| {
        for (net, input) in nets() {
            let batch = Batch::new(input, CLASSES, 7);
            let short = batch.part(2..5);
            let mut large = Rig::<f32>::new(&net, input, CLASSES, 7, &[1]);
            // A full batch first, which leaves its values behind the short one.
            let weights = large.weights();
            large.train(&batch);
            large.backward(&batch, 1.0);
            large.load(&weights);
            let mut exact = Rig::<f32>::new(&net, input, CLASSES, 3, &[1]);
            assert_eq!(large.train(&short), exact.train(&short));
            assert_eq!(large.backward(&short, 1.0), exact.backward(&short, 1.0));
            for rig in [&large, &exact] {
                rig.update(1e-3, 1e-3, 1);
            }
            assert_eq!(large.weights(), exact.weights());
        }
    });
}

#[test]
fn the_evaluation_of_a_sample_does_not_depend_on_its_companions() {
    with_each(|set| {
        for (net, input) in nets() {
            let mut rig = trained::<f32>(&net, input, 70, &[1]);
            let batch = Batch::new(input, CLASSES, 70);
            let together = rig.evaluate(&batch);
            // Other companions, and far larger ones.
            let mut others = batch.clone();
            let (len, at) = (input.len(), 41);
            for (index, x) in others.x.iter_mut().enumerate().filter(|(index, _)| index / len != at) {
                *x = 1e3 * (index % 7) as f64;
            }
            let row = at * CLASSES..(at + 1) * CLASSES;
            assert_eq!(rig.evaluate(&others)[row.clone()], together[row], "{net:?}, {}", set.as_str());
            // Fewer companions: products of other sizes may add in another order.
            for (start, end) in [(0, 1), (1, 3), (5, 6), (9, 26), (26, 60), (69, 70)] {
                let alone = rig.evaluate(&batch.part(start..end));
                let what = format!("{start}..{end}, {net:?}, {}", set.as_str());
                assert_close(&what, &alone, &together[start * CLASSES..end * CLASSES], ORDER_OF_SUMS);
            }
        }
    });
}

#[test]
fn evaluation_leaves_the_weights_alone() {
    for (net, input) in nets() {
        let mut rig = trained::<f32>(&net, input, 6, &[1]);
        let before = rig.weights();
        rig.evaluate(&Batch::new(input, CLASSES, 6));
        assert_eq!(rig.weights(), before);
    }
}

#[test]
fn training_drops_values_and_evaluation_does_not() {
    for (net, input) in nets() {
        let batch = Batch::new(input, CLASSES, 6);
        let mut rig = trained::<f64>(&net, input, 6, &[1]);
        let without = match net {
            NetConfig::Cnn { widths, hidden, .. } => NetConfig::Cnn { widths, hidden, dropout: 0.0 },
            NetConfig::Mlp { hidden, .. } => NetConfig::Mlp { hidden, dropout: 0.0 },
            NetConfig::Vit { patch, width, depth, heads, mlp_ratio, .. } => {
                NetConfig::Vit { patch, width, depth, heads, mlp_ratio, dropout: 0.0 }
            }
            NetConfig::Resnet { .. } => continue,
            NetConfig::Graph { .. } => unreachable!("nets() has none"),
        };
        let mut plain = Rig::<f64>::new(&without, input, CLASSES, 6, &[1]);
        plain.load(&rig.weights());
        assert_eq!(rig.evaluate(&batch), plain.evaluate(&batch));
        assert_ne!(rig.train(&batch), plain.train(&batch));
    }
}

#[test]
fn blocks_that_run_together_equal_each_alone() {
    for (net, input) in nets() {
        let blocks = [4, 1, 9];
        let mut batch = Batch::new(input, CLASSES, 5);
        batch.z = normal(104, blocks.len() * 5 * CLASSES);
        let mut stacked = Rig::<f32>::new(&net, input, CLASSES, 5, &blocks);
        let (estimates, losses) = stacked.train(&batch);
        let gradients = stacked.backward(&batch, 2.0);
        stacked.update(1e-3, 1e-3, 1);
        let (weights, parameters) = (stacked.weights(), stacked.layout.parameters());
        for (k, block) in blocks.into_iter().enumerate() {
            let one = 5 * CLASSES;
            let mut alone = Rig::<f32>::new(&net, input, CLASSES, 5, &[block]);
            let batch = Batch { z: batch.z[k * one..(k + 1) * one].to_vec(), ..batch.clone() };
            assert_eq!(alone.train(&batch), (estimates[k * one..(k + 1) * one].to_vec(), vec![losses[k]]));
            assert_eq!(alone.backward(&batch, 2.0), gradients[k * parameters..(k + 1) * parameters]);
            alone.update(1e-3, 1e-3, 1);
            assert_eq!(alone.weights(), weights[k * alone.layout.weights()..][..alone.layout.weights()]);
        }
    }
}

/// Training moves each layer's parameters in its backward pass; that must not reach the gradients of layers before it.
#[test]
fn an_optimiser_on_the_way_equals_one_at_the_end_bit_for_bit() {
    for (net, input) in nets() {
        let blocks = [4, 1];
        let mut batch = Batch::new(input, CLASSES, 6);
        batch.z = normal(105, blocks.len() * 6 * CLASSES);
        let mut rigs = [0, 1].map(|_| Rig::<f32>::new(&net, input, CLASSES, 6, &blocks));
        let [at_the_end, on_the_way] = &mut rigs;
        for step in 1..=3 {
            at_the_end.train(&batch);
            at_the_end.backward(&batch, 2.0);
            at_the_end.update(1e-2, 1e-1, step);
            on_the_way.train(&batch);
            let optimiser = on_the_way.optimiser(1e-2, 1e-1, step);
            on_the_way.backward_with(&batch, 2.0, Some(&optimiser));
            assert_eq!(values(&on_the_way.state), values(&at_the_end.state), "{net:?}, step {step}");
        }
    }
}
