//! NoProp-FM with a learned embedding (paper, section 3.3). Without anything else all vectors would fall together, where no velocity is easier to
//! tell, so a linear head keeps them apart on the end z_t + (1 − t) v that the velocity points to:
//!
//! ```text
//! loss = ‖v(z_t, x, t) − (u_y − z_0)‖² − ln p(y | z_t + (1 − t) v),   v = logits · W,   p = softmax of the head
//! ```

use super::fm::Fm;
use super::learned::{self, Learned};
use super::{Draw, Drawn, Judged, Loss, Method, Move, OwnPass, Parts, Readout, Sampling};
use crate::error::Result;
use crate::net::graph::Output;
use crate::net::layout::OwnTensor;
use crate::net::{Form, Graph};
use crate::rng::{Purpose, Stream};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct FmLearned(pub Fm);

impl FmLearned {
    fn parts(&self) -> &Parts {
        &self.0.parts
    }

    fn stream(draw: &Draw<'_>, purpose: Purpose, sample: u32) -> Stream {
        Stream::new(draw.seed, purpose, draw.job, draw.epoch, sample as usize)
    }

    fn time(draw: &Draw<'_>, sample: u32) -> f64 {
        Self::stream(draw, Purpose::Time, sample).uniform(0)
    }

    /// Value k of z_t.
    fn state(&self, learned: &Learned<'_>, draw: &Draw<'_>, (sample, class): (u32, usize), k: usize) -> f64 {
        let t = Self::time(draw, sample);
        let noise = Self::stream(draw, Purpose::LabelNoise, sample).normal(k as u32);
        let beside = Self::stream(draw, Purpose::PathNoise, sample);
        let off = if self.0.noise == 0.0 { 0.0 } else { self.0.noise * beside.normal(k as u32) };
        t * learned.vector(class)[k] + (1.0 - t) * noise + off
    }
}

impl Method for FmLearned {
    fn jobs(&self) -> usize {
        1
    }

    /// The classes' logits.
    fn graph(&self, _: bool) -> Result<Graph> {
        let form = Form { timed: true, output: Output::Logits, z_gradient: true, ..Form::default() };
        self.parts().graph(form)
    }

    fn own_tensors(&self) -> Vec<OwnTensor> {
        learned::tensors(&self.parts().vectors).to_vec()
    }

    /// As of [`Fm`], with the embedding as it is now.
    fn draw(&self, draw: &Draw<'_>, to: &mut Drawn) {
        let (learned, width) = (Learned::of(self.parts(), draw.own), self.parts().width());
        let rows = to.z.chunks_exact_mut(width).zip(&mut to.times);
        for ((z, time), (sample, class)) in rows.zip(draw.samples.iter().zip(draw.classes)) {
            *time = Self::time(draw, *sample) as f32;
            for (k, z) in z.iter_mut().enumerate() {
                *z = self.state(&learned, draw, (*sample, *class as usize), k) as f32;
            }
        }
    }

    fn loss(&self) -> Loss {
        Loss::Own
    }

    fn judge(&self, draw: &Draw<'_>, _: &Drawn, pass: Judged<'_>) -> f64 {
        let Judged { estimate, gradient, gradients, weight, room } = pass;
        let (learned, width, classes) =
            (Learned::of(self.parts(), draw.own), self.parts().width(), self.parts().classes);
        let samples = draw.samples.len() as f64;
        let rows = estimate.chunks_exact(classes).zip(gradient.chunks_exact_mut(classes));
        let losses = rows.zip(draw.samples.iter().zip(draw.classes)).map(|((logits, gradient), (sample, class))| {
            let (class, rest) = (*class as usize, 1.0 - Self::time(draw, *sample));
            let (noise, scale) = (Self::stream(draw, Purpose::LabelNoise, *sample), weight / samples);
            let start = |k: usize| noise.normal(k as u32);
            let error = learned.squared_error((logits, class), start, scale, gradient, gradients, room);
            let (state, others) = room.split_at_mut(width);
            let (shares, by_state) = others.split_at_mut(classes);
            let by_state = &mut by_state[..width];
            for (k, state) in state.iter_mut().enumerate() {
                let velocity: f64 = logits.iter().enumerate().map(|(j, logit)| logit * learned.vector(j)[k]).sum();
                *state = self.state(&learned, draw, (*sample, class), k) + rest * velocity;
            }
            learned.class_loss(state, class, samples, shares, by_state, gradients);
            for (j, gradient) in gradient.iter_mut().enumerate() {
                let product: f64 = by_state.iter().zip(learned.vector(j)).map(|(by, value)| by * value).sum();
                *gradient += rest * product;
                learned.add(j, rest * logits[j], by_state, gradients);
            }
            learned.add(class, 1.0 - rest, by_state, gradients);
            error
        });
        losses.sum::<f64>() / samples
    }

    fn own_gradients(&self, draw: &Draw<'_>, _: &Drawn, pass: OwnPass<'_>) -> f64 {
        let learned = Learned::of(self.parts(), draw.own);
        let rows = pass.z_gradient.chunks_exact(self.parts().width());
        for (by_z, (sample, class)) in rows.zip(draw.samples.iter().zip(draw.classes)) {
            learned.add(*class as usize, Self::time(draw, *sample), by_z, pass.gradients);
        }
        0.0
    }

    fn chain(&self, job: usize, own: &[f64], sampling: &Sampling) -> Result<Vec<Move>> {
        self.0.chain(job, own, sampling)
    }

    fn has_head(&self) -> bool {
        true
    }

    fn readout(&self, _: usize, own: &[f64]) -> Readout {
        Learned::of(self.parts(), own).readout()
    }
}
