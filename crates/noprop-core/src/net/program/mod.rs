//! A graph compiled for one purpose: the calls of kernels of its forward and backward pass, and the buffers between them.

mod calls;
mod compile;
mod dense;
mod fuse;
mod gradients;
mod lower;
mod slots;
mod stage;
mod state;

use compile::{Compiled, compile};
pub(crate) use fuse::{Readers, resolve};
pub(crate) use slots::Size;
pub(crate) use stage::stages;

use super::graph::Graph;
use super::layout::Layout;
use super::step::{Mode, Step};
use crate::error::Result;
use crate::ops::dropout::Dropout;
use crate::tensor::Buffer;
use candle_core::Tensor;
use std::fmt;

#[cfg(test)]
thread_local! {
    /// Calls of kernels that this thread's programs have made.
    pub(crate) static CALLS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// What a program is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    /// Whether the backward pass will be used.
    pub training: bool,
    /// Whether operations are launched as kernels, on a device or on their emulation.
    pub launched: bool,
    /// Whether operations that can be one call are. Tests compare both.
    pub fused: bool,
}

/// Where a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum At {
    /// The sample.
    X,
    /// The noised label.
    Z,
    /// The time.
    Time,
    /// The gradient of the estimate, which the backward pass begins with and overwrites.
    Estimate,
    /// A buffer of the program's own.
    Slot(usize),
}

/// What a call does. Behind a `dyn Fn` the compiler would make all of it three times, for `FnMut` and `FnOnce` too.
pub(crate) trait Run: Send {
    /// Does it.
    fn run(&self, context: &Context<'_>) -> Result<()>;
}

impl<F: Fn(&Context<'_>) -> Result<()> + Send> Run for F {
    fn run(&self, context: &Context<'_>) -> Result<()> {
        self(context)
    }
}

/// One call.
pub(crate) struct Call {
    name: &'static str,
    reads: Vec<At>,
    writes: Vec<At>,
    /// Whether its result depends neither on z nor on a time.
    fixed: bool,
    /// Whether its result depends on the time alone, which is one for all samples: it is made for one row.
    is_timed: bool,
    run: Box<dyn Run>,
}

/// A compiled net.
pub(crate) struct Program {
    forward: Vec<Call>,
    backward: Vec<Call>,
    /// The buffers that are allocated.
    buffers: Vec<Size>,
    /// In which buffer each slot of the calls lies.
    places: Vec<usize>,
    estimate: At,
    z_gradient: Option<At>,
    /// Calls of the forward pass that depend on x alone, which come first where the program is split.
    fixed: usize,
}

impl Program {
    /// Compiles a net whose tensors lie where `layout` says.
    pub fn new(graph: &Graph, layout: &Layout, target: Target) -> Result<Self> {
        let Compiled { mut forward, backward, sizes, estimate, z_gradient } = compile(graph, layout, target)?;
        let mut fixed = 0;
        if is_split(graph, target) {
            // The order among those that depend on x alone, and among the others, stays.
            forward.sort_by_key(|call| !call.fixed);
            fixed = forward.iter().filter(|call| call.fixed).count();
        }
        let results: Vec<At> = [estimate].into_iter().chain(z_gradient).collect();
        let (buffers, places) = slots::plan(&sizes, forward.iter().chain(&backward), &results, fixed);
        Ok(Self { forward, backward, buffers, places, estimate, z_gradient, fixed })
    }

    /// Values of the buffers for batches of `batch` samples.
    pub fn values(&self, batch: usize) -> usize {
        self.buffers.iter().map(|size| size.of(batch)).sum()
    }

    /// The buffers to allocate, in their order.
    pub fn buffers(&self) -> &[Size] {
        &self.buffers
    }

    /// The buffer of the estimate û.
    pub fn estimate(&self) -> usize {
        match self.estimate {
            At::Slot(slot) => self.places[slot],
            _ => unreachable!("an estimate is computed"),
        }
    }

