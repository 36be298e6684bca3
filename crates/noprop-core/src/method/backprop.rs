//! The baseline (paper, section 4): the same T blocks trained end to end by back-propagation through the chain
//! z_t = (1 − k_t) z_{t−1} + k_t û_t from z_0 ~ N(0, I), with a linear head and cross-entropy. Learned embeddings are one matrix W of all
//! blocks, û_t = p_t · W, which is trained with them.

use super::{Draw, Drawn, Loss, Method, Move, Parts, Query, Readout, Sampling};
use crate::diffusion::{Coefficients, initial_state};
use crate::error::Result;
use crate::net::graph::Output;
use crate::net::{Form, Graph};
use crate::rng::{Purpose, Stream};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Backprop(pub Parts);

impl Method for Backprop {
    fn jobs(&self) -> usize {
        1
    }

    fn graph(&self, training: bool) -> Result<Graph> {
        let output = if training { Output::Logits } else { Output::Probabilities };
        let Parts { vectors, learned, .. } = &self.0;
        let block = self.0.graph(Form::default())?.embedded(vectors, *learned)?;
        let form = Form { output, ..block.form() };
        let chain = Graph::chained(&block, self.0.blocks, form, vectors)?;
        // What inference leaves has the width of a state: the head's probabilities as shares of the embeddings that all began with.
        if training { Ok(chain) } else { chain.embedded(vectors, false) }
    }

    /// z_0, another one in every epoch.
    fn draw(&self, draw: &Draw<'_>, to: &mut Drawn) {
        for (z, sample) in to.z.chunks_exact_mut(self.0.width()).zip(draw.samples) {
            let stream = Stream::new(draw.seed, Purpose::LabelNoise, draw.job, draw.epoch, *sample as usize);
            initial_state(&stream, z);
        }
    }

    fn loss(&self) -> Loss {
        Loss::CrossEntropy
    }

    /// One move through all blocks; what it leaves are the head's probabilities, as shares of the classes' embeddings.
    fn chain(&self, _: usize, _: &[f64], sampling: &Sampling) -> Result<Vec<Move>> {
        sampling.refuse_all("backprop")?;
        let coefficients = Coefficients { estimate: 1.0, state: 0.0, noise: 0.0 };
        Ok(vec![Move::Step { query: Query::default(), coefficients }])
    }

    fn has_head(&self) -> bool {
        true
    }

    fn readout(&self, _: usize, _: &[f64]) -> Readout {
        Readout::Nearest { vectors: self.0.vectors.clone(), alpha_bar: 1.0 }
    }
}
