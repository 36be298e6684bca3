//! DiffusionBlocks (Shing, Koyama & Akiba 2026, arXiv 2506.14202): T blocks, each trained alone on its own range of noise levels and
//! told the level. The noisiest range is the first block's. Ours share nothing.

use super::noise_levels::NoiseLevels;
use super::{BlockLoss, Draw, Drawn, Loss, Method, Move, Parts, Query, Readout, Sampling};
use crate::diffusion::Schedule;
use crate::error::{Code, Error, Result};
use crate::math::{exp, ln};
use crate::net::graph::Output;
use crate::net::{Form, Graph};
use crate::rng::{Purpose, Stream};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct DiffusionBlocks {
    pub parts: Parts,
    pub levels: NoiseLevels,
    /// Exponent by which ranges are widened.
    pub overlap: f64,
    pub loss: BlockLoss,
    /// Whether the net's input and output are scaled by the noise level (Karras et al. 2022).
    pub preconditioning: bool,
}

/// The factors of preconditioning: û = skip · z + out · F(input · z), where z has variance exploding: u_y + σ ε.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Factors {
    pub skip: f64,
    pub out: f64,
    pub input: f64,
}

impl Factors {
    /// At noise level σ for labels whose values have this root of their mean square.
    pub fn of(sigma: f64, data: f64) -> Self {
        let total = sigma * sigma + data * data;
        Self { skip: data * data / total, out: sigma * data / total.sqrt(), input: 1.0 / total.sqrt() }
    }
}

fn alpha_bar(sigma: f64) -> f64 {
    1.0 / (1.0 + sigma * sigma)
}

impl DiffusionBlocks {
    fn factors(&self, sigma: f64) -> Option<Factors> {
        self.preconditioning.then(|| Factors::of(sigma, self.parts.deviation()))
    }

    /// What the net is told of a noise level (Karras et al. 2022).
    fn time(sigma: f64) -> f64 {
        0.25 * ln(sigma)
    }

    /// What to ask of the state at a noise level.
    fn query(&self, sigma: f64) -> Query {
        let time = Self::time(sigma);
        let explode = 1.0 / alpha_bar(sigma).sqrt();
        match self.factors(sigma) {
            None => Query { time, ..Query::default() },
            Some(Factors { skip, out, input }) => Query { time, scale: input * explode, skip: skip * explode, out },
        }
    }

    /// What [`draw`](Method::draw) says, by random numbers of these purposes.
    fn draw_by(&self, [of_time, of_noise]: [Purpose; 2], draw: &Draw<'_>, to: &mut Drawn) {
        let (width, levels) = (self.parts.width(), &self.levels);
        let vectors = draw.numbers.unwrap_or(&self.parts.vectors);
        let [low, high] = levels.widened(draw.job, self.parts.blocks, self.overlap).map(|sigma| levels.quantile(sigma));
        let rows = to.z.chunks_exact_mut(width).zip(to.targets.chunks_exact_mut(width)).zip(&mut to.times);
        for (((z, target), time), (sample, class)) in rows.zip(draw.samples.iter().zip(draw.classes)) {
            let stream = |purpose| Stream::new(draw.seed, purpose, draw.job, draw.epoch, *sample as usize);
            let sigma = levels.sigma(low + (high - low) * stream(of_time).uniform(0));
            vectors.noised(alpha_bar(sigma), *class as usize, &stream(of_noise), z);
            *time = Self::time(sigma) as f32;
            vectors.write(*class as usize, target);
            if let Some(factors) = self.factors(sigma) {
                let query = self.query(sigma);
                for (z, target) in z.iter_mut().zip(target) {
                    // What the net has to give, so that the estimate is the label; its loss then has weight 1.
                    *target = ((f64::from(*target) - query.skip * f64::from(*z)) / factors.out) as f32;
                    *z = (query.scale * f64::from(*z)) as f32;
                }
            }
        }
    }
}

impl Method for DiffusionBlocks {
    fn jobs(&self) -> usize {
        self.parts.blocks
    }

    fn graph(&self, training: bool) -> Result<Graph> {
        let output = match self.loss {
            BlockLoss::Ce if training => Output::Logits,
            BlockLoss::Mse if self.preconditioning => Output::Logits,
            _ => Output::Probabilities,
        };
        let form = Form { timed: true, output, ..Form::default() };
        // Cross-entropy judges the classes' logits themselves.
        if training && self.loss == BlockLoss::Ce { self.parts.graph(form) } else { self.parts.embedded(form) }
    }

    /// σ evenly in the quantiles of the block's range, z ~ q(z | y) at it.
    fn draw(&self, draw: &Draw<'_>, to: &mut Drawn) {
        self.draw_by([Purpose::Time, Purpose::LabelNoise], draw, to);
    }

    fn draw_validation(&self, draw: &Draw<'_>, to: &mut Drawn) {
        self.draw_by([Purpose::ValidationTime, Purpose::ValidationNoise], draw, to);
    }

    fn query_at(&self, time: f64) -> Query {
        self.query(exp(4.0 * time))
    }

    fn is_validated(&self) -> bool {
        true
    }

    fn loss(&self) -> Loss {
        match self.loss {
            BlockLoss::Ce => Loss::CrossEntropy,
            BlockLoss::Mse => Loss::Squared,
        }
    }

    fn chain(&self, job: usize, _: &[f64], sampling: &Sampling) -> Result<Vec<Move>> {
        sampling.refuse_steps("diffusion-blocks")?;
        let steps = sampling.steps_per_block(self.parts.blocks)?;
        let sampler = sampling.discrete("diffusion-blocks")?;
        let levels = &self.levels;
        let [low, high] = [job, job - 1].map(|t| levels.edge(t, self.parts.blocks));
        let [last, first] = [low, high].map(|sigma| levels.quantile(sigma));
        let sigmas: Vec<f64> = (0..=steps)
            .map(|step| match step {
                0 => high,
                _ if step == steps => low,
                _ => levels.sigma(first + (last - first) * step as f64 / steps as f64),
            })
            .collect();
        let schedule = Schedule::of(sigmas.iter().map(|sigma| alpha_bar(*sigma)).collect());
        let coefficients = |step| sampler.coefficients(&schedule, step, sampling.stochastic);
        Ok((1..=steps)
            .map(|step| Move::Step { query: self.query(sigmas[step - 1]), coefficients: coefficients(step) })
            .collect())
    }

    fn readout(&self, job: usize, _: &[f64]) -> Readout {
        let alpha_bar = alpha_bar(self.levels.edge(job, self.parts.blocks));
        Readout::Nearest { vectors: self.parts.vectors.clone(), alpha_bar }
    }
}

/// # Errors
/// [`Code::Option`] for preconditioning of what is judged by cross-entropy, whose net gives logits.
pub(super) fn check(loss: BlockLoss, preconditioning: bool) -> Result<()> {
    if loss == BlockLoss::Mse || !preconditioning {
        return Ok(());
    }
    Err(Error::new(Code::Option, "option method.preconditioning does not go with method.loss 'ce'")
        .expected("method.loss 'mse' with preconditioning")
        .received("ce"))
}
