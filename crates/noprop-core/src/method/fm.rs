//! NoProp-FM (paper, section 3.3): flow matching. One net learns the velocity v of the straight way from noise z_0 to the label's
//! embedding; inference follows dz/dt = v from t = 0 to 1.

use super::chain::DEFAULT_STEPS;
use super::{Draw, Drawn, Loss, Method, Move, Parts, Query, Readout, Sampling, Slope};
use crate::error::Result;
use crate::net::graph::Output;
use crate::net::{Form, Graph};
use crate::rng::{Purpose, Stream};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Fm {
    pub parts: Parts,
    /// σ of the noise around the way.
    pub noise: f64,
}

impl Method for Fm {
    fn jobs(&self) -> usize {
        1
    }

    /// v is linear in the net's last layer: no softmax.
    fn graph(&self, _: bool) -> Result<Graph> {
        self.parts.embedded(Form { timed: true, output: Output::Logits, ..Form::default() })
    }

    /// t uniform in [0, 1), z_0 ~ N(0, I): z = t u_y + (1 − t) z_0 + σ ε, to be answered by u_y − z_0.
    fn draw(&self, draw: &Draw<'_>, to: &mut Drawn) {
        let (width, vectors) = (self.parts.width(), draw.numbers.unwrap_or(&self.parts.vectors));
        let rows = to.z.chunks_exact_mut(width).zip(to.targets.chunks_exact_mut(width)).zip(&mut to.times);
        for (((z, target), time), (sample, class)) in rows.zip(draw.samples.iter().zip(draw.classes)) {
            let stream = |purpose| Stream::new(draw.seed, purpose, draw.job, draw.epoch, *sample as usize);
            let (start, beside) = (stream(Purpose::LabelNoise), stream(Purpose::PathNoise));
            let t = stream(Purpose::Time).uniform(0);
            *time = t as f32;
            for (k, (z, target)) in z.iter_mut().zip(target).enumerate() {
                let (label, noise) = (vectors.value(*class as usize, k), start.normal(k as u32));
                let off = if self.noise == 0.0 { 0.0 } else { self.noise * beside.normal(k as u32) };
                *z = (t * label + (1.0 - t) * noise + off) as f32;
                *target = (label - noise) as f32;
            }
        }
    }

    fn loss(&self) -> Loss {
        Loss::Squared
    }

    fn chain(&self, _: usize, _: &[f64], sampling: &Sampling) -> Result<Vec<Move>> {
        sampling.integrate("fm", DEFAULT_STEPS, |t| {
            (Query { time: t, ..Query::default() }, Slope { estimate: 1.0, state: 0.0 })
        })
    }

    /// The nearest embedding; at t = 1 the state is the label's own.
    fn readout(&self, _: usize, _: &[f64]) -> Readout {
        Readout::Nearest { vectors: self.parts.vectors.clone(), alpha_bar: 1.0 }
    }
}
