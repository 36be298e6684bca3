//! Blocks of every net against PyTorch in f64 (`tests/golden/make_blocks.py`): outputs, gradients, statistics, AdamW.

use super::{Batch, Rig, is_shift_before_norm};
use crate::NetConfig;
use crate::data::InputShape;
use crate::net::Activation;
use crate::net::layout::Entry;
use crate::ops::simd::with_each;
use crate::ops::testing;
use crate::tensor::Real;
use candle_core::WithDType;
use safetensors::{Dtype, SafeTensors};

const LEARNING_RATE: f64 = 1e-3;
const WEIGHT_DECAY: f64 = 1e-3;
const ADAM_EPSILON: f64 = 1e-8;

/// Tolerances, each relative to the greatest value of its tensor, and the greatest error that was measured.
struct Tolerance {
    /// Estimates, losses, running statistics, parameters that did not move.
    value: f64,
    gradient: f64,
    /// Absolute, where the exact gradient is 0.
    zero_gradient: f64,
    /// The estimate in evaluation after 3 steps.
    evaluation: f64,
}

/// The golden values are f64 results stored as f32, whose rounding is 6e-8 relative; our own f64 adds nothing visible.
/// Measured: 5e-8, 6e-8, 2e-15, 2e-8.
const F64: Tolerance = Tolerance { value: 1e-7, gradient: 1e-7, zero_gradient: 1e-14, evaluation: 1e-7 };

/// f32 rounds to 6e-8 in each of some 20 operations in sequence, and its sums have up to 10^4 terms. Batch norm over 7
/// to 12 samples magnifies both: it divides by deviations below 1 and subtracts means that are close to the values.
/// The evaluation sees the shifts before a batch norm, which are rounding times the learning rate, because the running
/// means follow them slowly. Measured: 4e-6, 8e-6, 2e-6, 8e-4.
const F32: Tolerance = Tolerance { value: 1e-5, gradient: 2e-5, zero_gradient: 5e-6, evaluation: 2e-3 };

struct Golden {
    tensors: SafeTensors<'static>,
    net: NetConfig,
    input: InputShape,
    classes: usize,
}

/// The configurations at the end of `make_blocks.py`.
fn golden() -> Vec<Golden> {
    macro_rules! golden {
        ($($name:literal: $net:expr, $input:expr, $classes:expr;)*) => {
            vec![$(Golden {
                tensors: SafeTensors::deserialize(
                    include_bytes!(concat!("../../../tests/golden/", $name, ".safetensors"))
                ).unwrap(),
                net: $net,
                input: InputShape::new(&$input).unwrap(),
                classes: $classes,
            }),*]
        };
    }
    let cnn = |hidden| NetConfig::Cnn { widths: [4, 8, 16], hidden, dropout: 0.0 };
    let resnet = |widths: &[usize], depth, hidden, activation| NetConfig::Resnet {
        widths: widths.to_vec(),
        depth,
        hidden,
        activation,
    };
    let vit = NetConfig::Vit { patch: 4, width: 8, depth: 2, heads: 2, mlp_ratio: 4, dropout: 0.0 };
    golden! {
        "cnn_gray28": cnn(16), [28, 28, 1], 10;
        "cnn_rgb32": cnn(24), [32, 32, 3], 7;
        "resnet_relu": resnet(&[3, 5], 1, 6, Activation::Relu), [8, 8, 3], 4;
        "resnet_gelu": resnet(&[5, 4], 2, 5, Activation::Gelu), [9, 6, 1], 3;
        "vit": vit, [8, 8, 3], 4;
    }
}

