//! NoProp-DT (paper, section 3): T blocks, each trained alone on the noise that it will meet.

use super::{Draw, Drawn, Loss, Method, Move, Parts, Query, Readout, Sampling};
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
        self.0.embedded(Form::default())
    }

    /// z_{t−1} ~ q(z_{t−1} | y) for block t.
    fn draw(&self, draw: &Draw<'_>, to: &mut Drawn) {
        let alpha_bar = self.0.schedule.alpha_bar(draw.job - 1);
        let vectors = draw.numbers.unwrap_or(&self.0.vectors);
        let (width, labels) = (self.0.width(), draw.samples.iter().zip(draw.classes));
        let rows = to.z.chunks_exact_mut(width).zip(to.targets.chunks_exact_mut(width));
        for ((z, target), (sample, class)) in rows.zip(labels) {
            let stream = Stream::new(draw.seed, Purpose::LabelNoise, draw.job, draw.epoch, *sample as usize);
            vectors.noised(alpha_bar, *class as usize, &stream, z);
            vectors.write(*class as usize, target);
        }
    }

    fn loss(&self) -> Loss {
        if self.0.vectors.is_one_hot() && !self.0.numbers { Loss::SquaredToClass } else { Loss::Squared }
    }

    fn chain(&self, job: usize, _: &[f64], sampling: &Sampling) -> Result<Vec<Move>> {
        sampling.refuse_steps("dt")?;
        sampling.refuse_steps_per_block("dt")?;
        let coefficients = sampling.discrete("dt")?.coefficients(&self.0.schedule, job, sampling.stochastic);
        Ok(vec![Move::Step { query: Query::default(), coefficients }])
    }

    fn readout(&self, job: usize, _: &[f64]) -> Readout {
        Readout::Nearest { vectors: self.0.vectors.clone(), alpha_bar: self.0.schedule.alpha_bar(job) }
    }

    fn runs_on_gpus(&self) -> bool {
        self.0.vectors.is_one_hot() && !self.0.numbers
    }

    fn is_validated(&self) -> bool {
        true
    }

    fn is_weighted(&self) -> bool {
        true
    }
}
