//! What all block jobs of one run share: configuration, options, data and what follows from them.

use super::batches::{Batch, Batches};
use super::device::memory;
use super::validation::{MeasureChain, Measured, Validation};
use crate::config::{CheckedConfig, ClassWeights, FitOptions, ModelConfig};
use crate::cuda::{Engine, Multiply};
use crate::data::Dataset;
use crate::data::augment::Augmenter;
use crate::device::{DeviceChoice, DeviceId, Devices};
use crate::diffusion::{ClassVectors, Weighting};
use crate::error::{Code, Error, Result};
use crate::method::{Loss, MethodConfig};
use crate::model::Model;
use crate::net::Layout;
use crate::ops::adamw::AdamW;
use crate::ops::simd::InstructionSet;
use crate::optim::Optimizer;
use candle_core::Device;
use std::sync::Arc;

/// A run of training, ready to make block jobs.
pub struct Plan {
    /// The model.
    pub model: CheckedConfig,
    /// Complete options.
    pub options: FitOptions,
    /// Where the run computes.
    pub devices: Devices,
    /// Where `auto` took the processor: why, in one line.
    pub why_no_gpu: Option<String>,
    /// Training data.
    pub data: Arc<Dataset>,
    /// The class of each sample: its label's place among the model's classes.
    pub classes: Arc<Vec<u32>>,
    /// Where labels are numbers: their vectors, one a sample, which is a class of its own.
    pub numbers: Option<ClassVectors>,
    /// What blocks are measured on while they train, if on anything.
    pub validation: Option<Validation>,
    /// Factors of the samples' losses by their classes, where not all count alike.
    pub(super) class_weights: Option<Vec<f64>>,
    /// What the blocks go on from, if they do not begin anew.
    pub(super) from: Option<From>,
    /// Per-block factor of the loss, `[T]`.
    weights: Vec<f64>,
    pub(super) batches: Batches,
    /// The opened `devices`; none for the processor.
    pub(crate) engines: Vec<Engine>,
}

impl Plan {
    /// Checks options and data against the model.
    ///
    /// # Errors
    /// [`Code::Option`], [`Code::Shape`] or [`Code::Label`] naming what does not fit; those of
    /// [`crate::DeviceChoice::resolve`].
    pub fn new(mut model: CheckedConfig, options: FitOptions, data: Arc<Dataset>) -> Result<Self> {
        InstructionSet::check_variable()?;
        check_shape(&model, &data)?;
        options.augment.check(data.shape())?;
        check_coupled(&model, &options)?;
        let in_flight = options.in_flight;
        let mut options = options.check(model.jobs(), data.samples())?;
        if let Some(append) = &options.append {
            // They are the last ones before the head.
            let blocks = model.config.blocks;
            options.only_blocks = Some((blocks - append.count().min(blocks) + 1..=blocks).collect());
        }
        check_weighting(&model, &options)?;
        check_optimizer(&model, &options)?;
        check_smoothing(&model, &options)?;
        check_clipping(&model, &options)?;
        check_class_weights(&model, &options)?;
        check_batch_norm(&model, &options, data.samples())?;
        let (mut devices, mut why_no_gpu) = places_of(&options)?;
        let engines = match devices.ids().into_iter().map(Engine::open).collect::<Result<Vec<_>>>() {
            // A card that seemed usable and is not: `auto` goes on without it.
            Err(error) if options.device == DeviceChoice::Auto => {
                (devices, why_no_gpu) = (Devices::Cpu, Some(error.in_one_line()));
                Vec::new()
            }
            outcome => outcome?,
        };
        devices.check_precision(options.precision)?;
        if let Some(targets) = &mut model.config.targets {
            *targets = targets.fitted(data.numbers(targets.count)?)?;
        }
        let (numbers, classes) = labels(&model, &data)?;
        let model = model.with_prototypes(&data, &classes)?;
        let factors = |weights: &ClassWeights| weights.factors(&classes, model.config.classes.len());
        let class_weights = options.class_weights.as_ref().map(factors).transpose()?;
        let classes = Arc::new(classes);
        let weight = |job| match model.method.is_weighted() && model.head_of(job).is_none() {
            true => options.weighting.block_weight(&model.schedule, job, options.eta),
            false => Ok(1.0),
        };
        // Of a job of several nets, each has one.
        let factors = if model.is_coupled() { model.config.blocks } else { model.jobs() };
        let weights = (1..=factors).map(weight).collect::<Result<_>>()?;
        let batches = Batches::new(data.clone(), classes.clone(), model.config.seed, &options);
        let (validation, from) = (None, None);
        let mut plan = Self {
            model,
            options,
            devices,
            why_no_gpu,
            data,
            classes,
            numbers,
            validation,
            class_weights,
            from,
            weights,
            batches,
            engines,
        };
        if DeviceId::BUILT && !plan.engines.is_empty() {
            let (model, data, engines) = (&plan.model, &plan.data, &plan.engines);
            plan.options.in_flight = Some(memory::in_flight(model, &plan.options, data, engines, in_flight)?);
        }
        Ok(plan)
    }

