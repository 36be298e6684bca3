//! A head that gives the classes' probabilities at the last state. Where embeddings are fixed it depends on no block: it is a job of its own,
//! trained on z_T ~ q(z_T | y) by −ln p(y | z_T) (paper, section 3), which reads no image.

use super::{Draw, Drawn, Loss, Method, Move, Parts, Readout, Sampling};
use crate::error::Result;
use crate::net::graph::Output;
use crate::net::shape::Shape;
use crate::net::spec::{Linear, Role, Size};
use crate::net::{Form, Graph, op::Op};
use crate::rng::{Purpose, Stream};
use serde::{Deserialize, Serialize};

/// How probabilities of the classes are read off the last state. Serialised by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadConfig {
    /// By the nearest embedding; nothing is learned. Methods that always have a head keep it.
    #[default]
    None,
    /// The softmax of a linear layer.
    Softmax,
    /// p(y) ∝ exp(−‖ỹ − u_y‖² / 2σ²) with ỹ = softmax(linear layer) · W.
    Posterior,
}

impl HeadConfig {
    /// As options name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Softmax => "softmax",
            Self::Posterior => "posterior",
        }
    }

    /// Whether there is none.
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// Least σ of [`HeadConfig::Posterior`]: of nearly clean states the noise alone would make every answer certain.
const LEAST_SIGMA: f64 = 0.1;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Head {
    parts: Parts,
    /// The share of signal in the last state.
    alpha_bar: f64,
    is_posterior: bool,
}

impl Head {
    /// That of a model whose last states have this share of signal; none where none is asked for.
    pub fn new(config: HeadConfig, parts: Parts, alpha_bar: f64) -> Option<Self> {
        let is_posterior = config == HeadConfig::Posterior;
        (!config.is_none()).then_some(Self { parts, alpha_bar, is_posterior })
    }

    /// σ: z_T / √ᾱ_T is the label's embedding with noise of this deviation.
    fn sigma(&self) -> f64 {
        ((1.0 - self.alpha_bar) / self.alpha_bar).sqrt().max(LEAST_SIGMA)
    }
}

/// The tensors of a head, as [`Method::readout`] gets them.
pub(crate) const TENSORS: [&str; 2] = ["params.head.weight", "params.head.bias"];

impl Method for Head {
    fn jobs(&self) -> usize {
        1
    }

    /// It begins as the nearest embedding.
    fn graph(&self, _: bool) -> Result<Graph> {
        let Parts { input, classes, vectors, .. } = &self.parts;
        let form = Form { output: Output::Declared, z: Some(Shape::Vector(vectors.width())), ..Form::default() };
        let mut graph = Graph::of_form((*input).into(), *classes, form);
        let role = vectors.by_inputs().map_or(Role::Identity, Role::Values);
        let linear = Op::Linear(Linear { units: Size::Classes, role });
        graph.push("head".to_owned(), linear, vec![Graph::Z]).map_err(|misfit| misfit.of_node("head"))?;
        graph.shaped()
    }

    /// z_T ~ q(z_T | y).
    fn draw(&self, draw: &Draw<'_>, to: &mut Drawn) {
        let rows = to.z.chunks_exact_mut(self.parts.width());
        for (z, (sample, class)) in rows.zip(draw.samples.iter().zip(draw.classes)) {
            let noise = Stream::new(draw.seed, Purpose::HeadNoise, draw.job, draw.epoch, *sample as usize);
            self.parts.vectors.noised(self.alpha_bar, *class as usize, &noise, z);
        }
    }

    fn loss(&self) -> Loss {
        if self.is_posterior { Loss::Posterior { sigma: self.sigma() } } else { Loss::CrossEntropy }
    }

    /// It moves no state.
    fn chain(&self, _: usize, _: &[f64], _: &Sampling) -> Result<Vec<Move>> {
        Ok(Vec::new())
    }

    fn readout(&self, _: usize, own: &[f64]) -> Readout {
        let (weight, bias) = own.split_at(self.parts.width() * self.parts.classes);
        let (weight, bias) = (weight.to_vec(), bias.to_vec());
        if !self.is_posterior {
            return Readout::Head { weight, bias };
        }
        let (vectors, sigma) = (self.parts.vectors.clone(), self.sigma());
        Readout::Posterior { weight, bias, vectors, sigma }
    }
}
