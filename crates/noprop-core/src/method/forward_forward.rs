//! The baseline Forward-Forward (Hinton 2022): layers that each learn, by a loss of their own, to be active for samples with the right
//! label and quiet for the same samples with a wrong one; a head reads the class off what they make of a sample with every label a
//! little. The recipe is that of github.com/loeweX/Forward-Forward.

use super::{Draw, Drawn, Loss, Method, Move, Parts, Query, Readout, Sampling};
use crate::diffusion::Coefficients;
use crate::error::{Code, Error, Result};
use crate::net::graph::Output;
use crate::net::{Form, Graph, NetConfig, forward_forward};
use crate::ops::adamw::Rule;
use crate::rng::{Purpose, Stream};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct ForwardForward {
    parts: Parts,
    /// Widths of the layers.
    hidden: Vec<usize>,
    /// Weight of the peer normalisation.
    peer: f64,
    /// Of the descent.
    momentum: f64,
}

impl ForwardForward {
    /// # Errors
    /// [`Code::Option`] for a net that is not of plain layers.
    pub fn new(parts: Parts, peer: f64, momentum: f64) -> Result<Self> {
        match &parts.net {
            NetConfig::Mlp { hidden, dropout: 0.0 } => Ok(Self { hidden: hidden.clone(), parts, peer, momentum }),
            other => {
                let has_dropout = matches!(other, NetConfig::Mlp { .. });
                Err(Error::new(Code::Option, "method forward-forward has fully connected layers and no other net")
                    .expected("net mlp without dropout, whose hidden says how wide the layers are")
                    .received(if has_dropout { "net mlp with dropout" } else { "another net" })
                    .hint("leave option net.type and option net.dropout out"))
            }
        }
    }
}

impl Method for ForwardForward {
    fn jobs(&self) -> usize {
        1
    }

    fn graph(&self, training: bool) -> Result<Graph> {
        let output = if training { Output::Logits } else { Output::Probabilities };
        // Which checks its widths.
        self.parts.graph(Form::default())?;
        let start = Graph::of_form(self.parts.input.into(), self.parts.classes, Form { output, ..Form::default() });
        forward_forward(start, &self.hidden, self.peer, training)
    }

    /// 1 at the class and −1 at another one, in every epoch another.
    fn draw(&self, draw: &Draw<'_>, to: &mut Drawn) {
        let width = self.parts.classes;
        for (z, (sample, class)) in to.z.chunks_exact_mut(width).zip(draw.samples.iter().zip(draw.classes)) {
            let stream = Stream::new(draw.seed, Purpose::WrongLabel, draw.job, draw.epoch, *sample as usize);
            let class = *class as usize;
            let other = ((stream.uniform(0) * (width - 1) as f64) as usize).min(width - 2);
            z.fill(0.0);
            z[class] = 1.0;
            z[other + usize::from(other >= class)] = -1.0;
        }
    }

    /// The head's; the layers have their own.
    fn loss(&self) -> Loss {
        Loss::CrossEntropy
    }

    fn rule(&self) -> Option<Rule> {
        Some(Rule::Sgd { momentum: self.momentum, nesterov: false })
    }

    /// One move through all layers; what it leaves are the head's probabilities.
    fn chain(&self, _: usize, _: &[f64], sampling: &Sampling) -> Result<Vec<Move>> {
        sampling.refuse_all("forward-forward")?;
        let coefficients = Coefficients { estimate: 1.0, state: 0.0, noise: 0.0 };
        Ok(vec![Move::Step { query: Query::default(), coefficients }])
    }

    fn has_head(&self) -> bool {
        true
    }

    fn readout(&self, _: usize, _: &[f64]) -> Readout {
        Readout::Nearest { vectors: self.parts.vectors.clone(), alpha_bar: 1.0 }
    }
}
