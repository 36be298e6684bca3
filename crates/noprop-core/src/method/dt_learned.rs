//! NoProp-DT with a learned embedding (paper, section 3, Algorithm 1). The matrix W of the classes' vectors is shared by all blocks, so they
//! are one job: a step of it moves one block after the other, and with each of them W and a linear head on the last state.
//!
//! ```text
//! loss of block t = weight_t ‖softmax(net_t(z_{t−1}, x)) W − u_y‖² − ln p(y | z_T) + KL(q(z_0 | y) ‖ N(0, I)),   p = softmax of the head
//! ```
//!
//! No gradient crosses from one block to another: z_{t−1} and z_T are drawn from formulas of u_y, as ever.

use super::learned::{self, Learned};
use super::{Draw, Drawn, Judged, Loss, Method, Move, OwnPass, Parts, Readout, Sampling};
use crate::error::Result;
use crate::net::graph::Output;
use crate::net::layout::OwnTensor;
use crate::net::{Form, Graph};
use crate::rng::{Purpose, Stream};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct DtLearned(pub Parts);

/// Before the names of a block's layers; blocks count from 1.
pub(crate) fn prefix(block: usize) -> String {
    format!("block{block:04}_")
}

impl DtLearned {
    fn stream(draw: &Draw<'_>, purpose: Purpose, sample: u32) -> Stream {
        Stream::new(draw.seed, purpose, draw.job, draw.epoch, sample as usize)
    }
}

impl Method for DtLearned {
    fn jobs(&self) -> usize {
        1
    }

    /// One block, whose estimates are shares of the classes.
    fn graph(&self, _: bool) -> Result<Graph> {
        self.0.graph(Form { output: Output::Probabilities, z_gradient: true, ..Form::default() })
    }

    fn graphs(&self) -> Result<Vec<Graph>> {
        let block = self.graph(true)?;
        Ok((1..=self.0.blocks).map(|number| block.prefixed(&prefix(number))).collect())
    }

    fn own_tensors(&self) -> Vec<OwnTensor> {
        learned::tensors(&self.0.vectors).to_vec()
    }

    /// z_{t−1} ~ q(z_{t−1} | y) for block t.
    fn draw(&self, draw: &Draw<'_>, to: &mut Drawn) {
        let learned = Learned::of(&self.0, draw.own);
        let alpha_bar = self.0.schedule.alpha_bar(draw.job - 1);
        let rows = to.z.chunks_exact_mut(self.0.width());
        for (z, (sample, class)) in rows.zip(draw.samples.iter().zip(draw.classes)) {
            let noise = Self::stream(draw, Purpose::LabelNoise, *sample);
            for (k, z) in z.iter_mut().enumerate() {
                *z = learned.noised(alpha_bar, *class as usize, k, &noise) as f32;
            }
        }
    }

    fn loss(&self) -> Loss {
        Loss::Own
    }

    fn judge(&self, draw: &Draw<'_>, _: &Drawn, pass: Judged<'_>) -> f64 {
        let (learned, samples) = (Learned::of(&self.0, draw.own), draw.samples.len());
        let Judged { estimate, gradient, gradients, weight, room } = pass;
        let rows = estimate.chunks_exact(self.0.classes).zip(gradient.chunks_exact_mut(self.0.classes));
        let errors = rows.zip(draw.classes).map(|((shares, gradient), class)| {
            learned.squared_error(
                (shares, *class as usize),
                |_| 0.0,
                weight / samples as f64,
                gradient,
                gradients,
                room,
            )
        });
        errors.sum::<f64>() / samples as f64
    }

    fn own_gradients(&self, draw: &Draw<'_>, _: &Drawn, pass: OwnPass<'_>) -> f64 {
        let OwnPass { z_gradient, gradients, room, .. } = pass;
        let (learned, samples) = (Learned::of(&self.0, draw.own), draw.samples.len() as f64);
        let schedule = &self.0.schedule;
        let (begin, before, end) =
            (schedule.alpha_bar(0), schedule.alpha_bar(draw.job - 1), schedule.alpha_bar(self.0.blocks));
        let rows = z_gradient.chunks_exact(self.0.width()).zip(draw.samples.iter().zip(draw.classes));
        let losses = rows.map(|(by_z, (sample, class))| {
            let class = *class as usize;
            learned.add(class, before.sqrt(), by_z, gradients);
            let noise = Self::stream(draw, Purpose::HeadNoise, *sample);
            learned.head_loss((end, class), &noise, samples, gradients, room)
                + learned.prior_loss((begin, class), samples, gradients)
        });
        losses.sum::<f64>() / samples
    }

    /// Inference runs the blocks of a model whose embeddings are those that were learned, see `model/unfold.rs`.
    fn chain(&self, _: usize, _: &[f64], sampling: &Sampling) -> Result<Vec<Move>> {
        sampling.discrete("dt").map(|_| Vec::new())
    }

    fn has_head(&self) -> bool {
        true
    }

    fn readout(&self, _: usize, own: &[f64]) -> Readout {
        Learned::of(&self.0, own).readout()
    }

    fn is_weighted(&self) -> bool {
        true
    }
}
