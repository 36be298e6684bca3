//! Validation while training: after an epoch a block is measured on held-out samples as it is trained on the others, with a
//! noised label as its input. The noise is the same at each validation and a function of the job alone, so blocks stay
//! independent, and whoever runs them when changes no bit. A method of one job is measured as the model that the job is.

use super::batch::Gather;
use super::values::CopyIn;
use crate::config::{CheckedConfig, Precision};
use crate::data::Dataset;
use crate::diffusion::ClassVectors;
use crate::error::{Code, Error, Result};
use crate::method::{Draw, Drawn, Query};
use crate::net::{Block, Buffers, Mode, Step};
use crate::number_scores::{mean_r2, number_scores};
use crate::ops::apply;
use crate::tensor::{Buffer, StopFlag};
use candle_core::{CpuStorage, DType, Device, Storage};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Samples that are worked on together.
const CHUNK: usize = 128;

/// How a block did on the validation samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Score {
    /// After this epoch, from 1.
    pub epoch: usize,
    /// Mean over the samples of ‖û − u_y‖²; of a whole model that of its evaluation.
    pub loss: f64,
    /// Share of the samples whose class û says, or the model predicts.
    pub accuracy: f64,
}

/// Measures the chain of blocks with these weights, each `[1, parameters + statistics]`, in one thread. Returns accuracy and loss.
pub type MeasureChain = fn(&CheckedConfig, Vec<Buffer>, &Dataset, &StopFlag) -> Result<(f64, f64)>;

/// What of a job is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measured {
    /// Its estimates of noised labels, whatever the other jobs do.
    Estimates,
    /// The model, of which it is the only job.
    Model,
}

impl Measured {
    /// None where a job can be measured neither way.
    pub fn of(model: &CheckedConfig) -> Option<Self> {
        match model.method.is_validated() {
            true => Some(Self::Estimates),
            false => (model.jobs() == 1).then_some(Self::Model),
        }
    }
}

/// What blocks are measured on.
pub struct Validation {
    /// Held-out samples.
    pub data: Arc<Dataset>,
    /// The class of each: its label's place among the model's classes.
    pub(super) classes: Vec<u32>,
    /// Where labels are numbers: their vectors, one a sample.
    pub(super) numbers: Option<ClassVectors>,
    /// Measures all blocks together.
    pub(super) measure: MeasureChain,
    /// What of a job is measured.
    pub(super) measured: Measured,
}

impl Validation {
    /// Measures a model with these weights, each `[1, parameters + statistics]`. Returns accuracy and loss; none where its states overflow, as
    /// halfway through a training they may: the end decides.
    pub(super) fn of_model(
        &self,
        model: &CheckedConfig,
        weights: Vec<Buffer>,
        stop: &StopFlag,
    ) -> Result<Option<(f64, f64)>> {
        match (self.measure)(model, weights, &self.data, stop) {
            Err(error) if error.code == Code::Value => Ok(None),
            outcome => outcome.map(Some),
        }
    }
}

/// Runs any block of a run on validation samples, in buffers of its own.
pub(super) struct Validator {
    block: Block,
    x: Buffer,
    z: Buffer,
    no_gradients: Buffer,
    samples: Vec<u32>,
    drawn: Drawn,
    /// û of one sample.
    estimate: Vec<f32>,
    width: usize,
    nearness: Vec<f32>,
}

impl Validator {
    pub(super) fn new(model: &CheckedConfig) -> Result<Self> {
        let (config, device) = (&model.config, Device::Cpu);
        let (capacity, width) = (CHUNK, model.vectors.width());
        let graph = model.method.graph(false)?;
        // Inference takes one time for all samples; here each has its own.
        let training = graph.form().timed;
        let buffers = Buffers { stacked: 1, capacity, dtype: DType::F32, device, training, launched: false };
        Ok(Self {
            block: Block::of_graph(&graph, &model.layout, &buffers)?,
            x: buffers.samples(config.input.len())?,
            z: buffers.samples(width)?,
            no_gradients: buffers.rows(1)?,
            samples: Vec::with_capacity(CHUNK),
            drawn: Drawn::new(CHUNK, width),
            estimate: vec![0.0; width],
            width,
            nearness: vec![0.0; config.classes.len()],
        })
    }

    /// Measures `block` with `state`, which begins with its weights, after `epoch` epochs.
    pub(super) fn score(
        &mut self,
        model: &CheckedConfig,
        validation: &Validation,
        (block, epoch): (usize, usize),
        state: &Buffer,
        stop: &StopFlag,
    ) -> Result<Score> {
        let (config, vectors, width) =
            (&model.config, validation.numbers.as_ref().unwrap_or(&model.vectors), self.width);
        let (mut truth, mut estimated) = (Vec::new(), Vec::new());
        let (mut loss, mut right) = (0.0, 0);
        for (chunk, classes) in validation.classes.chunks(CHUNK).enumerate() {
            stop.check()?;
            let first = chunk * CHUNK;
            self.samples.clear();
            self.samples.extend((first..first + classes.len()).map(|sample| sample as u32));
            Gather { data: &validation.data, samples: &self.samples, augmenter: None }.fill(&self.x)?;
            let numbers = validation.numbers.as_ref();
            let samples = &self.samples;
            let draw = Draw { seed: config.seed, job: block, epoch: 0, samples, classes, numbers, own: &[] };
            model.method.draw_validation(&draw, &mut self.drawn);
            apply(&CopyIn(&self.drawn.z[..classes.len() * width]), &self.z, [])?;
            if let Some(time) = self.block.time() {
                apply(&CopyIn(&self.drawn.times[..classes.len()]), time, [])?;
            }
            // f32 as inference is, whatever the training is.
            let precision = Precision::F32;
            let (gradients, samples) = (&self.no_gradients, classes.len());
            let pass = Step { state, gradients, optimiser: None, stop, samples, precision };
            self.block.forward(pass, Mode::Evaluation, &self.x, &self.z)?;
            let (storage, layout) = self.block.estimate().storage_and_layout();
            let Storage::Cpu(CpuStorage::F32(estimates)) = &*storage else {
                return Err(Error::new(Code::Internal, "an estimate is not f32 on the CPU"));
            };
            let rows = self.drawn.z.chunks_exact(width).zip(&self.drawn.times).zip(classes);
            for (output, ((z, time), class)) in estimates[layout.start_offset()..].chunks_exact(width).zip(rows) {
                let Query { scale, skip, out, .. } = model.method.query_at(f64::from(*time));
                for ((estimate, output), z) in self.estimate.iter_mut().zip(output).zip(z) {
                    *estimate = (out * f64::from(*output) + skip / scale * f64::from(*z)) as f32;
                }
                let estimate = &self.estimate[..];
                let error = |(k, value): (usize, &f32)| (f64::from(*value) - vectors.value(*class as usize, k)).powi(2);
                loss += estimate.iter().enumerate().map(error).sum::<f64>();
                if validation.numbers.is_some() {
                    estimated.extend_from_slice(estimate);
                    truth.extend((0..width).map(|k| vectors.value(*class as usize, k) as f32));
                    continue;
                }
                right += usize::from(vectors.nearest(estimate, 1.0, &mut self.nearness) == *class as usize);
            }
        }
        let samples = validation.classes.len() as f64;
        let accuracy = match validation.numbers {
            None => right as f64 / samples,
            Some(_) => mean_r2(&number_scores(&truth, &estimated, width)),
        };
        Ok(Score { epoch, loss: loss / samples, accuracy })
    }
}
