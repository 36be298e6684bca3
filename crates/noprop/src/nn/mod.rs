//! Layers: parameters, forward and backward, without a tape. A layer is a few sizes and the slots of its parameters in the
//! block's flat buffers; the values live in the block's state, so one layer serves any number of blocks.

pub mod batch_norm;
pub mod conv;
pub mod linear;
pub mod parameters;

pub use batch_norm::BatchNorm;
pub use conv::Conv3x3;
pub use linear::Linear;
pub use parameters::{Layout, LayoutBuilder};

use crate::ops::multiply::Precision;
use crate::ops::{Buffer, StopFlag};

/// What all layers of one training step share.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// `[K, state]`: parameters, statistics and moments of the blocks that run together.
    pub state: &'a Buffer,
    /// `[K, parameters]`.
    pub gradients: &'a Buffer,
    /// Polled between and inside operations.
    pub stop: &'a StopFlag,
    /// Samples in this batch.
    pub samples: usize,
    /// What the factors of products and convolutions are rounded to.
    pub precision: Precision,
}
