//! Predictions of one batch through all blocks, again and again.

use super::{BenchOptions, Rate};
use crate::config::CheckedConfig;
use crate::data::Dataset;
use crate::error::Result;
use crate::inference::Session;
use crate::storage::WeightStore;
use crate::tensor::StopFlag;
use crate::{Model, SampleOptions};
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;

/// Predicts `data` with blocks as they begin; untrained weights cost what trained ones do.
pub(super) fn predictions(
    model: CheckedConfig,
    data: &Dataset,
    options: &BenchOptions,
    stop: &StopFlag,
) -> Result<Rate> {
    let session = Session::new(Arc::new(beginning(model)?));
    let (threads, device) = (options.threads, options.device.clone());
    let sampling = SampleOptions { threads, device, ..SampleOptions::default() };
    let mut times = Vec::new();
    let warm_up = Instant::now();
    // Once at least, so that the weights are in memory; a large batch reads them from their file each time, as users do.
    loop {
        session.predict(data, sampling.clone(), stop)?;
        if warm_up.elapsed().as_secs_f64() >= options.seconds / 5.0 {
            break;
        }
    }
    let started = Instant::now();
    while times.is_empty() || started.elapsed().as_secs_f64() < options.seconds {
        let call = Instant::now();
        session.predict(data, sampling.clone(), stop)?;
        times.push(call.elapsed().as_secs_f64());
    }
    let steps_per_second = times.len() as f64 / started.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    Ok(Rate { steps_per_second, latency_ms: Some(1e3 * times[times.len() / 2]), on_device: None, jobs: None })
}

/// A model whose blocks have their initial weights.
fn beginning(model: CheckedConfig) -> Result<Model> {
    let config = &model.config;
    let store = WeightStore::temporary_of(&model.weights_of_jobs())?;
    for block in 1..=config.blocks {
        store.write(block, &model.layout.initial_weights(config.seed, block))?;
    }
    Ok(Model::new(model.config)?.with_weights(store, Value::Null))
}
