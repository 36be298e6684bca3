//! A whole block: golden values of another framework, finite differences, short and single batches, stacked blocks.

mod batches;
mod golden;
mod gradients;
mod graphs;
mod programs;
mod timed;

use super::layout::Entry;
use super::program::Target;
use super::{Block, Buffers, Draw, Layout, Mode, NetConfig, Step};
use crate::data::InputShape;
use crate::ops::adamw::AdamW;
use crate::ops::multiply::Precision;
use crate::ops::squared_error::SquaredError;
use crate::ops::testing::{normal, poisoned, tensor, values};
use crate::tensor::{Buffer, Real, StopFlag};
use candle_core::{Device, Tensor, WithDType};
use std::marker::PhantomData;

/// Batch norm takes the mean away, and with it a shift that only affine layers lie between: the exact gradients of
/// these biases are 0.
fn is_shift_before_norm(net: &NetConfig, entry: &Entry) -> bool {
    let layers: &[&str] = match net {
        NetConfig::Cnn { .. } => {
            &["image_fc", "image_bn", "label_fc1", "label_fc2", "label_fc3", "label_bn3", "fuse_fc1", "fuse_fc2"]
        }
        NetConfig::Resnet { .. } => &["label_fc", "fuse_fc1"],
        _ => &[],
    };
    layers.iter().any(|layer| entry.name == format!("params.{layer}.bias"))
}

/// A batch of `classes.len()` samples for each of the blocks that run together.
#[derive(Clone)]
struct Batch {
    /// `[samples, input]`, shared by the blocks.
    x: Vec<f64>,
    /// `[K, samples, classes]`.
    z: Vec<f64>,
    classes: Vec<u32>,
    /// Each sample's index in the data set, which its dropout masks hang on.
    samples: Vec<u32>,
}

impl Batch {
    /// Reproducible samples for one block.
    fn new(input: InputShape, width: usize, samples: usize) -> Self {
        Self {
            x: normal(101, samples * input.len()),
            z: normal(102, samples * width),
            classes: (0..samples).map(|sample| (sample * 2 % width) as u32).collect(),
            samples: (0..samples as u32).map(|sample| 7 * sample + 3).collect(),
        }
    }

    /// Some of the samples.
    fn part(&self, range: std::ops::Range<usize>) -> Self {
        let per_sample = |values: &[f64]| {
            let len = values.len() / self.classes.len();
            values[range.start * len..range.end * len].to_vec()
        };
        Self {
            x: per_sample(&self.x),
            z: per_sample(&self.z),
            classes: self.classes[range.clone()].to_vec(),
            samples: self.samples[range].to_vec(),
        }
    }
}

/// Blocks that run together, with what a training step needs, in element type `T`.
struct Rig<T> {
    layout: Layout,
    width: usize,
    blocks: Vec<usize>,
    block: Block,
    state: Buffer,
    gradients: Buffer,
    capacity: usize,
    element: PhantomData<T>,
}

fn training_mode<'a>(blocks: &'a [usize], batch: &'a Batch) -> Mode<'a> {
    Mode::Training(Draw { seed: 5, blocks, epoch: 2, samples: &batch.samples })
}

/// The values in `count` rows.
fn rows(values: &Tensor, count: usize) -> Buffer {
    Buffer::new(values.reshape((count, ())).unwrap()).unwrap()
}

impl<T: Real + WithDType> Rig<T> {
    /// The rig of `blocks` with the initial weights of `seed` 1, for batches of at most `capacity` samples.
    fn new(net: &NetConfig, input: InputShape, width: usize, capacity: usize, blocks: &[usize]) -> Self {
        let target = Target { training: true, launched: false, fused: true };
        Self::compiled(net, target, input, width, capacity, blocks)
    }

    /// The same of a net that is compiled for `target`.
    fn compiled(
        net: &NetConfig,
        target: Target,
        input: InputShape,
        width: usize,
        capacity: usize,
        blocks: &[usize],
    ) -> Self {
        let layout = net.layout(input, width).unwrap();
        let (stacked, Target { training, launched, .. }) = (blocks.len(), target);
        let buffers = Buffers { stacked, capacity, dtype: T::DTYPE, device: Device::Cpu, training, launched };
        let block = Block::of(net.program(input, width, target).unwrap(), &buffers).unwrap();
        let gradients = rows(&poisoned::<T>(stacked * layout.parameters()), stacked);
        let weights: Vec<_> = blocks.iter().map(|block| layout.initial_weights(1, *block)).collect();
        let state = gradients.clone();
        let blocks = blocks.to_vec();
        let mut rig = Self { layout, width, blocks, block, state, gradients, capacity, element: PhantomData };
        rig.load(&weights.concat().into_iter().map(f64::from).collect::<Vec<_>>());
        rig
    }

