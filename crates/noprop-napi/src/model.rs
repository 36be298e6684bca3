//! Models.

use crate::dataset::NativeDataset;
use crate::described::describe;
use crate::error::{IntoJs, json};
use crate::events::observer;
use crate::external_memory::{ExternalMemory, Told};
use crate::shared_model::SharedModel;
use crate::stop::StopSignal;
use crate::tasks::promise;
use crate::training::NativeTraining;
use napi::bindgen_prelude::{
    ClassInstance, Env, Float32Array, Function, Int32Array, Object, ObjectFinalize, ToNapiValue, Uint32Array, Unknown,
};
use napi_derive::napi;
use noprop_core::config::{FitOptions, ModelConfig, from_json};
use noprop_core::data::Dataset;
use noprop_core::inference::{
    Session, check_readout, contributions, evaluate_numbers, exit_curve, fit_readout, measure_chain, predict_numbers,
    stand_in, trace,
};
use noprop_core::model::OnnxOptions;
use noprop_core::tensor::StopFlag;
use noprop_core::train::{Plan, estimate, find_learning_rate};
use noprop_core::{Code, DeviceChoice, Error, Model, SampleOptions};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// Labels and probabilities of a prediction.
#[napi(object, object_from_js = false)]
pub struct NativePrediction {
    /// One label a sample; where classes have names, its position among them.
    pub labels: Int32Array,
    /// `[samples, classes]`.
    pub probabilities: Float32Array,
    /// `[samples]`: how many blocks each went through.
    pub blocks: Uint32Array,
}

/// Numbers and their intervals.
#[napi(object, object_from_js = false)]
pub struct NativeNumbers {
    /// `[samples, targets]`.
    pub values: Float32Array,
    /// The lower ends of the intervals, if these were asked for.
    #[napi(ts_type = "Float32Array | null")]
    pub low: Option<Float32Array>,
    /// The upper ends.
    #[napi(ts_type = "Float32Array | null")]
    pub high: Option<Float32Array>,
}

/// A prediction with the states and estimates on the way to it.
#[napi(object, object_from_js = false)]
pub struct NativeTrace {
    /// One label a sample; where classes have names, its position among them.
    pub labels: Int32Array,
    /// `[samples, classes]`.
    pub probabilities: Float32Array,
    /// The block of each move, from 1.
    pub blocks: Uint32Array,
    /// z_0, `[samples, classes]`.
    pub start: Float32Array,
    /// The state after each move, `[moves, samples, classes]`.
    pub states: Float32Array,
    /// What each move was made by, `[moves, samples, classes]`.
    pub estimates: Float32Array,
}

/// A configuration with or without trained weights.
#[napi(custom_finalize)]
pub struct NativeModel {
    pub(crate) inner: SharedModel,
    memory: Arc<ExternalMemory>,
}

impl From<Model> for NativeModel {
    fn from(model: Model) -> Self {
        Self { inner: model.into(), memory: Arc::new(ExternalMemory::new()) }
    }
}

impl ObjectFinalize for NativeModel {
    fn finalize(self, env: Env) -> napi::Result<()> {
        self.memory.release(&env);
        Ok(())
    }
}

#[napi]
impl NativeModel {
    /// An untrained model from a configuration as JSON.
    #[napi]
    pub fn create(config: String) -> napi::Result<Self> {
        from_json::<ModelConfig>(&config).and_then(Model::new).map(Self::from).into_js()
    }

