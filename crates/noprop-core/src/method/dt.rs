//! NoProp-DT (paper, section 3): T blocks, each trained alone on the noise that it will meet.

use super::{BlockLoss, Draw, Drawn, Loss, Method, Move, Parts, Query, Readout, Sampling};
use crate::error::Result;
use crate::net::graph::Output;
use crate::net::{Form, Graph};
use crate::rng::{Purpose, Stream};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Dt {
    pub parts: Parts,
    pub loss: BlockLoss,
}

impl Method for Dt {
    fn jobs(&self) -> usize {
        self.parts.blocks
    }

    fn graph(&self, training: bool) -> Result<Graph> {
        match self.loss {
            // It judges the classes' logits themselves.
            BlockLoss::Ce if training => self.parts.graph(Form { output: Output::Logits, ..Form::default() }),
            BlockLoss::Ce => self.parts.embedded(Form { output: Output::Probabilities, ..Form::default() }),
            BlockLoss::Mse => self.parts.embedded(Form::default()),
        }
    }

    /// z_{t−1} ~ q(z_{t−1} | y) for block t.
    fn draw(&self, draw: &Draw<'_>, to: &mut Drawn) {
        let alpha_bar = self.parts.schedule.alpha_bar(draw.job - 1);
        let vectors = draw.numbers.unwrap_or(&self.parts.vectors);
        let (width, labels) = (self.parts.width(), draw.samples.iter().zip(draw.classes));
        let rows = to.z.chunks_exact_mut(width).zip(to.targets.chunks_exact_mut(width));
        for ((z, target), (sample, class)) in rows.zip(labels) {
            let stream = Stream::new(draw.seed, Purpose::LabelNoise, draw.job, draw.epoch, *sample as usize);
            vectors.noised(alpha_bar, *class as usize, &stream, z);
            vectors.write(*class as usize, target);
        }
    }

    fn draw_validation(&self, draw: &Draw<'_>, to: &mut Drawn) {
        let vectors = draw.numbers.unwrap_or(&self.parts.vectors);
        let alpha_bar = self.parts.schedule.alpha_bar(draw.job - 1);
        let rows = to.z.chunks_exact_mut(self.parts.width());
        for (z, (sample, class)) in rows.zip(draw.samples.iter().zip(draw.classes)) {
            let noise = Stream::new(draw.seed, Purpose::ValidationNoise, draw.job, draw.epoch, *sample as usize);
            vectors.noised(alpha_bar, *class as usize, &noise, z);
        }
    }

    fn loss(&self) -> Loss {
        match self.loss {
            BlockLoss::Ce => Loss::CrossEntropy,
            BlockLoss::Mse if self.parts.vectors.is_one_hot() && !self.parts.numbers => Loss::SquaredToClass,
            BlockLoss::Mse => Loss::Squared,
        }
    }

    fn chain(&self, job: usize, _: &[f64], sampling: &Sampling) -> Result<Vec<Move>> {
        sampling.refuse_steps("dt")?;
        sampling.refuse_steps_per_block("dt")?;
        let coefficients = sampling.discrete("dt")?.coefficients(&self.parts.schedule, job, sampling.stochastic);
        Ok(vec![Move::Step { query: Query::default(), coefficients }])
    }

    fn readout(&self, job: usize, _: &[f64]) -> Readout {
        Readout::Nearest { vectors: self.parts.vectors.clone(), alpha_bar: self.parts.schedule.alpha_bar(job) }
    }

    fn is_queued(&self) -> bool {
        self.loss() == Loss::SquaredToClass
    }

    fn is_validated(&self) -> bool {
        true
    }

    fn is_weighted(&self) -> bool {
        self.loss == BlockLoss::Mse
    }
}
