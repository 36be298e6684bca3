//! The baseline of a neural differential equation (paper, section 4; Chen et al. 2018): dz/dt = f(z, x, t) from z_0 ~ N(0, I) to t = 1 by
//! Euler's rule, a linear head on z_1, cross-entropy. It is trained by the adjoint equation: with a = dL/dz,
//!
//! ```text
//! da/dt = −(∂f/∂z)ᵀ a,   dL/dθ = ∫ (∂f/∂θ)ᵀ a dt      from t = 1 back to 0
//! ```
//!
//! The states of all steps are kept, a few values a sample each, and what the net computes between is computed again: memory is that of
//! one net, and the gradient exactly that of the steps.

use super::{Draw, Drawn, Loss, Method, Move, Parts, Query, Readout, Sampling, Slope, head};
use crate::diffusion::initial_state;
use crate::error::Result;
use crate::net::graph::Output;
use crate::net::layout::OwnTensor;
use crate::net::{Form, Graph};
use crate::rng::{Purpose, Stream};

/// A differential equation whose slope is a net, as training integrates it.
pub trait Equation: Send + Sync {
    /// Steps of Euler's rule from 0 to 1.
    fn steps(&self) -> usize;

    /// The mean loss of a batch by its last states, whose gradients are written. Those of the own tensors are written, too.
    fn end(&self, draw: &Draw<'_>, states: &[f64], pass: EndPass<'_>) -> f64;
}

/// Where [`Equation::end`] writes.
pub struct EndPass<'a> {
    /// `[samples, width]`: the gradient of the states.
    pub by_states: &'a mut [f64],
    /// The gradients of the own tensors.
    pub own: &'a mut [f64],
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Adjoint {
    pub parts: Parts,
    /// Steps in training, and at inference where nothing says how many.
    pub steps: usize,
}

impl Method for Adjoint {
    fn jobs(&self) -> usize {
        1
    }

    /// f is linear in the net's last layer: a slope has any sign and size.
    fn graph(&self, _: bool) -> Result<Graph> {
        self.parts.graph(Form { timed: true, output: Output::Logits, z_gradient: true, ..Form::default() })
    }

    fn own_tensors(&self) -> Vec<OwnTensor> {
        head::tensors(self.parts.classes)
    }

    /// z_0, another one in every epoch.
    fn draw(&self, draw: &Draw<'_>, to: &mut Drawn) {
        for (z, sample) in to.z.chunks_exact_mut(self.parts.classes).zip(draw.samples) {
            let stream = Stream::new(draw.seed, Purpose::LabelNoise, draw.job, draw.epoch, *sample as usize);
            initial_state(&stream, z);
        }
    }

    fn loss(&self) -> Loss {
        Loss::CrossEntropy
    }

    fn equation(&self) -> Option<&dyn Equation> {
        Some(self)
    }

    fn chain(&self, _: usize, _: &[f64], sampling: &Sampling) -> Result<Vec<Move>> {
        let slope = Slope { estimate: 1.0, state: 0.0 };
        sampling.integrate("adjoint", self.steps, |t| (Query { time: t, ..Query::default() }, slope))
    }

    fn has_head(&self) -> bool {
        true
    }

    fn readout(&self, _: usize, own: &[f64]) -> Readout {
        let (weight, bias) = head::parts(own, self.parts.classes);
        Readout::Head { weight: weight.to_vec(), bias: bias.to_vec() }
    }
}

impl Equation for Adjoint {
    fn steps(&self) -> usize {
        self.steps
    }

    fn end(&self, draw: &Draw<'_>, states: &[f64], pass: EndPass<'_>) -> f64 {
        let (width, samples) = (self.parts.classes, draw.samples.len() as f64);
        pass.own.fill(0.0);
        let rows = states.chunks_exact(width).zip(pass.by_states.chunks_exact_mut(width)).zip(draw.classes);
        let each = rows.map(|((state, by_state), class)| {
            head::loss(draw.own, state, *class as usize, head::Pass { by_state, own: pass.own, samples })
        });
        each.sum::<f64>() / samples
    }
}
