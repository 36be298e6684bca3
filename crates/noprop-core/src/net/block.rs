//! A denoiser: û = block(z, x), a compiled net with buffers for one batch.

use super::buffers::Buffers;
use super::config::NetConfig;
use super::graph::Graph;
use super::layout::Layout;
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
    /// The time of each sample, of a net that has one.
    time: Option<Buffer>,
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

    /// The same of any net whose tensors lie where `layout` says.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_graph(graph: &Graph, layout: &Layout, buffers: &Buffers) -> Result<Self> {
        let target = Target { training: buffers.training, launched: buffers.launched, fused: true };
        let block = Self::of(Program::new(graph, layout, target)?, buffers)?;
        let time = graph.form().timed.then(|| buffers.samples(1)).transpose()?;
        Ok(Self { time, ..block })
    }

    /// The same for a net of the same shape, on the buffers of this one: neither keeps anything from one step to the next.
    ///
    /// # Errors
    /// None: this one was made.
    pub(crate) fn beside(&self, graph: &Graph, layout: &Layout, launched: bool) -> Result<Self> {
        let program = Program::new(graph, layout, Target { training: true, launched, fused: true })?;
        debug_assert_eq!(program.buffers(), self.program.buffers());
        Ok(Self { program, buffers: self.buffers.clone(), time: self.time.clone() })
    }

    pub(crate) fn of(program: Program, buffers: &Buffers) -> Result<Self> {
        let sizes = program.buffers().iter();
        let made = sizes.map(|size| match *size {
            Size::Samples(len) => buffers.samples(len),
            Size::Block(len) | Size::Zeros(len) => buffers.rows(len),
        });
        Ok(Self { buffers: made.collect::<Result<_>>()?, program, time: None })
    }

    /// Where the times of the samples go, `[K, capacity]`, before a forward pass of a net that has them.
    pub fn time(&self) -> Option<&Buffer> {
        self.time.as_ref()
    }

    /// The gradient of z of the last backward pass, `[K, capacity · classes]`, where the net was asked for it.
    pub fn z_gradient(&self) -> Option<&Tensor> {
        self.program.z_gradient().map(|place| &*self.buffers[place])
    }

    fn context<'a>(
        &'a self,
        step: Step<'a>,
        mode: Mode<'a>,
        gradient: &'a Buffer,
        x: &'a Tensor,
        z: &'a Tensor,
    ) -> Context<'a> {
        Context { step, mode, x, z, time: self.time.as_ref(), gradient, buffers: &self.buffers, places: &[] }
    }

    /// û from x `[K, samples · input]` and z `[K, samples · classes]`, both by value of [`Step::samples`] samples.
    ///
    /// # Errors
    /// [`crate::Code::Cancelled`] when stopped.
    pub fn forward(&mut self, step: Step<'_>, mode: Mode<'_>, x: &Tensor, z: &Tensor) -> Result<()> {
        self.program.forward(&self.context(step, mode, step.gradients, x, z))
    }

    /// û of the x of the last [`forward`](Self::forward) and other z and times. In an evaluation of a net with a time, all samples have the
    /// time of the first, what depends on it alone is computed once for all of them, and nothing is computed again that depends on x alone.
    ///
    /// # Errors
    /// [`crate::Code::Cancelled`] when stopped.
    pub fn forward_again(&mut self, step: Step<'_>, mode: Mode<'_>, x: &Tensor, z: &Tensor) -> Result<()> {
        self.program.forward_again(&self.context(step, mode, step.gradients, x, z))
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