    /// Sets the weights `[K, parameters + statistics]`; both moments become 0.
    fn load(&mut self, weights: &[f64]) {
        let len = AdamW::state_len(self.layout.parameters(), self.layout.statistics());
        let mut state = Vec::new();
        for weights in weights.chunks_exact(self.layout.weights()) {
            state.extend_from_slice(weights);
            state.resize(state.len() + len - weights.len(), 0.0);
        }
        self.state = rows(&tensor::<T>(&state), self.blocks.len());
    }

    /// The weights of all blocks `[K, parameters + statistics]`.
    fn weights(&self) -> Vec<f64> {
        let len = AdamW::state_len(self.layout.parameters(), self.layout.statistics());
        values(&self.state).chunks_exact(len).flat_map(|state| state[..self.layout.weights()].to_vec()).collect()
    }

    /// x and z as tensors of the full capacity, what lies behind the batch poisoned.
    fn inputs(&self, batch: &Batch) -> [Tensor; 2] {
        let padded = |values: &[f64], rows: usize| {
            let len = values.len() / rows / batch.classes.len() * self.capacity;
            let mut all = Vec::new();
            for row in values.chunks_exact(values.len() / rows) {
                all.extend_from_slice(row);
                all.resize(all.len() + len - row.len(), f64::NAN);
            }
            tensor::<T>(&all).reshape((rows, len)).unwrap()
        };
        [padded(&batch.x, 1), padded(&batch.z, self.blocks.len())]
    }

    fn forward(&mut self, batch: &Batch, training: bool) -> Vec<f64> {
        let [x, z] = self.inputs(batch);
        let blocks = self.blocks.clone();
        let mode = if training { training_mode(&blocks, batch) } else { Mode::Evaluation };
        let step = Step {
            state: &self.state,
            gradients: &self.gradients,
            optimiser: None,
            stop: &StopFlag::new(),
            samples: batch.classes.len(),
            precision: Precision::F32,
        };
        self.block.forward(step, mode, &x, &z).unwrap();
        let len = self.width * batch.classes.len();
        values(self.block.estimate())
            .chunks_exact(self.width * self.capacity)
            .flat_map(|row| row[..len].to_vec())
            .collect()
    }

    /// û in evaluation.
    fn evaluate(&mut self, batch: &Batch) -> Vec<f64> {
        self.forward(batch, false)
    }

    /// û in training, and each block's loss.
    fn train(&mut self, batch: &Batch) -> (Vec<f64>, Vec<f64>) {
        let estimate = self.forward(batch, true);
        let loss = rows(&poisoned::<T>(self.blocks.len()), self.blocks.len());
        SquaredError { classes: &batch.classes, width: self.width }.forward(&loss, self.block.estimate()).unwrap();
        (estimate, values(&loss))
    }

    /// Gradients of the parameters `[K, parameters]` of `weight` times the loss of the last [`train`](Self::train).
    fn backward(&mut self, batch: &Batch, weight: f64) -> Vec<f64> {
        self.backward_with(batch, weight, None);
        values(&self.gradients)
    }

    /// The same, or with an optimiser the step of it that the gradients ask for.
    fn backward_with(&mut self, batch: &Batch, weight: f64, optimiser: Option<&AdamW>) {
        let [x, z] = self.inputs(batch);
        let (blocks, count) = (self.blocks.clone(), self.blocks.len());
        let gradient = rows(&poisoned::<T>(count * self.width * self.capacity), count);
        let error = SquaredError { classes: &batch.classes, width: self.width };
        error.backward(&gradient, self.block.estimate(), weight).unwrap();
        let step = Step {
            state: &self.state,
            gradients: &self.gradients,
            optimiser,
            stop: &StopFlag::new(),
            samples: batch.classes.len(),
            precision: Precision::F32,
        };
        self.block.backward(step, training_mode(&blocks, batch), &gradient, &x, &z).unwrap();
    }

    /// Step `step` (from 1) of AdamW on the gradients of the last [`backward`](Self::backward).
    fn update(&self, learning_rate: f64, weight_decay: f64, step: u64) {
        self.optimiser(learning_rate, weight_decay, step).step(&self.state, &self.gradients).unwrap();
    }

    fn optimiser(&self, learning_rate: f64, weight_decay: f64, step: u64) -> AdamW {
        AdamW::new(learning_rate, weight_decay, step, self.layout.parameters(), self.layout.statistics())
    }
}
