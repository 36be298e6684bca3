//! Names, shapes and places of a block's tensors in its flat buffers.
//!
//! A block's weights are `[parameters | statistics]`, each part in the order of its names. The model file names them
//! `blocks.0001.params.conv1.weight` and `blocks.0001.stats.image_bn.mean`, so file order is name order.

use crate::rng::{Purpose, Stream};
use crate::tensor::Slot;
use std::sync::Arc;

/// How a tensor begins.
#[derive(Debug, Clone, PartialEq)]
pub enum Init {
    /// Uniform in ±1 / √fan_in (PyTorch's default for convolutions and linear layers, weight and bias alike).
    FanIn(usize),
    /// A constant.
    Constant(f32),
    /// Of a convolution's weight `[k, k, cin, cout]`, or a matrix `[cin, cout]`: the first outputs are the inputs as they are, others as [`FanIn`](Self::FanIn).
    Identity(usize),
    /// Made from the training data, see `whitening.rs`; 0 where there is none yet.
    Whitening,
    /// These values.
    Values(Arc<[f32]>),
}

/// One tensor of a block.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Name inside the block, for example `params.conv1.weight`.
    pub name: String,
    /// Shape; its product is the slot's length.
    pub shape: Vec<usize>,
    /// Place in the block's weights.
    pub slot: Slot,
    init: Init,
}

impl Entry {
    /// How it begins.
    pub(crate) fn init(&self) -> &Init {
        &self.init
    }
}

/// All tensors of a block.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Layout {
    entries: Vec<Entry>,
    parameters: usize,
    statistics: usize,
}

impl Layout {
    /// The tensors in the order of their names, which is the order of their slots.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Number of trained values.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// Number of batch-norm statistics.
    pub fn statistics(&self) -> usize {
        self.statistics
    }

    /// Number of values that a trained block consists of.
    pub fn weights(&self) -> usize {
        self.parameters + self.statistics
    }

    /// The slot of `name`, which a node of the net has declared.
    pub(crate) fn slot(&self, name: &str) -> Slot {
        let entry = self.entries.iter().find(|entry| entry.name == name);
        entry.unwrap_or_else(|| panic!("the layout declares {name}")).slot
    }

    /// The same tensors where each begins at a multiple of four values, as they lie on a device: kernels read four values at once
    /// only from addresses that are multiples of 16 bytes. The gaps are part of the parameters and statistics that are counted.
    pub(crate) fn aligned(self) -> Self {
        Self::placed(self.entries, 4)
    }

    /// Slots in this order, each from a multiple of `step` on.
    fn placed(mut entries: Vec<Entry>, step: usize) -> Self {
        let (mut offset, mut parameters) = (0, 0);
        for entry in &mut entries {
            entry.slot.offset = offset;
            offset = (offset + entry.slot.len).next_multiple_of(step);
            if entry.name.starts_with("params.") {
                parameters = offset;
            }
        }
        Self { entries, parameters, statistics: offset - parameters }
    }

    /// Initial weights of block `block` (from 1): a function of (seed, block, tensor, element).
    pub fn initial_weights(&self, seed: u64, block: usize) -> Vec<f32> {
        let mut weights = vec![0.0; self.weights()];
        self.write_initial_weights(seed, block, &mut weights);
        weights
    }

