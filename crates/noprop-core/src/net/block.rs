//! A denoiser: û = block(z, x), a compiled net with buffers for one batch.

use super::buffers::Buffers;
use super::config::NetConfig;
use super::program::{Context, Program, Size, Target};
use super::step::{Mode, Step};
use crate::data::InputShape;
use crate::error::Result;
use crate::tensor::Buffer;
use candle_core::Tensor;

/// A net that serves any number of blocks, whose values lie in their states.
pub struct Block {
    program: Program,
    buffers: Vec<Buffer>,
}

impl Block {
    /// One denoiser with its buffers, for a configuration that was accepted.
    ///
    /// # Errors
    /// [`crate::Code::Memory`] or [`crate::Code::DeviceMemory`] where there is too little.
    pub fn new(net: &NetConfig, input: InputShape, classes: usize, buffers: &Buffers) -> Result<Self> {
        let target = Target { training: buffers.training, launched: buffers.launched, fused: true };
        Self::of(net.program(input, classes, target)?, buffers)
    }

    pub(crate) fn of(program: Program, buffers: &Buffers) -> Result<Self> {
        let sizes = program.buffers().iter();
        let made = sizes.map(|size| match *size {
            Size::Samples(len) => buffers.samples(len),
            Size::Block(len) | Size::Zeros(len) => buffers.rows(len),
        });
        Ok(Self { buffers: made.collect::<Result<_>>()?, program })
    }

    fn context<'a>(
        &'a self,
        step: Step<'a>,
        mode: Mode<'a>,
        gradient: &'a Buffer,
        x: &'a Tensor,
        z: &'a Tensor,
    ) -> Context<'a> {
        Context { step, mode, x, z, gradient, buffers: &self.buffers, places: &[] }
    }

    /// û from x `[K, samples · input]` and z `[K, samples · classes]`, both by value of [`Step::samples`] samples.
    ///
    /// # Errors
    /// [`crate::Code::Cancelled`] when stopped.
    pub fn forward(&mut self, step: Step<'_>, mode: Mode<'_>, x: &Tensor, z: &Tensor) -> Result<()> {
        self.program.forward(&self.context(step, mode, step.gradients, x, z))
    }

    /// The estimate û of the last forward pass, `[K, capacity · classes]`.
    pub fn estimate(&self) -> &Tensor {
        &self.buffers[self.program.estimate()]
    }

    /// Gradients of all parameters from the gradient of û, which is overwritten. Follows a training forward pass in the same
    /// mode, on the same x and z.
    ///
    /// # Errors
    /// [`crate::Code::Cancelled`] when stopped.
    pub fn backward(
        &mut self,
        step: Step<'_>,
        mode: Mode<'_>,
        gradient: &Buffer,
        x: &Tensor,
        z: &Tensor,
    ) -> Result<()> {
        self.program.backward(&self.context(step, mode, gradient, x, z))
    }
}
