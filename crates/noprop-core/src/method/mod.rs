//! The training methods, a file each: which jobs there are, what a step of a job draws, how its estimate is judged, and the chain of
//! inference. Batches, checkpoints, threads, progress and the model file serve all of them and know none.
//!
//! | file | what it holds |
//! |---|---|
//! | `config.rs` | the methods as users name them |
//! | `chain.rs` | what a chain of inference consists of |
//! | `head_job.rs` | heads that are jobs of their own |
//! | `loss.rs` | the losses |
//! | `readout.rs` | how a class is read off the last state |
//! | `learned.rs` | embeddings that are learned with the nets |
//! | `dt.rs`, `fm.rs` … | the methods |

mod adjoint;
mod backprop;
mod chain;
mod classifier;
mod config;
mod ct;
mod ct_learned;
mod diffusion_blocks;
mod dt;
mod dt_learned;
mod fm;
mod fm_learned;
mod forward_forward;
mod gamma;
mod head;
mod head_job;
mod learned;
#[cfg(test)]
mod limits;
mod loss;
mod noise_levels;
mod readout;
#[cfg(test)]
mod tests;

pub use crate::net::layout::OwnTensor;
pub use adjoint::{EndPass, Equation};
pub use chain::{Move, Query, SamplerChoice, Sampling, Slope};
pub use config::MethodConfig;
pub(crate) use dt_learned::prefix as block_prefix;
pub use head_job::HeadConfig;
pub(crate) use head_job::{Head, TENSORS as HEAD_TENSORS};
pub use loss::{BlockLoss, CrossEntropy, Posterior, WeightedSquares};
pub use noise_levels::Partition;
pub use readout::Readout;

use crate::data::InputShape;
use crate::diffusion::{ClassVectors, Schedule};
use crate::error::Result;
use crate::net::graph::Output;
use crate::net::shape::Shape;
use crate::net::{Form, Graph, NetConfig};
use crate::ops::adamw::Rule;
use std::fmt;

/// A training method. What it computes on is in double or single precision on the processor; results are functions of what is passed.
pub trait Method: fmt::Debug + Send + Sync {
    /// Jobs, each trained alone and from its own beginning: the parts of a model whose weights are kept one after the other.
    fn jobs(&self) -> usize;

    /// The net of a job, for training or for inference. Both have the same tensors.
    ///
    /// # Errors
    /// Those of [`NetConfig::graph`].
    fn graph(&self, training: bool) -> Result<Graph>;

    /// The nets of a job in training, which share no tensors: a step of the job moves one after the other, and with each of them the job's
    /// own tensors.
    ///
    /// # Errors
    /// Those of [`graph`](Self::graph).
    fn graphs(&self) -> Result<Vec<Graph>> {
        Ok(vec![self.graph(true)?])
    }

    /// Tensors that a job trains beside those of its net.
    fn own_tensors(&self) -> Vec<OwnTensor> {
        Vec::new()
    }

    /// What the samples of a step are trained on.
    fn draw(&self, draw: &Draw<'_>, to: &mut Drawn);

    /// What a job that [is validated](Self::is_validated) sees of validation samples: noise that is the same at every validation.
    fn draw_validation(&self, _: &Draw<'_>, _: &mut Drawn) {}

    /// What is asked of a net at a time that it was drawn with: how its output becomes û.
    fn query_at(&self, _: f64) -> Query {
        Query::default()
    }

    /// How an estimate is judged.
    fn loss(&self) -> Loss;

    /// Where the loss is [`Loss::Own`]: the batch's mean loss, as reported. Writes its gradient by the estimate and adds those by the values in
    /// [`Draw::own`].
    fn judge(&self, _: &Draw<'_>, _: &Drawn, _: Judged<'_>) -> f64 {
        0.0
    }

    /// How parameters move by their gradients, if not as options say.
    fn rule(&self) -> Option<Rule> {
        None
    }

    /// The differential equation whose slope the net of a job is, of a method that integrates it in training. Its loss is what
    /// [`Equation::end`] says.
    fn equation(&self) -> Option<&dyn Equation> {
        None
    }

    /// Adds the gradients of the values in [`Draw::own`] to `gradients`, of the loss of this step, given that of z `[samples, width]`.
    /// Returns the terms of the loss that do not depend on the net, which are not part of the reported one.
    fn own_gradients(&self, _: &Draw<'_>, _: &Drawn, _: OwnPass<'_>) -> f64 {
        0.0
    }

    /// The moves of a job in the chain of inference, given the values of its own tensors.
    ///
    /// # Errors
    /// [`crate::Code::Option`] for a sampler or a number of steps that the method does not have.
    fn chain(&self, job: usize, own: &[f64], sampling: &Sampling) -> Result<Vec<Move>>;

    /// How classes are read off the state after a job, given the values of its own tensors.
    fn readout(&self, job: usize, own: &[f64]) -> Readout;

    /// Whether a head that gives probabilities is trained with its nets.
    fn has_head(&self) -> bool {
        false
    }

    /// Whether kernels draw and judge, too: a device then takes steps without the processor.
    fn is_queued(&self) -> bool {
        false
    }

    /// Whether a job can be measured on validation samples while it trains, as [`crate::train::validation`] does.
    fn is_validated(&self) -> bool {
        false
    }

    /// Whether every job has a factor of its loss that options choose (`weighting`).
    fn is_weighted(&self) -> bool {
        false
    }
}

/// How an estimate is judged. Squares have the weight of the job in their gradients; what is reported is the mean over a batch without
/// weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// ‖û − u_y‖² for one-hot embeddings.
    SquaredToClass,
    /// ‖û − target‖² with the weight of each sample.
    Squared,
    /// −ln softmax(û)_y.
    CrossEntropy,
    /// −ln p(y) with p(y) ∝ exp(−‖softmax(û) · W − u_y‖² / 2σ²).
    Posterior {
        /// σ.
        sigma: f64,
    },
    /// What [`Method::judge`] says.
    Own,
}

/// Which random numbers a step draws, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Draw<'a> {
    /// Seed of the model.
    pub seed: u64,
    /// The job, from 1; of a job of several nets, which of them.
    pub job: usize,
    /// The epoch, from 0.
    pub epoch: usize,
    /// Each sample's index in the data set.
    pub samples: &'a [u32],
    /// Each sample's class.
    pub classes: &'a [u32],
    /// Where labels are numbers instead of classes: their vectors, one a sample, which is a class of its own.
    pub numbers: Option<&'a ClassVectors>,
    /// The values of the job's own tensors, one after the other in the order of [`Method::own_tensors`].
    pub own: &'a [f64],
}

