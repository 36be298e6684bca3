//! What all calls of one training step share.

use crate::error::Result;
use crate::ops::adamw::AdamW;
use crate::ops::multiply::Precision;
use crate::tensor::{Buffer, Slot, StopFlag};

/// A pass through a net.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// `[K, state]`: parameters, statistics and moments of the blocks that run together.
    pub state: &'a Buffer,
    /// `[K, parameters]`. With an optimiser, what layers use of it on the way.
    pub gradients: &'a Buffer,
    /// Moves each layer's parameters in its backward pass, as soon as their gradients are there: these are then in a cache
    /// still. Without one the gradients are kept.
    pub optimiser: Option<&'a AdamW>,
    /// Polled between and inside operations.
    pub stop: &'a StopFlag,
    /// Samples in this batch.
    pub samples: usize,
    /// What the factors of products and convolutions are rounded to.
    pub precision: Precision,
}

impl Step<'_> {
    /// Moves the parameters in `slots` by the gradients that have been written there, if there is an optimiser. Follows the
    /// last use of these parameters in this step.
    pub(crate) fn update<const N: usize>(&self, slots: [Slot; N]) -> Result<()> {
        let Some(optimiser) = self.optimiser else { return Ok(()) };
        slots.into_iter().try_for_each(|slot| optimiser.step_part(self.state, self.gradients, slot))
    }
}

/// What one forward pass is for.
#[derive(Debug, Clone, Copy)]
pub enum Mode<'a> {
    /// Batch statistics and dropout.
    Training(Draw<'a>),
    /// Running statistics, no dropout.
    Evaluation,
}

/// Whose random numbers a training step draws.
#[derive(Debug, Clone, Copy)]
pub struct Draw<'a> {
    /// Seed of the model.
    pub seed: u64,
    /// The blocks that run together, from 1.
    pub blocks: &'a [usize],
    /// The epoch, from 0.
    pub epoch: usize,
    /// Each sample's index in the data set.
    pub samples: &'a [u32],
}
