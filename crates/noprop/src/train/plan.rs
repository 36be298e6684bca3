//! What all block jobs of one run share: configuration, options, data and what follows from them.

use super::batches::Batches;
use crate::config::{Checked, FitOptions};
use crate::data::Dataset;
use crate::device::Place;
use crate::error::{Code, Error, Result};
use crate::ops::simd::InstructionSet;
use std::sync::Arc;

/// A run of training, ready to make block jobs.
pub struct Plan {
    /// The model.
    pub model: Checked,
    /// Complete options.
    pub options: FitOptions,
    /// Where the run computes.
    pub place: Place,
    /// Training data.
    pub data: Arc<Dataset>,
    /// The class of each sample: its label's place among the model's classes.
    pub classes: Vec<u32>,
    /// Per-block factor of the loss, `[T]`.
    weights: Vec<f64>,
    pub(super) batches: Batches,
}

impl Plan {
    /// Checks options and data against the model.
    ///
    /// # Errors
    /// [`Code::Option`], [`Code::Shape`] or [`Code::Label`] naming what does not fit; those of
    /// [`crate::DeviceChoice::place`].
    pub fn new(model: Checked, options: FitOptions, data: Arc<Dataset>) -> Result<Self> {
        InstructionSet::check_variable()?;
        check_shape(&model, &data)?;
        let options = options.check(model.config.blocks, data.samples())?;
        let place = options.device.place()?;
        place.check_precision(options.precision)?;
        let classes = data.class_indices(&model.config.classes)?;
        let weights = (1..=model.config.blocks)
            .map(|block| options.weighting.block_weight(&model.schedule, block, options.eta))
            .collect::<Result<_>>()?;
        let batches = Batches::new(&options, model.config.input.len());
        Ok(Self { model, options, place, data, classes, weights, batches })
    }

    /// Steps of one epoch; the last one may be short.
    pub fn steps_per_epoch(&self) -> u64 {
        self.data.samples().div_ceil(self.options.batch) as u64
    }

    /// Steps of one block job.
    pub fn steps(&self) -> u64 {
        self.steps_per_epoch() * self.options.epochs as u64
    }

    /// Factor of block `block`'s loss.
    pub fn weight(&self, block: usize) -> f64 {
        self.weights[block - 1]
    }

    /// Steps after which a thread looks whether another job waits, so that jobs in flight share their batches.
    pub fn window(&self) -> u64 {
        self.batches.window()
    }
}

/// # Errors
/// [`Code::Shape`] unless the data has the model's shape.
pub(crate) fn check_shape(model: &Checked, data: &Dataset) -> Result<()> {
    if data.shape() == model.config.input {
        return Ok(());
    }
    Err(Error::new(Code::Shape, "the data does not have the model's shape")
        .expected(format!("samples of {}", model.config.input))
        .received(format!("samples of {}", data.shape()))
        .hint("create the model with the data's shape, or resize the data"))
}