    /// The plan with samples on which blocks are measured while they train, and what measures all of them together. On GPUs there is no such
    /// validation yet, nor where a job of a whole net has a head beside it.
    ///
    /// # Errors
    /// [`Code::Shape`] or [`Code::Label`] for data that do not fit the model.
    pub fn validated(mut self, data: Arc<Dataset>, measure: MeasureChain) -> Result<Self> {
        check_shape(&self.model, &data)?;
        let (numbers, classes) = labels(&self.model, &data)?;
        let measured = Measured::of(&self.model).filter(|_| self.engines.is_empty());
        self.validation = measured.map(|measured| Validation { data, classes, numbers, measure, measured });
        Ok(self)
    }

    /// The plan of a training that goes on from the weights of `model`, which has the same configuration. Order, noise and
    /// augmentation are others than those of the trainings before: `round` counts these, from 1.
    ///
    /// # Errors
    /// [`Code::NotTrained`] for a model without weights; those of [`Model::weights_sha256`].
    pub fn continued(mut self, model: Arc<Model>, round: u64) -> Result<Self> {
        let sha256 = model.weights_sha256()?;
        self.take_fitted(&model)?;
        self.reseed(self.model.config.seed, Some(round));
        self.from = Some(From { model, sha256 });
        Ok(self)
    }

    /// The plan of a training of some blocks that stand beside those of `model`, which has the same configuration or its beginning; from the
    /// weights of these blocks in the so many-th `round` that they are trained on, or else from their beginning.
    ///
    /// # Errors
    /// Those of [`continued`](Self::continued).
    pub fn beside(mut self, model: Arc<Model>, round: Option<u64>) -> Result<Self> {
        self.take_fitted(&model)?;
        self.reseed(self.options.seed.unwrap_or(self.model.config.seed), round);
        if round.is_some() {
            let sha256 = model.weights_sha256()?;
            self.from = Some(From { model, sha256 });
        }
        Ok(self)
    }

    /// Takes what the training of a model has fitted to its data: blocks go on in the units that they have learned.
    fn take_fitted(&mut self, model: &Model) -> Result<()> {
        self.model.config.targets = model.checked.config.targets.clone();
        if model.checked.config.embedding.is_prototype() {
            let embedding = model.checked.config.embedding.clone();
            self.model = ModelConfig { embedding, ..self.model.config.clone() }.check()?;
        }
        (self.numbers, _) = labels(&self.model, &self.data)?;
        if let Some(validation) = &mut self.validation {
            (validation.numbers, _) = labels(&self.model, &validation.data)?;
        }
        Ok(())
    }

