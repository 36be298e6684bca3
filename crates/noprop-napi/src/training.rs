//! Runs.

use crate::error::{IntoJs, json};
use crate::shared_model::SharedModel;
use crate::tasks::{SharedTraining, promise, register};
use napi::bindgen_prelude::{Env, Object};
use napi_derive::napi;
use noprop_core::config::from_json;
use noprop_core::model::Part;
use noprop_core::ops::simd::InstructionSet;
use noprop_core::tensor::StopFlag;
use noprop_core::train::checkpoint::identity;
use noprop_core::train::{Observer, Plan, Trained, Training};
use noprop_core::{Code, Error};
use serde_json::{Value, json};
use std::sync::PoisonError;

/// A run: its threads, until [`NativeTraining::finish`] or [`NativeTraining::close`].
#[napi]
pub struct NativeTraining {
    training: SharedTraining,
    model: SharedModel,
    stop: StopFlag,
    options: String,
    steps: u64,
    device: String,
    why_no_gpu: Option<String>,
    record: Value,
    /// Blocks of the model that is to be trained.
    blocks: usize,
    /// Everything that the weights depend on, where the model becomes a part.
    part: Option<Value>,
    /// Whether the model has other blocks already, which stay.
    beside: bool,
}

impl NativeTraining {
    /// Makes a plan, which may be the so many-th training of a model that goes on from its weights, and starts the threads of a run that ends in `model`, on a thread of its own: it takes a GPU's driver a
    /// while to open one.
    pub fn start<'env>(
        env: &'env Env,
        make: impl FnOnce() -> noprop_core::Result<(Plan, Option<u64>)> + Send + 'static,
        model: SharedModel,
        observer: Observer,
    ) -> napi::Result<Object<'env>> {
        let training = SharedTraining::default();
        register(env, &training)?;
        let stop = StopFlag::new();
        promise(env, stop.clone(), move || {
            let (plan, round) = make()?;
            // The environment may have ended meanwhile.
            stop.check()?;
            let (steps, options, record) = (plan.steps(), json(&plan.options)?, record(&plan, round));
            let (blocks, beside) = (plan.model.config.blocks, plan.options.keeps().is_some());
            let part = (plan.options.only_blocks.is_some() && !beside).then(|| run(&plan));
            let (device, why_no_gpu) = (plan.devices.to_string(), plan.why_no_gpu.clone());
            let started = Training::start(plan, observer)?;
            let stop = started.stop_flag();
            *training.lock().unwrap_or_else(PoisonError::into_inner) = Some(started);
            Ok(Self { training, model, stop, options, steps, device, why_no_gpu, record, blocks, part, beside })
        })
    }

    fn take(&self) -> Option<Training> {
        self.training.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Everything that the weights of a run depend on.
pub fn run(plan: &Plan) -> Value {
    let mut run = identity(plan);
    run["noprop"] = json!(env!("CARGO_PKG_VERSION"));
    run
}

/// What a model file says of its training.
pub fn record(plan: &Plan, round: Option<u64>) -> Value {
    let mut options = json!(plan.options);
    if let Some(options) = options.as_object_mut() {
        // Where and how fast, which the weights do not depend on.
        for name in
            ["threads", "inFlight", "device", "checkpoint", "checkpointSeconds", "resume", "continue", "onlyBlocks"]
        {
            options.remove(name);
        }
        // Of blocks that are trained alone the record of the change tells.
        for name in ["retrain", "append", "seed"] {
            options.remove(name);
        }
        // Without it, validation only looks on.
        if plan.options.early_stopping.is_none() {
            options.remove("validationEvery");
        }
    }
    let mut record = json!({
        "options": options,
        "samples": plan.data.samples(),
        "fingerprint": plan.data.raw_fingerprint(),
        "device": plan.devices.to_string(),
        "instructionSet": InstructionSet::current().as_str(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    if let Some(round) = round {
        record["round"] = json!(round);
    }
    if let Some(seed) = plan.options.seed {
        record["seed"] = json!(seed);
    }
    record
}

#[napi]
impl NativeTraining {
    /// The options with every default filled in, as JSON.
    #[napi(getter)]
    pub fn options(&self) -> String {
        self.options.clone()
    }

    /// Where the run computes: `cpu`, `cuda:0`.
    #[napi(getter)]
    pub fn device(&self) -> String {
        self.device.clone()
    }

    /// With `auto` and no GPU that can be used: why not, in one line.
    #[napi(getter, ts_return_type = "string | null")]
    pub fn why_no_gpu(&self) -> Option<String> {
        self.why_no_gpu.clone()
    }

    /// Optimiser steps of one block.
    #[napi(getter)]
    pub fn steps_per_block(&self) -> f64 {
        self.steps as f64
    }

    /// Puts a block (from 1) in flight; its end arrives as an event.
    #[napi]
    pub fn start_block(&self, block: u32) -> napi::Result<()> {
        match &*self.training.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(training) => training.start_block(block as usize).into_js(),
            None => Err(Error::new(Code::Internal, "the run has ended")).into_js(),
        }
    }

    /// Asks all threads to stop, with a checkpoint between two steps. Returns at once.
    #[napi]
    pub fn stop(&self) {
        match &*self.training.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(training) => training.stop(),
            None => self.stop.stop(),
        }
    }

    /// Asks every block in flight to end after the step that it is in, with the weights that it has then. Returns at once. Throws where those
    /// that have been started are no model.
    #[napi]
    pub fn wrap_up(&self) -> napi::Result<()> {
        match &*self.training.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(training) => training.wrap_up().into_js(),
            None => Ok(()),
        }
    }

    /// After the end of every block that was started: joins the threads and puts the weights into the model, with the history in JSON that its
    /// file is to keep.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn finish<'env>(&self, env: &'env Env, history: String) -> napi::Result<Object<'env>> {
        let (training, model, mut record) = (self.take(), self.model.clone(), self.record.clone());
        let (part, beside, planned) = (self.part.clone(), self.beside, self.blocks);
        promise(env, self.stop.clone(), move || {
            let training = training.ok_or_else(|| Error::new(Code::Internal, "the run has ended"))?;
            let history: Value = from_json(&history)?;
            let early = training.early_ends();
            if !early.is_empty() {
                record["ended"] = json!(early);
            }
            let blocks = training.reports();
            let Trained { model: fitted, weights, jobs } = training.finish()?;
            let trained = fitted.config.blocks;
            if !beside && trained < planned {
                record["changes"] = json!([{ "dropped": (trained + 1..=planned).collect::<Vec<_>>() }]);
            }
            model.replace(|model| match part {
                _ if beside => model.with_blocks(fitted, weights, &jobs, record, &history),
                Some(run) => Ok(model.with_part(weights, record, Part { run, blocks }).with_fitted(fitted)),
                None => Ok(model.with_weights(weights, record).with_fitted(fitted).with_history(history)),
            })
        })
    }

    /// Stops and joins the threads, and writes the blocks in flight to the checkpoint if there is one, which is then released;
    /// rejects if one could not be written. The model keeps what it had.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let training = self.take();
        promise(env, self.stop.clone(), move || training.map_or(Ok(()), Training::close))
    }
}