    /// Reads a model file.
    #[napi(ts_return_type = "Promise<NativeModel>")]
    pub fn load<'env>(env: &'env Env, path: String) -> napi::Result<Object<'env>> {
        promise(env, StopFlag::new(), move || {
            let model = Model::load(&PathBuf::from(path))?;
            let bytes = model.resident_bytes();
            let value = Self::from(model);
            let memory = value.memory.clone();
            Ok(Told { value, memory, bytes })
        })
    }

    /// Puts the files of parts together to one model, with the history in JSON that its file is to keep.
    #[napi(ts_return_type = "Promise<NativeModel>")]
    pub fn assemble<'env>(env: &'env Env, paths: Vec<String>, history: String) -> napi::Result<Object<'env>> {
        promise(env, StopFlag::new(), move || {
            let paths: Vec<_> = paths.into_iter().map(PathBuf::from).collect();
            let history: Value = from_json(&history)?;
            Ok(Self::from(Model::assemble(&paths)?.with_history(history)))
        })
    }

    /// The events of the ends of the blocks that parts hold, in their order, as JSON.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn part_events<'env>(env: &'env Env, paths: Vec<String>) -> napi::Result<Object<'env>> {
        promise(env, StopFlag::new(), move || {
            let paths: Vec<_> = paths.into_iter().map(PathBuf::from).collect();
            json(&Model::part_events(&paths)?)
        })
    }

    /// Checks the whole file of a part of one block, which must be one of `run`, as [`describe`](Self::describe) has it. Resolves with
    /// `{ block, sha256, event }` as JSON.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn check_part<'env>(env: &'env Env, path: String, run: String) -> napi::Result<Object<'env>> {
        promise(env, StopFlag::new(), move || {
            let (block, sha256, event) = Model::check_part(&PathBuf::from(path), &from_json(&run)?)?;
            Ok(json!({ "block": block, "sha256": sha256, "event": event }).to_string())
        })
    }

    /// Gives the model the weights of parts, which must be those of `run`, with the history in JSON that its file is to keep.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn take_parts<'env>(
        &self,
        env: &'env Env,
        paths: Vec<String>,
        run: String,
        history: String,
    ) -> napi::Result<Object<'env>> {
        let model = self.inner.clone();
        promise(env, StopFlag::new(), move || {
            let paths: Vec<_> = paths.into_iter().map(PathBuf::from).collect();
            let history: Value = from_json(&history)?;
            let assembled = Model::assemble_run(&paths, &from_json(&run)?)?.with_history(history);
            model.replace(|model| Ok(model.with_blocks_of(assembled)))
        })
    }

    /// What other machines are told of a run before it begins, as JSON; everything is checked as by a training. `kind` is that of the
    /// machines that are to train it, where these are others.
    #[napi(
        ts_args_type = "data: NativeDataset, options: string, validation: NativeDataset | null, kind: string | null",
        ts_return_type = "Promise<string>"
    )]
    pub fn describe<'env>(
        &self,
        env: &'env Env,
        data: &NativeDataset,
        options: String,
        validation: Option<ClassInstance<'_, NativeDataset>>,
        kind: Option<String>,
    ) -> napi::Result<Object<'env>> {
        let (model, data) = (self.model()?, data.get()?);
        let validation = validation.map(|validation| validation.get()).transpose()?;
        promise(env, StopFlag::new(), move || {
            let (plan, _) = plan(model, data, &options, validation)?;
            plan.check_validation()?;
            if let Some(name) = plan.options.keeps() {
                return Err(Error::new(Code::Option, format!("option {name} does not go with a cluster"))
                    .expected("blocks of a trained model to be trained here")
                    .received("a queue")
                    .hint("leave the queue out"));
            }
            describe(&plan, kind)
        })
    }

    /// A model without the last `count` blocks of this one.
    #[napi(ts_return_type = "Promise<NativeModel>")]
    pub fn without_last<'env>(&self, env: &'env Env, count: u32) -> napi::Result<Object<'env>> {
        let model = self.model()?;
        promise(env, StopFlag::new(), move || Ok(Self::from(model.without_last(count as usize)?)))
    }

    /// The mean of this model and others.
    #[napi(ts_return_type = "Promise<NativeModel>")]
    pub fn average<'env>(
        &self,
        env: &'env Env,
        others: Vec<ClassInstance<'_, NativeModel>>,
    ) -> napi::Result<Object<'env>> {
        let others = others.iter().map(|other| other.model());
        let models = std::iter::once(self.model()).chain(others).collect::<napi::Result<Vec<_>>>()?;
        promise(env, StopFlag::new(), move || Ok(Self::from(Model::average(&models)?)))
    }

    /// The blocks of a part of a model as JSON; null for a whole one.
    #[napi(getter, ts_return_type = "string | null")]
    pub fn part(&self) -> napi::Result<Option<String>> {
        let model = self.model()?;
        let blocks = model.part().map(|part| part.blocks.iter().map(|report| report.block).collect::<Vec<_>>());
        Ok(blocks.map(|blocks| json!(blocks).to_string()))
    }

    pub(crate) fn model(&self) -> napi::Result<Arc<Model>> {
        self.inner.get().into_js()
    }

    /// Lets go of the weights and closes their file; work that has begun goes on. Every later call fails with
    /// NOPROP_DISPOSED, but this one.
    #[napi]
    pub fn dispose(&self, env: &Env) {
        self.inner.dispose();
        self.memory.release(env);
    }

    /// The configuration with every default filled in, as JSON.
    #[napi(getter)]
    pub fn config(&self) -> napi::Result<String> {
        json(&self.model()?.checked.config).into_js()
    }

    /// Jobs that are trained, each by itself: the blocks, or one of all of them.
    #[napi(getter)]
    pub fn jobs(&self) -> napi::Result<u32> {
        Ok(self.model()?.checked.jobs() as u32)
    }

    /// Trained values of one job: of a block where every block is one.
    #[napi(getter)]
    pub fn parameters_per_block(&self) -> napi::Result<f64> {
        Ok(self.model()?.checked.layout.parameters() as f64)
    }

    /// Trained values of all jobs, and of the encoder.
    #[napi(getter)]
    pub fn parameters(&self) -> napi::Result<f64> {
        let checked = &self.model()?.checked;
        let encoder = checked.encoder.as_ref().map_or(0, |parts| parts.layout.parameters());
        Ok((1..=checked.jobs()).map(|job| checked.layout_of(job).parameters() as f64).sum::<f64>() + encoder as f64)
    }

    /// Whether there are weights.
    #[napi(getter)]
    pub fn trained(&self) -> napi::Result<bool> {
        Ok(self.model()?.is_trained())
    }

    /// What trained the weights, as JSON, or null.
    #[napi(getter, ts_return_type = "string | null")]
    pub fn training(&self) -> napi::Result<Option<String>> {
        let model = self.model()?;
        Ok((!model.training.is_null()).then(|| model.training.to_string()))
    }

    /// How the losses went while it was trained, as JSON, or null.
    #[napi(getter, ts_return_type = "string | null")]
    pub fn history(&self) -> napi::Result<Option<String>> {
        let model = self.model()?;
        Ok((!model.history.is_null()).then(|| model.history.to_string()))
    }

    /// The tensors of one block as JSON `[{ name, shape, parameters }]`; a statistic has 0 parameters.
    #[napi]
    pub fn summary(&self) -> napi::Result<String> {
        let model = self.model()?;
        let tensors = model.checked.layout.entries().iter().map(|entry| {
            let parameters = if entry.name.starts_with("params.") { entry.slot.len } else { 0 };
            json!({ "name": entry.name, "shape": entry.shape, "parameters": parameters })
        });
        Ok(json!(tensors.collect::<Vec<_>>()).to_string())
    }

    /// The layers of one block as JSON `[{ name, op, shape, parameters, multiplyAdds }]`.
    #[napi]
    pub fn layers(&self) -> napi::Result<String> {
        let model = self.model()?;
        model.checked.method.graph(true).and_then(|graph| json(&graph.layers())).into_js()
    }

    /// What a run takes, as JSON; its steps are measured where it needs at most `available` bytes.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn estimate<'env>(
        &self,
        env: &'env Env,
        data: &NativeDataset,
        options: String,
        available: f64,
        stop: &StopSignal,
    ) -> napi::Result<Object<'env>> {
        let (model, data, flag) = (self.model()?, data.get()?, stop.flag());
        promise(env, stop.flag(), move || {
            let options = from_json::<FitOptions>(&options)?;
            let plan = Plan::new(model.to_train(&options)?, options, stand_in(&model, data)?)?;
            json(&estimate(&plan, available as usize, &flag)?)
        })
    }

    /// Tests learning rates on one block; options and result are JSON.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn find_learning_rate<'env>(
        &self,
        env: &'env Env,
        data: &NativeDataset,
        options: String,
        stop: &StopSignal,
    ) -> napi::Result<Object<'env>> {
        let (model, data, flag) = (self.model()?, data.get()?, stop.flag());
        promise(env, stop.flag(), move || {
            let options = FitOptions { device: DeviceChoice::Cpu, ..from_json::<FitOptions>(&options)? };
            json(&find_learning_rate(Plan::new(model.to_train(&options)?, options, data)?, &flag)?)
        })
    }

    /// Writes the model file atomically.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn save<'env>(&self, env: &'env Env, path: String) -> napi::Result<Object<'env>> {
        let model = self.model()?;
        promise(env, StopFlag::new(), move || model.save(&PathBuf::from(path)))
    }

    /// Writes an ONNX file atomically; options and result, what is in it, are JSON.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn export_onnx<'env>(
        &self,
        env: &'env Env,
        path: String,
        options: String,
        stop: &StopSignal,
    ) -> napi::Result<Object<'env>> {
        let (model, flag) = (self.model()?, stop.flag());
        promise(env, stop.flag(), move || {
            json(&model.export_onnx(&PathBuf::from(path), &from_json::<OnnxOptions>(&options)?, &flag)?)
        })
    }

    /// Fails as a later save would, for want of room as well; the model need not be trained.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn probe_save<'env>(&self, env: &'env Env, path: String) -> napi::Result<Object<'env>> {
        let model = self.model()?;
        promise(env, StopFlag::new(), move || model.probe_save(&PathBuf::from(path)))
    }

    /// SHA-256 over all weights in the order of their names, in hexadecimal.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn weights_sha256<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let model = self.model()?;
        promise(env, StopFlag::new(), move || model.weights_sha256())
    }

    /// Runs one of the session's two functions on a thread of its own.
    fn infer<'env, T: ToNapiValue + Send + 'static>(
        &self,
        env: &'env Env,
        (data, options, stop): (&NativeDataset, String, &StopSignal),
        work: impl FnOnce(&Session, &Dataset, SampleOptions, &StopFlag) -> noprop_core::Result<T> + Send + 'static,
    ) -> napi::Result<Object<'env>> {
        let (session, data, flag) = (self.inner.session().into_js()?, data.get()?, stop.flag());
        let memory = self.memory.clone();
        promise(env, stop.flag(), move || {
            let value = work(&session, &data, from_json(&options)?, &flag)?;
            // The first use of few samples takes weights into memory.
            Ok(Told { value, memory, bytes: session.model().resident_bytes() })
        })
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
        self.infer(env, (data, options, stop), |session, data, options, flag| {
            json(&session.evaluate(data, options, flag)?)
        })
    }

    /// What each block adds; options and result are JSON.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn contributions<'env>(
        &self,
        env: &'env Env,
        data: &NativeDataset,
        options: String,
        stop: &StopSignal,
    ) -> napi::Result<Object<'env>> {
        self.infer(env, (data, options, stop), |session, data, options, flag| {
            json(&contributions(session.model(), data, &options, flag)?)
        })
    }

    /// Accuracy and blocks per sample for each of these confidences; options and result are JSON.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn exit_curve<'env>(
        &self,
        env: &'env Env,
        data: &NativeDataset,
        options: String,
        confidences: Vec<f64>,
        stop: &StopSignal,
    ) -> napi::Result<Object<'env>> {
        self.infer(env, (data, options, stop), move |session, data, options, flag| {
            json(&exit_curve(session.model(), data, &options, &confidences, flag)?)
        })
    }

    /// How classes are read off all blocks, as JSON; null where that has not been fitted.
    #[napi(getter, ts_return_type = "string | null")]
    pub fn readout(&self) -> napi::Result<Option<String>> {
        let readout = self.model()?.readout();
        Ok((!readout.is_null()).then(|| readout.to_string()))
    }

    /// Throws where that cannot be fitted to this model, which may be untrained.
    #[napi]
    pub fn check_readout(&self) -> napi::Result<()> {
        let model = self.model()?;
        check_readout(&model).into_js()
    }

    /// Fits how classes are read off all blocks, and keeps it; options and result are JSON.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn fit_readout<'env>(
        &self,
        env: &'env Env,
        data: &NativeDataset,
        options: String,
        stop: &StopSignal,
    ) -> napi::Result<Object<'env>> {
        self.infer(env, (data, options, stop), |session, data, options, flag| {
            let found = json(&fit_readout(session.model(), data, &options, flag)?)?;
            session.model().set_readout(from_json(&found)?);
            Ok(found)
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
        self.infer(env, (data, options, stop), |session, data, options, flag| {
            let prediction = session.predict(data, options, flag)?;
            Ok(NativePrediction {
                labels: Int32Array::new(prediction.labels),
                probabilities: Float32Array::new(prediction.probabilities),
                blocks: Uint32Array::new(prediction.blocks),
            })
        })
    }

    /// The same with the states and estimates of all blocks; options are JSON.
    #[napi(ts_return_type = "Promise<NativeTrace>")]
    pub fn trace<'env>(
        &self,
        env: &'env Env,
        data: &NativeDataset,
        options: String,
        stop: &StopSignal,
    ) -> napi::Result<Object<'env>> {
        self.infer(env, (data, options, stop), |session, data, options, flag| {
            let found = trace(session.model(), data, &options, flag)?;
            Ok(NativeTrace {
                labels: Int32Array::new(found.prediction.labels),
                probabilities: Float32Array::new(found.prediction.probabilities),
                blocks: Uint32Array::new(found.blocks),
                start: Float32Array::new(found.start),
                states: Float32Array::new(found.states),
                estimates: Float32Array::new(found.estimates),
            })
        })
    }

    /// Compares the model's numbers with those of the data; options, those of runs and intervals, and result are JSON.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn evaluate_numbers<'env>(
        &self,
        env: &'env Env,
        data: &NativeDataset,
        options: String,
        numbers: String,
        stop: &StopSignal,
    ) -> napi::Result<Object<'env>> {
        self.infer(env, (data, options, stop), move |session, data, options, flag| {
            json(&evaluate_numbers(session.model(), data, &options, &from_json(&numbers)?, flag)?)
        })
    }

    /// Numbers and intervals; options, and those of runs and intervals, are JSON.
    #[napi(ts_return_type = "Promise<NativeNumbers>")]
    pub fn predict_numbers<'env>(
        &self,
        env: &'env Env,
        data: &NativeDataset,
        options: String,
        numbers: String,
        stop: &StopSignal,
    ) -> napi::Result<Object<'env>> {
        self.infer(env, (data, options, stop), move |session, data, options, flag| {
            let found = predict_numbers(session.model(), data, &options, &from_json(&numbers)?, flag)?;
            let (low, high) = found.interval.map_or((None, None), |[low, high]| (Some(low), Some(high)));
            let values = Float32Array::new(found.values);
            Ok(NativeNumbers { values, low: low.map(Float32Array::new), high: high.map(Float32Array::new) })
        })
    }

    /// Checks options and data, opens devices and checkpoint, and starts the threads of a run. Events arrive as JSON arrays. Blocks
    /// are measured on `validation` while they train.
    #[napi(
        ts_args_type = "data: NativeDataset, options: string, onEvents: (events: string) => void, validation: NativeDataset | null",
        ts_return_type = "Promise<NativeTraining>"
    )]
    pub fn train<'env>(
        &self,
        env: &'env Env,
        data: &NativeDataset,
        options: String,
        on_events: Function<'_, String, Unknown<'static>>,
        validation: Option<ClassInstance<'_, NativeDataset>>,
    ) -> napi::Result<Object<'env>> {
        let (model, data) = (self.model()?, data.get()?);
        let validation = validation.map(|validation| validation.get()).transpose()?;
        let plan = move || plan(model, data, &options, validation);
        NativeTraining::start(env, plan, self.inner.clone(), observer(&on_events)?)
    }
}

/// The plan of a run, and the so many-th training that it is of a model that goes on from its weights.
pub(crate) fn plan(
    model: Arc<Model>,
    data: Arc<Dataset>,
    options: &str,
    validation: Option<Arc<Dataset>>,
) -> noprop_core::Result<(Plan, Option<u64>)> {
    let options = from_json::<FitOptions>(options)?;
    let mut plan = Plan::new(model.to_train(&options)?, options, data)?;
    if let Some(validation) = validation {
        plan = plan.validated(validation, measure_chain)?;
    }
    // How often the model was trained before.
    let round = plan.options.go_on.then(|| 1 + model.rounds());
    let plan = match round {
        _ if plan.options.keeps().is_some() => plan.beside(model, round)?,
        Some(round) => plan.continued(model, round)?,
        None => plan,
    };
    Ok((plan, round))
}