impl Golden {
    /// The values of a tensor in PyTorch's order.
    fn values(&self, name: &str) -> Vec<f64> {
        let tensor = self.tensors.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let bytes = tensor.data();
        match tensor.dtype() {
            Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()).into()).collect(),
            Dtype::I64 => bytes.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64).collect(),
            other => panic!("{name}: {other:?}"),
        }
    }

    /// The tensor of `prefix` that belongs to one of ours, in our order.
    fn of(&self, prefix: &str, entry: &Entry) -> Vec<f64> {
        let (_, name) = entry.name.split_once('.').unwrap();
        let values = self.values(&format!("{prefix}.{name}"));
        // PyTorch's weights are [out, channel, position], ours [position, channel, out]. The positions are the taps of
        // a convolution, the pixels of a patch or those that image_fc flattens, and one alone in all other linear layers.
        let channels = match (name, self.tensors.tensor(&format!("{prefix}.{name}")).unwrap().shape()) {
            ("positions.weight", _) => return values,
            ("image_fc.weight", _) => 16,
            (_, [_, channels, ..]) => *channels,
            (_, _) => return values,
        };
        let outputs = *entry.shape.last().unwrap();
        let positions = values.len() / outputs / channels;
        let mut ours = vec![f64::NAN; values.len()];
        for o in 0..outputs {
            for c in 0..channels {
                for p in 0..positions {
                    ours[(p * channels + c) * outputs + o] = values[(o * channels + c) * positions + p];
                }
            }
        }
        ours
    }

    /// The running statistics after the first step, as our entry.
    fn statistic(&self, entry: &Entry) -> Vec<f64> {
        let layer = entry.name.split('.').nth(1).unwrap();
        let kind = entry.name.split('.').nth(2).unwrap();
        self.values(&format!("running.{layer}.running_{kind}"))
    }

    fn batch(&self) -> Batch {
        let classes: Vec<u32> = self.values("in.y").iter().map(|class| *class as u32).collect();
        let (samples, len) = (classes.len(), self.input.len());
        let channels = self.input.sizes()[2];
        let pixels = len / channels;
        let theirs = self.values("in.x");
        let x = (0..samples * len)
            .map(|i| theirs[(i / len * channels + i % channels) * pixels + i % len / channels])
            .collect();
        Batch { x, z: self.values("in.z"), samples: (0..samples as u32).collect(), classes }
    }

    fn rig<T: Real + WithDType>(&self) -> Rig<T> {
        let mut rig = Rig::new(&self.net, self.input, self.classes, self.values("in.y").len(), &[1]);
        let entries = rig.layout.entries().to_vec();
        let weights: Vec<_> = entries
            .iter()
            .flat_map(|entry| match &entry.name {
                name if name.starts_with("params.") => self.of("param", entry),
                name if name.ends_with(".var") => vec![1.0; entry.slot.len],
                _ => vec![0.0; entry.slot.len],
            })
            .collect();
        rig.load(&weights);
        rig
    }

    fn softmax(&self, logits: &str) -> Vec<f64> {
        let softmax = |logits: &[f64]| {
            let sum: f64 = logits.iter().map(|logit| crate::math::exp(*logit)).sum();
            logits.iter().map(|logit| crate::math::exp(*logit) / sum).collect::<Vec<_>>()
        };
        self.values(logits).chunks_exact(self.classes).flat_map(softmax).collect()
    }
}

/// Greatest absolute value.
fn greatest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most: f64, value| most.max(value.abs()))
}

/// Panics unless every value is within `tolerance` times the greatest wanted value.
#[track_caller]
fn assert_near(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}: length");
    let bound = tolerance * greatest(want);
    for (index, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= bound, "{what}[{index}]: {got:e} is not {want:e} within {bound:e}");
    }
}

