//! NoProp-DT (paper, section 3): T blocks, each trained alone on the noise that it will meet.

use super::{Draw, Drawn, Loss, Method, Move, Parts, Query, Readout, Sampling};
use crate::diffusion::noised_label;
use crate::error::Result;
use crate::net::{Form, Graph};
use crate::rng::{Purpose, Stream};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Dt(pub Parts);

impl Method for Dt {
    fn jobs(&self) -> usize {
        self.0.blocks
    }

    fn graph(&self, _: bool) -> Result<Graph> {
        self.0.graph(Form::default())
    }

    /// z_{t−1} ~ q(z_{t−1} | y) for block t.
    fn draw(&self, draw: &Draw<'_>, to: &mut Drawn) {
        let alpha_bar = self.0.schedule.alpha_bar(draw.job - 1);
        let labels = draw.samples.iter().zip(draw.classes);
        for (z, (sample, class)) in to.z.chunks_exact_mut(self.0.classes).zip(labels) {
            let stream = Stream::new(draw.seed, Purpose::LabelNoise, draw.job, draw.epoch, *sample as usize);
            noised_label(alpha_bar, *class as usize, &stream, z);
        }
    }

    fn loss(&self) -> Loss {
        Loss::SquaredToClass
    }

    fn chain(&self, job: usize, _: &[f64], sampling: &Sampling) -> Result<Vec<Move>> {
        sampling.refuse_steps("dt")?;
        sampling.refuse_steps_per_block("dt")?;
        let coefficients = sampling.discrete("dt")?.coefficients(&self.0.schedule, job, sampling.stochastic);
        Ok(vec![Move::Step { query: Query::default(), coefficients }])
    }

    fn readout(&self, job: usize, _: &[f64]) -> Readout {
        Readout::Greatest { alpha_bar: self.0.schedule.alpha_bar(job) }
    }

    fn runs_on_gpus(&self) -> bool {
        true
    }

    fn is_validated(&self) -> bool {
        true
    }

    fn is_weighted(&self) -> bool {
        true
    }
}