    /// The buffer of the gradient of z, where the net was asked for it and reads z.
    pub fn z_gradient(&self) -> Option<usize> {
        match self.z_gradient? {
            At::Slot(slot) => Some(self.places[slot]),
            _ => None,
        }
    }

    /// û of x and z.
    pub fn forward(&self, context: &Context<'_>) -> Result<()> {
        self.run(&self.forward, context)
    }

    /// û of the x of the last [`forward`](Self::forward) and another z and time: what depends on x alone is not computed again where
    /// the program is split, as that of an evaluation of a net with a time is.
    pub fn forward_again(&self, context: &Context<'_>) -> Result<()> {
        self.run(&self.forward[self.fixed..], context)
    }

    /// Gradients of all parameters from that of û.
    pub fn backward(&self, context: &Context<'_>) -> Result<()> {
        self.run(&self.backward, context)
    }

    fn run(&self, calls: &[Call], context: &Context<'_>) -> Result<()> {
        let context = Context { places: &self.places, ..*context };
        #[cfg(test)]
        CALLS.set(CALLS.get() + calls.len());
        calls.iter().try_for_each(|call| {
            context.step.stop.check()?;
            match call.is_timed {
                true => call.run.run(&Context { step: Step { samples: 1, ..context.step }, ..context }),
                false => call.run.run(&context),
            }
        })
    }
}

/// Whether what depends on x alone is computed first, and once for any number of z and times; the time then is one for all samples.
fn is_split(graph: &Graph, target: Target) -> bool {
    graph.form().timed && !target.training
}

/// A line a call: `dense 0, z -> 1, 2 (3)`; numbers are buffers.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &[At]| {
            let name = |at: &At| match at {
                At::X => "x".to_owned(),
                At::Z => "z".to_owned(),
                At::Time => "time".to_owned(),
                At::Estimate => "g".to_owned(),
                At::Slot(slot) => self.places[*slot].to_string(),
            };
            values.iter().map(name).collect::<Vec<_>>().join(", ")
        };
        for (pass, calls) in [("forward", &self.forward), ("backward", &self.backward)] {
            writeln!(f, "{pass}")?;
            for Call { name, reads, writes, .. } in calls {
                writeln!(f, "  {name} {} -> {}", list(reads), list(writes))?;
            }
        }
        writeln!(f, "buffers")?;
        self.buffers.iter().enumerate().try_for_each(|(index, size)| writeln!(f, "  {index}: {size}"))
    }
}

/// What calls compute on.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub step: Step<'a>,
    pub mode: Mode<'a>,
    pub x: &'a Tensor,
    pub z: &'a Tensor,
    /// The time of each sample, of a net that has one.
    pub time: Option<&'a Buffer>,
    /// That of the estimate; in a forward pass any other buffer, which nobody uses.
    pub gradient: &'a Buffer,
    pub buffers: &'a [Buffer],
    pub places: &'a [usize],
}

impl<'a> Context<'a> {
    /// Samples of the batch.
    pub fn samples(&self) -> usize {
        self.step.samples
    }

    /// Whether the batch normalises itself and values are dropped; a program of training can do without.
    pub fn is_training(&self) -> bool {
        matches!(self.mode, Mode::Training(_))
    }

    pub fn read(&self, at: At) -> &'a Tensor {
        match at {
            At::X => self.x,
            At::Z => self.z,
            At::Time => self.time.expect("a net with a time has a buffer for it"),
            At::Estimate | At::Slot(_) => self.write(at),
        }
    }

    pub fn write(&self, at: At) -> &'a Buffer {
        match at {
            At::Slot(slot) => &self.buffers[self.places[slot]],
            At::Estimate => self.gradient,
            At::X | At::Z | At::Time => unreachable!("inputs are only read"),
        }
    }

    /// The masks of a dropout; none in evaluation.
    pub fn dropout(&self, rate: f64, stage: u16, len: usize) -> Option<Dropout<'a>> {
        let Mode::Training(draw) = self.mode else { return None };
        let super::step::Draw { seed, blocks, epoch, samples } = draw;
        Some(Dropout { rate, seed, stage, blocks, epoch, samples, len })
    }
}
