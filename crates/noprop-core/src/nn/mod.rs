//! Layers: parameters, forward and backward, without a tape. A layer is a few sizes and the slots of its parameters in the
//! block's flat buffers; the values live in the block's state, so one layer serves any number of blocks.

pub mod batch_norm;
pub mod conv;
pub mod linear;
pub mod normalised;
pub mod parameters;
mod placement;
pub mod towards;

pub use batch_norm::BatchNorm;
pub use conv::Conv3x3;
pub use linear::Linear;
pub use normalised::Normalised;
pub use parameters::{Layout, LayoutBuilder};
pub(crate) use placement::Placement;
pub use towards::Towards;

use crate::error::Result;
use crate::ops::adamw::AdamW;
use crate::ops::multiply::Precision;
use crate::tensor::{Buffer, Slot, StopFlag};

/// What all layers of one training step share.
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
    fn update<const N: usize>(&self, slots: [Slot; N]) -> Result<()> {
        let Some(optimiser) = self.optimiser else { return Ok(()) };
        slots.into_iter().try_for_each(|slot| optimiser.step_part(self.state, self.gradients, slot))
    }
}
