//! A classifier: one net that is told nothing of the label, by cross-entropy. It is the plain network that blocks are compared with, and what
//! an encoder is cut from.

use super::{Draw, Drawn, Loss, Method, Move, Parts, Query, Readout, Sampling};
use crate::diffusion::Coefficients;
use crate::error::Result;
use crate::net::graph::Output;
use crate::net::{Form, Graph};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Classifier(pub Parts);

impl Method for Classifier {
    fn jobs(&self) -> usize {
        1
    }

    fn graph(&self, training: bool) -> Result<Graph> {
        let output = if training { Output::Logits } else { Output::Probabilities };
        Ok(self.0.graph(Form { output, ..Form::default() })?.without_label())
    }

    /// What still reads z sees 0.
    fn draw(&self, _: &Draw<'_>, to: &mut Drawn) {
        to.z.fill(0.0);
    }

    fn loss(&self) -> Loss {
        Loss::CrossEntropy
    }

    /// One question, whatever the state; what it leaves are the classes' probabilities.
    fn chain(&self, _: usize, _: &[f64], sampling: &Sampling) -> Result<Vec<Move>> {
        sampling.refuse_all("classifier")?;
        let coefficients = Coefficients { estimate: 1.0, state: 0.0, noise: 0.0 };
        Ok(vec![Move::Step { query: Query { scale: 0.0, ..Query::default() }, coefficients }])
    }

    fn has_head(&self) -> bool {
        true
    }

    fn readout(&self, _: usize, _: &[f64]) -> Readout {
        Readout::Nearest { vectors: self.0.vectors.clone(), alpha_bar: 1.0 }
    }
}