    /// Draws by another seed, in another round.
    fn reseed(&mut self, seed: u64, round: Option<u64>) {
        // The golden ratio's bits: no seed that a person would give is a round of another.
        let seed = seed.wrapping_add(round.unwrap_or(0).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        self.model.config.seed = seed;
        self.batches = Batches::new(self.data.clone(), self.classes.clone(), seed, &self.options);
    }

    /// # Errors
    /// [`Code::Option`] for options of validation without anything to validate on.
    pub fn check_validation(&self) -> Result<()> {
        let options = &self.options;
        let name = match (options.early_stopping, options.validation_every) {
            _ if self.validation.is_some() => return Ok(()),
            (Some(_), _) => "earlyStopping",
            (None, Some(_)) => "validationEvery",
            (None, None) => return Ok(()),
        };
        if Measured::of(&self.model).is_none() {
            let method = self.model.config.method.name();
            return Err(Error::new(
                Code::Option,
                format!("option {name} does not apply to method {method} with a head"),
            )
            .expected("no head, whose training follows that of the net, or no such option")
            .received(format!("{method} with head {}", self.model.config.head.name()))
            .hint("validation samples measure the finished model of every method"));
        }
        if self.engines.is_empty() {
            return Err(Error::new(Code::Option, format!("option {name} needs validation samples"))
                .expected("option validation or validationSplit")
                .received("neither")
                .hint("hold out a tenth of the training samples with validationSplit 0.1"));
        }
        Err(Error::new(Code::Option, format!("option {name} does not serve on GPUs yet"))
            .expected("option device cpu, or no such option")
            .received(self.devices.to_string())
            .hint("train on the processor, or leave the option out"))
    }

    /// What blocks are measured on after this epoch (from 1), if it is time.
    pub(super) fn validation_after(&self, epoch: usize) -> Option<&Validation> {
        let every = self.options.validation_every.unwrap_or(1);
        self.validation.as_ref().filter(|_| epoch.is_multiple_of(every) || epoch == self.options.epochs)
    }

    /// Steps of one epoch; the last one may be short.
    pub fn steps_per_epoch(&self) -> u64 {
        self.batches.steps_per_epoch()
    }

    /// Steps of one block job.
    pub fn steps(&self) -> u64 {
        self.steps_per_epoch() * self.options.epochs as u64
    }

    /// Whether a block is a head and the whole is measured after this epoch.
    pub(super) fn is_head_measured(&self, block: usize, epoch: usize) -> bool {
        self.model.head_of(block).is_some() && self.validation_after(epoch).is_some()
    }

    /// What products on a device multiply.
    pub(crate) fn multiply(&self) -> Multiply {
        self.options.precision.into()
    }

    /// Samples of the batch of step `step` (from 0).
    pub fn samples_of(&self, step: u64) -> usize {
        let before = (step % self.steps_per_epoch()) as usize * self.options.batch_size();
        self.options.batch_size().min(self.data.samples() - before)
    }

    /// The optimiser of step `step` (from 0) of a block.
    pub(crate) fn adamw(&self, step: u64) -> AdamW {
        self.adamw_of(&self.model.layout, step)
    }

    /// The optimiser of step `step` (from 0) of these tensors.
    pub(crate) fn adamw_of(&self, layout: &Layout, step: u64) -> AdamW {
        let options = &self.options;
        let warmup = (options.warmup * self.steps_per_epoch() as f64).round() as u64;
        let rate = options.learning_rate_schedule.warmed_rate(options.learning_rate, step, self.steps(), warmup);
        let adamw = AdamW::new(rate, options.weight_decay, step + 1, layout.parameters(), layout.statistics());
        let rule = self.model.method.rule().unwrap_or(options.optimizer.rule());
        AdamW { rule, ..adamw }
    }

    /// What makes the images of an epoch (from 0) others than those of the data set, if anything does.
    pub(crate) fn augmenter(&self, epoch: usize) -> Option<Augmenter> {
        self.batches.augmenter(epoch)
    }

    /// The batch of step `step` (from 0): samples of its epoch's order.
    pub fn batch(&self, step: u64) -> Result<Arc<Batch>> {
        self.batches.get(step)
    }

    /// The order of the samples in an epoch (from 0).
    pub(super) fn order(&self, epoch: usize) -> Result<Arc<Vec<u32>>> {
        self.batches.order(epoch)
    }

    /// Factor of the loss of job `block`.
    pub fn weight(&self, block: usize) -> f64 {
        self.weights[block - 1]
    }

    /// Factors of the losses of classes in job `block`. A head says what is likely, which classes that count more would not: it has none.
    pub(super) fn class_weights_of(&self, block: usize) -> Option<&[f64]> {
        self.class_weights.as_deref().filter(|_| self.model.head_of(block).is_none())
    }

    /// Steps after which a thread looks whether another job waits, so that jobs in flight share their batches.
    pub fn window(&self) -> u64 {
        self.batches.window()
    }
}

/// The class of each sample; numbers as vectors, of which each sample has one of its own.
fn labels(model: &CheckedConfig, data: &Dataset) -> Result<(Option<ClassVectors>, Vec<u32>)> {
    match &model.config.targets {
        None => Ok((None, data.class_indices(&model.config.classes)?)),
        Some(targets) => Ok((Some(targets.vectors(data)?), (0..data.samples() as u32).collect())),
    }
}

/// The weights that blocks go on from.
pub(super) struct From {
    model: Arc<Model>,
    /// Of all weights, in hexadecimal.
    pub(super) sha256: String,
}

impl From {
    /// Parameters and statistics of a block (from 1).
    pub(super) fn weights(&self, block: usize) -> Result<Vec<f32>> {
        Ok(self.model.block(block, &Device::Cpu)?.flatten_all()?.to_vec1()?)
    }
}

/// Where a model is trained with these options, and why not on the GPU that there is.
///
/// # Errors
/// Those of [`DeviceChoice::resolve`]; [`Code::Device`] where a GPU is asked for and an option has no kernels for it.
fn places_of(options: &FitOptions) -> Result<(Devices, Option<String>)> {
    let what = match options.ema {
        Some(_) => "ema",
        None if options.mixup > 0.0 => "mixup",
        None => return options.device.resolve_or_why(),
    };
    match &options.device {
        DeviceChoice::Cpu => options.device.resolve_or_why(),
        DeviceChoice::Auto => Ok((Devices::Cpu, Some(format!("{what} has no kernels for GPUs")))),
        _ => Err(Error::new(Code::Device, format!("{what} serves on the processor alone"))
            .expected("device auto or cpu")
            .received(options.device.to_string())
            .hint("leave the option out to train on GPUs")),
    }
}

fn check_clipping(model: &CheckedConfig, options: &FitOptions) -> Result<()> {
    // A method with a rule of its own has layers that learn by themselves, each at its own pace.
    if options.clip_norm.is_none() || model.method.rule().is_none() {
        return Ok(());
    }
    let name = model.config.method.name();
    Err(Error::new(Code::Option, format!("option clipNorm does not apply to method {name}"))
        .expected("no clipNorm: every layer learns by itself")
        .received(options.clip_norm.unwrap_or_default().to_string()))
}

/// Factors belong to losses that are sums over samples with a class each, which nothing else shares in.
fn check_class_weights(model: &CheckedConfig, options: &FitOptions) -> Result<()> {
    let is_sum = matches!(
        model.config.method,
        MethodConfig::Dt { .. }
            | MethodConfig::DiffusionBlocks { .. }
            | MethodConfig::Fm { .. }
            | MethodConfig::Backprop {}
            | MethodConfig::Classifier {}
    );
    if options.class_weights.is_none() || is_sum && !model.is_folded() && model.config.targets.is_none() {
        return Ok(());
    }
    if model.config.targets.is_some() {
        return Err(Error::new(Code::Option, "option classWeights does not apply to numbers")
            .expected("a model with classes, or no classWeights")
            .received("a model with targets"));
    }
    let mut name = model.config.method.name().to_owned();
    if model.is_folded() {
        name += " with learned embeddings";
    }
    Err(Error::new(Code::Option, format!("option classWeights does not apply to method {name}"))
        .expected("method dt, diffusion-blocks, fm, backprop or classifier, with fixed embeddings")
        .received(name))
}

fn check_optimizer(model: &CheckedConfig, options: &FitOptions) -> Result<()> {
    if options.optimizer == Optimizer::default() || model.method.rule().is_none() {
        return Ok(());
    }
    let name = model.config.method.name();
    Err(Error::new(Code::Option, format!("option optimizer does not apply to method {name}"))
        .expected("no optimizer: the method has its own")
        .received(options.optimizer.name()))
}

/// Blocks that share embeddings in training step together: none is trained without the others.
fn check_coupled(model: &CheckedConfig, options: &FitOptions) -> Result<()> {
    if !model.is_coupled() {
        return Ok(());
    }
    let embedding = model.config.embedding.described();
    if let Some(norm) = options.clip_norm {
        return Err(Error::new(Code::Option, format!("option clipNorm does not go with {embedding} embeddings of dt"))
            .expected("no clipNorm: the gradients of all blocks are in one job")
            .received(norm.to_string())
            .hint("method fm learns embeddings with clipNorm; dt takes it with embedding orthogonal"));
    }
    let Some(only) = &options.only_blocks else { return Ok(()) };
    Err(Error::new(Code::Option, format!("option onlyBlocks does not go with {embedding} embeddings"))
        .expected("no onlyBlocks: all blocks train the embeddings together, as one job")
        .received(format!("{} of {} blocks", only.len(), model.config.blocks))
        .hint("with embedding orthogonal, which is fixed and may have the same dim, every block is trained alone"))
}

fn check_smoothing(model: &CheckedConfig, options: &FitOptions) -> Result<()> {
    let method = &model.method;
    if options.label_smoothing == 0.0 || method.loss() == Loss::CrossEntropy && method.equation().is_none() {
        return Ok(());
    }
    let name = model.config.method.name();
    Err(Error::new(Code::Option, format!("option labelSmoothing does not apply to method {name} with its loss"))
        .expected("no labelSmoothing, or method.loss 'ce', which methods dt and diffusion-blocks have")
        .received(options.label_smoothing.to_string()))
}

fn check_weighting(model: &CheckedConfig, options: &FitOptions) -> Result<()> {
    if options.weighting == Weighting::Uniform && options.eta != FitOptions::default().eta {
        let error = Error::new(Code::Option, "option eta does not apply to weighting 'uniform'")
            .expected("no eta, or option weighting 'snr', which has it")
            .received(options.eta.to_string());
        return Err(match model.config.method {
            MethodConfig::Ct { .. } => error.hint("the weight of denoising of method ct is method.eta"),
            _ => error,
        });
    }
    if options.weighting == Weighting::Uniform || model.method.is_weighted() {
        return Ok(());
    }
    let method = model.config.method.described();
    Err(Error::new(Code::Option, format!("option weighting does not apply to method {method}"))
        .expected("no weighting, or uniform")
        .received("snr"))
}

/// Batch norm subtracts the mean of the batch: of a single sample nothing is left, so a net would learn from its biases alone.
/// A last batch of one sample, behind larger ones, does no harm.
fn check_batch_norm(model: &CheckedConfig, options: &FitOptions, samples: usize) -> Result<()> {
    let has_norm = model.layout.entries().iter().any(|entry| entry.name.ends_with(".var"));
    if options.batch_size() > 1 || !has_norm {
        return Ok(());
    }
    let error = Error::new(Code::Option, "batch norm needs at least 2 samples a batch");
    Err(if samples == 1 {
        error
            .expected("at least 2 training samples")
            .received("1 training sample")
            .hint("use more data, or a net without batch norm, such as mlp or vit")
    } else {
        error
            .expected("option batch of at least 2: the net has batch norm")
            .received("1")
            .hint("use a larger batch, or a net without batch norm, such as mlp or vit")
    })
}

/// # Errors
/// [`Code::Shape`] unless the data has the model's shape, and was made of raw data as the model's are.
pub(crate) fn check_shape(model: &CheckedConfig, data: &Dataset) -> Result<()> {
    if data.shape() != model.config.input {
        return Err(Error::new(Code::Shape, "the data does not have the model's shape")
            .expected(format!("samples of {}", model.config.input))
            .received(format!("samples of {}", data.shape()))
            .hint("create the model with the data's shape, or resize the data"));
    }
    if data.preprocessing().is_none_or(|preprocessing| model.config.preprocessing.as_ref() == Some(preprocessing)) {
        return Ok(());
    }
    Err(Error::new(Code::Shape, "the data was preprocessed otherwise than the model's training data")
        .expected(if model.config.preprocessing.is_some() { "the model's preprocessing" } else { "none: the model has none" })
        .received("another preprocessing")
        .hint("read the data with the model's (preprocessing: model.config.preprocessing), or create the model with the data's"))
}
