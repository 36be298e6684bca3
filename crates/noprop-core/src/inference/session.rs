//! A model with what inference keeps of it on a device.

use super::device::DeviceCache;
use super::{Evaluation, Prediction, SampleOptions, evaluate_with, predict_with};
use crate::data::Dataset;
use crate::error::Result;
use crate::model::Model;
use crate::tensor::StopFlag;
use std::sync::Arc;

/// Evaluates and predicts again and again: weights and buffers stay on the GPU that was used last.
pub struct Session {
    model: Arc<Model>,
    cache: DeviceCache,
}

impl Session {
    /// A session that has nothing on a device yet.
    pub fn new(model: Arc<Model>) -> Self {
        Self { model, cache: DeviceCache::default() }
    }

    /// Whose blocks it runs.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// See [`evaluate`](super::evaluate).
    ///
    /// # Errors
    /// Those of [`evaluate`](super::evaluate).
    pub fn evaluate(&self, data: &Dataset, options: SampleOptions, stop: &StopFlag) -> Result<Evaluation> {
        evaluate_with(&self.cache, &self.model, data, options, stop)
    }

    /// See [`predict`](super::predict).
    ///
    /// # Errors
    /// Those of [`predict`](super::predict).
    pub fn predict(&self, data: &Dataset, options: SampleOptions, stop: &StopFlag) -> Result<Prediction> {
        predict_with(&self.cache, &self.model, data, options, stop)
    }
}