/// Panics unless the parameters after `steps` steps are PyTorch's. A step of Adam is the gradient over the root of its
/// mean square, so its error is the learning rate times the relative error of the gradient, and never more than twice
/// the learning rate. Where a gradient is smaller than its own error nothing better can be said: the gradient of a
/// shift before a batch norm is nothing but rounding, in f64 far below Adam's epsilon, in f32 above it, so Adam may
/// step either way.
fn assert_updated(golden: &Golden, entry: &Entry, state: &[f64], steps: u64, tolerance: &Tolerance) {
    let what = format!("{} after {steps} steps", entry.name);
    let (got, want) = (entry.slot.of(state), golden.of(&format!("after{steps}"), entry));
    let gradient = golden.of("grad", entry);
    let shift = is_shift_before_norm(&golden.net, entry);
    let error = if shift { tolerance.zero_gradient } else { tolerance.gradient * greatest(&gradient) };
    let (rounding, travel) = (tolerance.value * greatest(&want), steps as f64 * LEARNING_RATE);
    for index in 0..got.len() {
        // Elsewhere an exact 0 comes from a channel that is dead in every sample, which our rounding does not revive. Two
        // living channels that never meet are another matter: Winograd's sums reach their taps through the neighbours.
        let error = if !shift && is_dead(entry, &gradient, index) { 0.0 } else { error };
        let relative = 2.0 * error / (gradient[index].abs() + ADAM_EPSILON);
        let bound = rounding + travel * relative.min(2.0);
        let (got, want) = (got[index], want[index]);
        assert!((got - want).abs() <= bound, "{what}[{index}]: {got:e} is not {want:e} within {bound:e}");
    }
}

/// Whether the gradient of element `index` is 0: in a convolution, that of all weights of its input or its output channel.
fn is_dead(entry: &Entry, gradient: &[f64], index: usize) -> bool {
    // Softmax takes away what is added to all keys, but for its rounding.
    if entry.name.ends_with("_qkv.bias") {
        return false;
    }
    let [3, 3, inputs, outputs] = entry.shape[..] else { return gradient[index] == 0.0 };
    let channels = |index: usize| (index / outputs % inputs, index % outputs);
    let (input, output) = channels(index);
    let zero = |same: &dyn Fn(usize) -> bool| (0..gradient.len()).all(|at| !same(at) || gradient[at] == 0.0);
    gradient[index] == 0.0 && (zero(&|at| channels(at).0 == input) || zero(&|at| channels(at).1 == output))
}

fn check<T: Real + WithDType>(golden: &Golden, tolerance: &Tolerance) {
    let (mut rig, batch) = (golden.rig::<T>(), golden.batch());
    let entries = rig.layout.entries().to_vec();
    for step in 1..=3 {
        let (estimate, loss) = rig.train(&batch);
        let gradients = rig.backward(&batch, 1.0);
        rig.update(LEARNING_RATE, WEIGHT_DECAY, step);
        let state = testing::values(&rig.state);
        if step == 1 {
            assert_near("estimate", &estimate, &golden.values("out.probs"), tolerance.value);
            assert_near("loss", &loss, &golden.values("out.loss"), tolerance.value);
            for entry in &entries {
                if entry.name.starts_with("stats.") {
                    let want = golden.statistic(entry);
                    assert_near(&entry.name, entry.slot.of(&state), &want, tolerance.value);
                } else if is_shift_before_norm(&golden.net, entry) {
                    let most = greatest(entry.slot.of(&gradients));
                    assert!(most <= tolerance.zero_gradient, "gradient of {}: {most:e}", entry.name);
                } else {
                    let what = format!("gradient of {}", entry.name);
                    assert_near(&what, entry.slot.of(&gradients), &golden.of("grad", entry), tolerance.gradient);
                }
            }
        }
        if step != 2 {
            for entry in entries.iter().filter(|entry| entry.name.starts_with("params.")) {
                assert_updated(golden, entry, &state, step, tolerance);
            }
        }
    }
    let want = golden.softmax("eval.logits");
    assert_near("estimate in evaluation", &rig.evaluate(&batch), &want, tolerance.evaluation);
}

#[test]
fn the_reference_matches_pytorch() {
    golden().iter().for_each(|golden| check::<f64>(golden, &F64));
}

#[test]
fn the_fast_path_matches_pytorch_on_every_instruction_set() {
    with_each(|_| golden().iter().for_each(|golden| check::<f32>(golden, &F32)));
}

/// So that neither a forgotten tensor nor one too many passes unseen.
#[test]
fn every_tensor_of_the_block_is_compared() {
    for golden in golden() {
        let rig = golden.rig::<f64>();
        let theirs = golden
            .tensors
            .names()
            .iter()
            .filter(|name| name.starts_with("param.") || name.starts_with("running."))
            .count();
        assert_eq!(rig.layout.entries().len(), theirs);
    }
}