    /// Writes [`initial_weights`](Self::initial_weights) to `weights`, which has as many values.
    pub(crate) fn write_initial_weights(&self, seed: u64, block: usize, weights: &mut [f32]) {
        for (tensor, entry) in self.entries.iter().enumerate() {
            let values = entry.slot.of_mut(weights);
            match &entry.init {
                Init::Constant(value) => values.fill(*value),
                Init::Whitening => values.fill(0.0),
                Init::Values(start) => values.copy_from_slice(start),
                Init::FanIn(fan_in) | Init::Identity(fan_in) => {
                    let bound = 1.0 / (*fan_in as f64).sqrt();
                    let stream = Stream::new(seed, Purpose::Init, block, 0, tensor);
                    for (index, value) in values.iter_mut().enumerate() {
                        *value = ((2.0 * stream.uniform(index as u32) - 1.0) * bound) as f32;
                    }
                    if let (Init::Identity(_), &[ref kernel @ .., cin, cout]) = (&entry.init, &entry.shape[..]) {
                        // A matrix is a kernel of one tap.
                        let (height, width) = if let &[height, width] = kernel { (height, width) } else { (1, 1) };
                        let copied = cin.min(cout);
                        for (index, value) in values.iter_mut().enumerate() {
                            let (tap, input, output) = (index / (cin * cout), index / cout % cin, index % cout);
                            let centre = height / 2 * width + width / 2;
                            if output < copied {
                                *value = f32::from(u8::from(tap == centre && input == output));
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A tensor that a method trains beside the net's.
#[derive(Debug, Clone)]
pub struct OwnTensor {
    /// The layer that it counts as.
    pub layer: &'static str,
    /// Its name in there.
    pub name: &'static str,
    /// Its shape.
    pub shape: Vec<usize>,
    /// How it begins.
    pub init: Init,
}

/// Collects the tensors that a block's layers declare.
#[derive(Debug, Default)]
pub struct LayoutBuilder {
    entries: Vec<Entry>,
}

impl LayoutBuilder {
    /// Declares a trained tensor.
    pub fn parameter(&mut self, layer: &str, name: &str, shape: &[usize], init: Init) {
        self.push(format!("params.{layer}.{name}"), shape, init);
    }

    /// Declares a tensor that training keeps up to date but does not train.
    pub fn statistic(&mut self, layer: &str, name: &str, shape: &[usize], init: Init) {
        self.push(format!("stats.{layer}.{name}"), shape, init);
    }

    fn push(&mut self, name: String, shape: &[usize], init: Init) {
        let slot = Slot { offset: 0, len: shape.iter().product() };
        self.entries.push(Entry { name, shape: shape.to_vec(), slot, init });
    }

    /// Sorts by name, which puts all `params` before all `stats`, and assigns slots.
    pub fn build(mut self) -> Layout {
        self.entries.sort_by(|a, b| a.name.cmp(&b.name));
        Layout::placed(self.entries, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        let mut builder = LayoutBuilder::default();
        builder.statistic("bn", "mean", &[2], Init::Constant(0.0));
        builder.parameter("fc", "weight", &[3, 2], Init::FanIn(4));
        builder.parameter("bn", "weight", &[2], Init::Constant(1.0));
        builder.build()
    }

    #[test]
    fn slots_follow_names_and_parameters_come_first() {
        let layout = layout();
        let names: Vec<_> = layout.entries().iter().map(|entry| (entry.name.as_str(), entry.slot.offset)).collect();
        assert_eq!(names, [("params.bn.weight", 0), ("params.fc.weight", 2), ("stats.bn.mean", 8)]);
        assert_eq!((layout.parameters(), layout.statistics()), (8, 2));
    }

    #[test]
    fn aligned_slots_begin_at_multiples_of_four() {
        let layout = layout().aligned();
        let slots: Vec<_> = layout.entries().iter().map(|entry| (entry.slot.offset, entry.slot.len)).collect();
        assert_eq!(slots, [(0, 2), (4, 6), (12, 2)]);
        assert_eq!((layout.parameters(), layout.statistics()), (12, 4));
    }

    #[test]
    fn initial_weights_are_bounded_and_differ_between_blocks_and_seeds() {
        let layout = layout();
        let first = layout.initial_weights(1, 1);
        assert_eq!(first[..2], [1.0, 1.0]);
        assert!(first[2..8].iter().all(|value| value.abs() <= 0.5 && *value != 0.0));
        assert_ne!(first, layout.initial_weights(1, 2));
        assert_ne!(first, layout.initial_weights(2, 1));
        assert_eq!(first, layout.initial_weights(1, 1));
    }
}