/// What a step is trained on, a row a sample; only the rows of the step's samples count.
#[derive(Debug, Default)]
pub struct Drawn {
    /// `[samples, width]`: what the net sees as z.
    pub z: Vec<f32>,
    /// `[samples]`: what it sees as the time.
    pub times: Vec<f32>,
    /// `[samples, width]`: what its output is compared with.
    pub targets: Vec<f32>,
    /// `[samples]`: factor of each sample's loss.
    pub weights: Vec<f64>,
}

impl Drawn {
    /// Room for `capacity` samples of `width` values.
    pub fn new(capacity: usize, width: usize) -> Self {
        Self {
            z: vec![0.0; capacity * width],
            times: vec![0.0; capacity],
            targets: vec![0.0; capacity * width],
            weights: vec![1.0; capacity],
        }
    }
}

/// What [`Method::own_gradients`] is given.
pub struct OwnPass<'a> {
    /// `[samples, width]`: the estimate.
    pub estimate: &'a [f64],
    /// `[samples, width]`: gradient of the batch's mean loss by z.
    pub z_gradient: &'a [f64],
    /// Where the gradients are added.
    pub gradients: &'a mut [f64],
    /// Room for two rows of a state and two of classes.
    pub room: &'a mut [f64],
}

/// What [`Method::judge`] is given.
pub struct Judged<'a> {
    /// `[samples, width of an estimate]`: the estimate.
    pub estimate: &'a [f64],
    /// As much: where its gradient is written.
    pub gradient: &'a mut [f64],
    /// Where the gradients of the own values are added.
    pub gradients: &'a mut [f64],
    /// The factor of the net's loss in its gradients.
    pub weight: f64,
    /// As in [`OwnPass`].
    pub room: &'a mut [f64],
}

/// What a method is built for.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The net.
    pub net: NetConfig,
    /// Shape of a sample.
    pub input: InputShape,
    /// Number of classes.
    pub classes: usize,
    /// Their embeddings, of which states are noised ones.
    pub vectors: ClassVectors,
    /// Whether the embeddings are learned: `vectors` are then how they begin.
    pub learned: bool,
    /// The shape of a state where these are samples; on a device `input` may have more channels.
    pub prototypes: Option<InputShape>,
    /// Whether labels are numbers instead of classes: the net's output is then an estimate of them.
    pub numbers: bool,
    /// T.
    pub blocks: usize,
    /// ᾱ_0..ᾱ_T, for methods of discrete time.
    pub schedule: Schedule,
}

impl Parts {
    /// Values of a state.
    fn width(&self) -> usize {
        self.vectors.width()
    }

    /// The root of the mean square of a label's values; numbers are standardised.
    fn deviation(&self) -> f64 {
        if self.numbers { 1.0 } else { self.vectors.deviation() }
    }

    /// The net whose output are the classes' shares, or their logits.
    fn graph(&self, form: Form) -> Result<Graph> {
        let z = match self.prototypes {
            Some(shape) => Some(shape.into()),
            None => (!self.vectors.is_one_hot()).then(|| Shape::Vector(self.width())),
        };
        let output = if self.numbers { Output::Logits } else { form.output };
        self.net.formed(self.input, self.classes, Form { z, output, ..form })
    }

    /// The net whose output is a vector of the label's kind.
    fn embedded(&self, form: Form) -> Result<Graph> {
        self.graph(form)?.embedded(&self.vectors, false)
    }
}
