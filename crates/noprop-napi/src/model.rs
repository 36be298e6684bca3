//! Models.

use crate::dataset::NativeDataset;
use crate::error::{IntoJs, json};
use crate::events::observer;
use crate::tasks::promise;
use crate::training::NativeTraining;
use napi::bindgen_prelude::{Env, Float32Array, Function, Int32Array, Object, ToNapiValue, Unknown};
use napi_derive::napi;
use noprop::config::{FitOptions, ModelConfig, from_json};
use noprop::data::Dataset;
use noprop::inference::{evaluate, predict};
use noprop::ops::StopFlag;
use noprop::train::Plan;
use noprop::{Model, SampleOptions};
use serde_json::json;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

/// A model that a run replaces by a trained one when it ends.
pub type SharedModel = Arc<RwLock<Arc<Model>>>;

/// A flag that native work polls.
#[napi]
#[derive(Default)]
pub struct StopSignal {
    flag: StopFlag,
}

#[napi]
impl StopSignal {
    /// A flag that is not raised.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the work to stop.
    #[napi]
    pub fn stop(&self) {
        self.flag.stop();
    }

    pub(crate) fn flag(&self) -> StopFlag {
        self.flag.clone()
    }
}

/// Labels and probabilities of a prediction.
#[napi(object, object_from_js = false)]
pub struct NativePrediction {
    /// One label a sample.
    pub labels: Int32Array,
    /// `[samples, classes]`.
    pub probabilities: Float32Array,
}

/// A configuration with or without trained weights.
#[napi]
pub struct NativeModel {
    inner: SharedModel,
}

impl From<Model> for NativeModel {
    fn from(model: Model) -> Self {
        Self { inner: Arc::new(RwLock::new(Arc::new(model))) }
    }
}

#[napi]
impl NativeModel {
    /// An untrained model from a configuration as JSON.
    #[napi]
    pub fn create(config: String) -> napi::Result<Self> {
        from_json::<ModelConfig>(&config).and_then(Model::new).map(Self::from).into_js()
    }

    /// Opens a model file.
    #[napi(ts_return_type = "Promise<NativeModel>")]
    pub fn load<'env>(env: &'env Env, path: String) -> napi::Result<Object<'env>> {
        promise(env, StopFlag::new(), move || Model::load(&PathBuf::from(path)).map(Self::from))
    }

    fn model(&self) -> Arc<Model> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The configuration with every default filled in, as JSON.
    #[napi(getter)]
    pub fn config(&self) -> napi::Result<String> {
        json(&self.model().checked.config).into_js()
    }

    /// Trained values of one block.
    #[napi(getter)]
    pub fn parameters_per_block(&self) -> f64 {
        self.model().checked.layout.parameters() as f64
    }

    /// Whether there are weights.
    #[napi(getter)]
    pub fn trained(&self) -> bool {
        self.model().is_trained()
    }

    /// What trained the weights, as JSON, or null.
    #[napi(getter, ts_return_type = "string | null")]
    pub fn training(&self) -> Option<String> {
        let model = self.model();
        (!model.training.is_null()).then(|| model.training.to_string())
    }

    /// The tensors of one block as JSON `[{ name, shape, parameters }]`; a statistic has 0 parameters.
    #[napi]
    pub fn summary(&self) -> String {
        let model = self.model();
        let tensors = model.checked.layout.entries().iter().map(|entry| {
            let parameters = if entry.name.starts_with("params.") { entry.slot.len } else { 0 };
            json!({ "name": entry.name, "shape": entry.shape, "parameters": parameters })
        });
        json!(tensors.collect::<Vec<_>>()).to_string()
    }

    /// Writes the model file atomically.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn save<'env>(&self, env: &'env Env, path: String) -> napi::Result<Object<'env>> {
        let model = self.model();
        promise(env, StopFlag::new(), move || model.save(&PathBuf::from(path)))
    }

    /// SHA-256 over all weights in the order of their names, in hexadecimal.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn weights_sha256<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let model = self.model();
        promise(env, StopFlag::new(), move || model.weights_sha256())
    }

    /// Runs one of the core's two inference functions on a thread of its own.
    fn infer<'env, T: ToNapiValue + Send + 'static>(
        &self,
        env: &'env Env,
        (data, options, stop): (&NativeDataset, String, &StopSignal),
        work: impl FnOnce(&Model, &Dataset, SampleOptions, &StopFlag) -> noprop::Result<T> + Send + 'static,
    ) -> napi::Result<Object<'env>> {
        let (model, data, flag) = (self.model(), data.get()?, stop.flag());
        promise(env, stop.flag(), move || work(&model, &data, from_json(&options)?, &flag))
    }

    /// Compares the model's classes with the data's labels; options and result are JSON.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn evaluate<'env>(
        &self,
        env: &'env Env,
        data: &NativeDataset,
        options: String,
        stop: &StopSignal,
    ) -> napi::Result<Object<'env>> {
        self.infer(env, (data, options, stop), |model, data, options, flag| {
            json(&evaluate(model, data, options, flag)?)
        })
    }

    /// Labels and probabilities; options are JSON.
    #[napi(ts_return_type = "Promise<NativePrediction>")]
    pub fn predict<'env>(
        &self,
        env: &'env Env,
        data: &NativeDataset,
        options: String,
        stop: &StopSignal,
    ) -> napi::Result<Object<'env>> {
        self.infer(env, (data, options, stop), |model, data, options, flag| {
            let prediction = predict(model, data, options, flag)?;
            Ok(NativePrediction {
                labels: Int32Array::new(prediction.labels),
                probabilities: Float32Array::new(prediction.probabilities),
            })
        })
    }

    /// Checks options and data, opens devices and checkpoint, and starts the threads of a run. Events arrive as JSON arrays.
    #[napi(
        ts_args_type = "data: NativeDataset, options: string, onEvents: (events: string) => void",
        ts_return_type = "Promise<NativeTraining>"
    )]
    pub fn train<'env>(
        &self,
        env: &'env Env,
        data: &NativeDataset,
        options: String,
        on_events: Function<'_, String, Unknown<'static>>,
    ) -> napi::Result<Object<'env>> {
        let (checked, data) = (self.model().checked.clone(), data.get()?);
        let plan = move || Plan::new(checked, from_json::<FitOptions>(&options)?, data);
        NativeTraining::start(env, plan, self.inner.clone(), observer(&on_events)?)
    }
}
