//! The buffers of a step of K blocks.

use crate::net::Block;
use crate::tensor::Buffer;

/// What the operations of a step write.
pub(super) struct StepBuffers {
    /// One a net of a job, all on the same buffers.
    pub nets: Vec<Block>,
    /// `[1, batch · input]`, which all blocks share.
    pub x: Buffer,
    /// `[K, batch · width of a state]`.
    pub z: Buffer,
    /// `[K, batch · width of û]`.
    pub gradient: Buffer,
    /// `[K, parameters]`.
    pub gradients: Buffer,
    /// `[K, 1]`.
    pub loss: Buffer,
}
