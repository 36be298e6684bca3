//! Inference: z_0 ~ N(0, I), then one block after the other; the class is read off z_T. Labels never enter the chain.
//!
//! Samples are worked on in chunks of fixed size that do not depend on the number of threads, so neither do the results.

mod chain;
mod content;
mod contribution;
mod device;
mod encode;
mod evaluator;
mod exit;
mod fitted;
mod kept;
mod metrics;
mod numbers;
mod processor;
mod recorder;
mod session;
#[cfg(test)]
mod tests;
mod trace;
mod views;

pub use contribution::{AddsNothing, Contribution, contributions};
pub use encode::{encode, encode_kept, stand_in};
pub use exit::{ExitPoint, ExitReport, ReadoutChoice, exit_curve};
pub use fitted::{FittedReadout, check_readout, fit_readout};
pub use metrics::{BINS, Bin, Calibration, MOST_TOP, MOST_WORST, Metrics, PerClass, Scores, WORST, Worst};
pub use numbers::{
    Interval, NumberEvaluation, NumberExit, NumberOptions, NumberPrediction, evaluate_numbers, predict_numbers,
};
pub(crate) use processor::own_values;
pub use session::Session;
#[cfg(test)]
pub(crate) use trace::walk;
pub use trace::{Trace, trace};

use crate::config::CheckedConfig;
use crate::data::{Classes, Dataset};
use crate::device::{DeviceChoice, Devices};
use crate::error::{Code, Error, Result};
use crate::memory::zeros;
use crate::method::{Readout, SamplerChoice, Sampling};
use crate::model::Model;
use crate::tensor::{Buffer, StopFlag};
use crate::train::plan::check_shape;
use crate::train::values::read_slots;
use candle_core::Device;
use device::DeviceCache;
use exit::{Ended, Exit};
use metrics::{Gathering, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Instant;

/// How the chain is sampled.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SampleOptions {
    /// The update rule. Default: the method's, which is posterior for dt (paper, Eq. 3) and euler for fm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampler: Option<SamplerChoice>,
    /// Whether the updates add noise. Default false.
    pub stochastic: bool,
    /// Steps of methods that choose them at inference. Default 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Steps within each block of method diffusion-blocks. Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps_per_block: Option<usize>,
    /// A sample ends after the first block whose estimate gives its class at least this probability. Default: after the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// The block (from 1) after which every sample ends. Default: the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_after: Option<usize>,
    /// Views of each image whose states are averaged: itself, mirrored, both moved by a pixel to four sides. Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub views: Option<usize>,
    /// What is read at the end. Default state.
    pub readout: ReadoutChoice,
    /// Seed of z_0 and of the noise. Default 0.
    pub seed: u64,
    /// How many samples of greatest loss an evaluation names, up to [`MOST_WORST`]. Default [`WORST`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst: Option<usize>,
    /// In an evaluation: samples to name of each pair of a label and a prediction. Default 0.
    pub examples: usize,
    /// Worker threads. Default: as many as the process may use.
    pub threads: Option<usize>,
    /// Where to compute, as for training; of several GPUs the first. Default auto. A [`Session`] keeps weights and buffers on the
    /// GPU that it last used.
    pub device: DeviceChoice,
}

impl SampleOptions {
    /// What a method is asked for.
    pub(crate) fn sampling(&self) -> Sampling {
        Sampling {
            sampler: self.sampler,
            stochastic: self.stochastic,
            steps: self.steps,
            steps_per_block: self.steps_per_block,
        }
    }
}

/// Most classes for which all pairs of classes are counted in a table. For 65,536 it would have 34 GB.
pub const MOST_CONFUSION: usize = 1000;

/// What [`evaluate`] found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// Share of samples whose class is right.
    pub accuracy: f64,
    /// Mean over the samples of Σ_k (p_k − [k = y])², from 0 to 2 (Brier score; the form of the training loss).
    pub loss: f64,
    /// Precision, recall, F1, top-k accuracy, log loss, calibration, and the worst samples.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// Accuracy of the class read off the state after each block, or after the one net of a method that has one.
    pub accuracy_per_block: Vec<f64>,
    /// `confusion[i][j]`: samples of class i that were taken for class j. Up to [`MOST_CONFUSION`] classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confusion: Option<Vec<Vec<u64>>>,
    /// The same for more classes: `[i, j, samples]` of those pairs that occurred, in their order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confusion_pairs: Option<Vec<[u64; 3]>>,
    /// The first samples of each pair that occurred: label, prediction, and places in the data. Only where they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<(u64, u64, Vec<usize>)>,
    /// The labels behind the indices of all these.
    pub classes: Classes,
    /// Where samples could end before the last block: what that gave and cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<ExitReport>,
    /// Number of samples.
    pub samples: usize,
    /// Time taken.
    pub seconds: f64,
    /// Samples through all blocks per second.
    pub samples_per_second: f64,
}

/// What [`predict`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The label of each sample, as the training data had it; its position among the classes where these have names.
    pub labels: Vec<i32>,
    /// `[samples, classes]`.
    pub probabilities: Vec<f32>,
    /// `[samples]`: how many blocks each went through.
    pub blocks: Vec<u32>,
}

/// Compares the model's classes with the data's labels.
///
/// # Errors
/// [`Code::Shape`], [`Code::Label`], [`Code::NotTrained`], [`Code::Cancelled`].
pub fn evaluate(model: &Model, data: &Dataset, options: SampleOptions, stop: &StopFlag) -> Result<Evaluation> {
    evaluate_with(&DeviceCache::default(), model, data, options, stop)
}

/// # Errors
/// [`Code::Option`] where a prediction is asked for its worst samples.
fn check_no_worst(options: &SampleOptions) -> Result<()> {
    if options.worst.is_none() {
        return Ok(());
    }
    Err(Error::new(Code::Option, "option worst is none of a prediction, which knows no truth").hint("evaluate has it"))
}

/// How many samples are named as the worst.
///
/// # Errors
/// [`Code::Option`] for too many.
fn most_worst(options: &SampleOptions) -> Result<usize> {
    let worst = options.worst.unwrap_or(WORST);
    if worst <= MOST_WORST {
        return Ok(worst);
    }
    Err(crate::config::out_of_range("worst", format!("0 to {MOST_WORST} samples"), worst))
}

fn evaluate_with(
    cache: &DeviceCache,
    model: &Model,
    data: &Dataset,
    options: SampleOptions,
    stop: &StopFlag,
) -> Result<Evaluation> {
    let started = Instant::now();
    check_classes(model)?;
    let seen = encode::seen(model, data, &options, stop)?;
    let (model, data) = seen.parts();
    let encoding = started.elapsed().as_secs_f64();
    let unfolded = model.unfolded()?;
    let model = unfolded.as_deref().unwrap_or(model);
    let worst = most_worst(&options)?;
    let config = &model.checked.config;
    let targets = data.class_indices(&config.classes)?;
    let (width, classes) = (model.checked.vectors.width(), config.classes.len());
    let mut right_per_block = vec![0; model.checked.method.jobs()];
    let readout = readout(model)?;
    let mut after_block = |block: usize, first: usize, states: &[f32]| {
        let pairs = states.chunks_exact(width).zip(&targets[first..]);
        right_per_block[block - 1] += pairs.filter(|(z, target)| readout.class(z) == **target as usize).count();
    };
    let Ended { states, blocks } = chain(cache, model, data, &options, stop, Some(&mut after_block))?;
    let accuracy_per_block: Vec<_> =
        right_per_block.into_iter().map(|right| right as f64 / targets.len() as f64).collect();
    let mut pairs = BTreeMap::<[u64; 2], u64>::new();
    let mut examples = BTreeMap::<(u64, u64), Vec<usize>>::new();
    let mut loss = 0.0;
    let (mut row, mut scores) = (vec![0.0; classes], vec![0.0; classes]);
    let mut metrics = Gathering::new(classes, worst)?;
    for (sample, (state, target)) in states.chunks_exact(width).zip(&targets).enumerate() {
        let (target, predicted) = (*target as usize, readout.class(state));
        let pair = pairs.entry([target as u64, predicted as u64]).or_default();
        *pair += 1;
        if *pair <= options.examples as u64 {
            examples.entry((target as u64, predicted as u64)).or_default().push(sample);
        }
        readout.probabilities(state, &mut row);
        readout.scores(state, &mut scores);
        let of_sample = brier(&row, target);
        loss += of_sample;
        metrics.add(&Outcome { sample, target, predicted, scores: &scores, probabilities: &row, loss: of_sample });
    }
    let mut metrics = metrics.finish();
    metrics.worst.iter_mut().for_each(|worst| worst.origin = data.origin(worst.sample));
    let seconds = started.elapsed().as_secs_f64();
    let accuracy = accuracy_per_block.last().copied().unwrap_or_default();
    let exit = match Exit::of(model, &options)? {
        None => None,
        Some(_) => Some(exit_report(cache, model, data, &options, stop, (&blocks, accuracy, [seconds, encoding]))?),
    };
    Ok(Evaluation {
        accuracy,
        exit,
        loss: loss / targets.len() as f64,
        metrics,
        accuracy_per_block,
        confusion: (classes <= MOST_CONFUSION).then(|| table(&pairs, classes)),
        confusion_pairs: (classes > MOST_CONFUSION)
            .then(|| pairs.iter().map(|([i, j], count)| [*i, *j, *count]).collect()),
        examples: examples.into_iter().map(|((i, j), samples)| (i, j, samples)).collect(),
        classes: config.classes.clone(),
        samples: targets.len(),
        seconds,
        samples_per_second: targets.len() as f64 / seconds,
    })
}

/// What early ends after so many blocks of each sample gave and cost: the whole chain is evaluated as well.
fn exit_report(
    cache: &DeviceCache,
    model: &Model,
    data: &Dataset,
    options: &SampleOptions,
    stop: &StopFlag,
    (blocks, accuracy, [seconds, encoding]): (&[u32], f64, [f64; 2]),
) -> Result<ExitReport> {
    let whole = evaluate_with(cache, model, data, exit::whole(options), stop)?;
    // The features serve both.
    let whole_seconds = encoding + whole.seconds;
    let mut ended_after = vec![0; model.checked.method.jobs()];
    blocks.iter().for_each(|blocks| ended_after[*blocks as usize - 1] += 1);
    let total: u64 = blocks.iter().map(|blocks| u64::from(*blocks)).sum();
    Ok(ExitReport {
        blocks_per_sample: total as f64 / blocks.len() as f64,
        ended_after,
        whole_accuracy: whole.accuracy,
        cost: whole.accuracy - accuracy,
        whole_seconds,
        speed_up: whole_seconds / seconds,
    })
}

/// Σ_k (p_k − [k = target])².
fn brier(probabilities: &[f32], target: usize) -> f64 {
    let error = |(class, p): (usize, &f32)| f64::from(p - f32::from(u8::from(class == target))).powi(2);
    probabilities.iter().enumerate().map(error).sum()
}

fn table(pairs: &BTreeMap<[u64; 2], u64>, width: usize) -> Vec<Vec<u64>> {
    let mut table = vec![vec![0; width]; width];
    pairs.iter().for_each(|([i, j], count)| table[*i as usize][*j as usize] = *count);
    table
}

/// Accuracy (R² of numbers) and loss of blocks with these weights, each `[1, parameters + statistics]`, by the default sampler and in one thread on
/// the processor: what [`Plan::validated`](crate::train::Plan::validated) measures a model by while it trains.
///
/// # Errors
/// Those of [`evaluate`].
pub fn measure_chain(
    checked: &CheckedConfig,
    weights: Vec<Buffer>,
    data: &Dataset,
    stop: &StopFlag,
) -> Result<(f64, f64)> {
    let model = Model::in_memory(checked.clone(), weights);
    let options = SampleOptions { threads: Some(1), device: DeviceChoice::Cpu, ..SampleOptions::default() };
    if checked.config.targets.is_some() {
        let found = evaluate_numbers(&model, data, &options, &NumberOptions::default(), stop)?;
        return Ok((found.r2, found.loss));
    }
    evaluate(&model, data, options, stop).map(|found| (found.accuracy, found.loss))
}

/// The label of each sample and its classes' probabilities.
///
/// # Errors
/// [`Code::Shape`], [`Code::NotTrained`], [`Code::Cancelled`].
pub fn predict(model: &Model, data: &Dataset, options: SampleOptions, stop: &StopFlag) -> Result<Prediction> {
    predict_with(&DeviceCache::default(), model, data, options, stop)
}

fn predict_with(
    cache: &DeviceCache,
    model: &Model,
    data: &Dataset,
    options: SampleOptions,
    stop: &StopFlag,
) -> Result<Prediction> {
    check_classes(model)?;
    check_no_worst(&options)?;
    let seen = encode::seen(model, data, &options, stop)?;
    let (model, data) = seen.parts();
    let unfolded = model.unfolded()?;
    let model = unfolded.as_deref().unwrap_or(model);
    let Ended { states, blocks } = chain(cache, model, data, &options, stop, None)?;
    read(model, &states, blocks)
}

/// What is predicted in the last states `[samples, width]`, to which each sample went through so many blocks.
fn read(model: &Model, states: &[f32], blocks: Vec<u32>) -> Result<Prediction> {
    let (classes, readout) = (&model.checked.config.classes, readout(model)?);
    let width = model.checked.vectors.width();
    let labels = states.chunks_exact(width).map(|z| classes.label(readout.class(z))).collect();
    let mut all = zeros::<f32>((states.len() / width).saturating_mul(classes.len()), "the probabilities")?;
    for (z, row) in states.chunks_exact(width).zip(all.chunks_exact_mut(classes.len())) {
        readout.probabilities(z, row);
    }
    Ok(Prediction { labels, probabilities: all, blocks })
}

/// # Errors
/// [`Code::Option`] for a model of numbers.
fn check_classes(model: &Model) -> Result<()> {
    let Some(targets) = &model.checked.config.targets else { return Ok(()) };
    Err(Error::new(Code::Option, "the model predicts numbers, and no classes")
        .expected("a model with classes")
        .received(format!("{} targets", targets.count)))
}

/// Early ends and other readings go with a prediction or an evaluation, and not with what looks at all blocks.
///
/// # Errors
/// [`Code::Option`] naming the option.
fn refuse_early(options: &SampleOptions, what: &str) -> Result<()> {
    let SampleOptions { confidence, stop_after, readout, .. } = options;
    let (name, received) = match (confidence, stop_after) {
        (Some(share), _) => ("confidence", share.to_string()),
        (_, Some(block)) => ("stopAfter", block.to_string()),
        _ if *readout != ReadoutChoice::State => ("readout", format!("{readout:?}").to_lowercase()),
        _ => return Ok(()),
    };
    Err(Error::new(Code::Option, format!("option {name} does not go with {what}"))
        .expected("one of the two")
        .received(received))
}

/// How classes are read off the model's states.
pub(crate) fn readout(model: &Model) -> Result<Readout> {
    let checked = &model.checked;
    if let Some(head) = &checked.head {
        model.check_trained()?;
        let mut own = Vec::new();
        read_slots(&model.block(checked.jobs(), &Device::Cpu)?, &head.own, &mut own)?;
        return Ok(head.method.readout(1, &own));
    }
    if checked.own.is_empty() {
        return Ok(checked.method.readout(checked.jobs(), &[]));
    }
    model.check_trained()?;
    let own = own_values(checked, &model.block(checked.jobs(), &Device::Cpu)?)?;
    Ok(checked.method.readout(checked.jobs(), &own))
}

/// Sees z_t after each job: which block, and the states of the samples from which one on.
type AfterBlock<'a> = Option<&'a mut dyn FnMut(usize, usize, &[f32])>;

/// z_T of all samples, `[samples, width]`, or of those that end early what stands for it.
fn chain(
    cache: &DeviceCache,
    model: &Model,
    data: &Dataset,
    options: &SampleOptions,
    stop: &StopFlag,
    after_block: AfterBlock<'_>,
) -> Result<Ended> {
    model.check_trained()?;
    check_shape(&model.checked, data)?;
    stop.check()?;
    let exit = Exit::of(model, options)?;
    let views = views::views(model, options)?;
    let (devices, _) = match exit {
        None if views == 1 => options.device.resolve_or_why()?,
        // Early ends and views are for the processor.
        _ => (Devices::Cpu, None),
    };
    let device = devices.ids().first().copied();
    if let Some(id) = device.filter(|_| model.checked.method.is_queued()) {
        let blocks = vec![model.checked.config.blocks as u32; data.samples()];
        return Ok(Ended {
            states: finite(device::chain(cache, id, model, data, options, stop, after_block)?)?,
            blocks,
        });
    }
    let Ended { states, blocks } = chain::chain(model, data, options, (device, stop), (exit, views), after_block)?;
    Ok(Ended { states: finite(states)?, blocks })
}

fn finite(states: Vec<f32>) -> Result<Vec<f32>> {
    if states.iter().all(|value| value.is_finite()) {
        return Ok(states);
    }
    Err(Error::new(Code::Value, "the model's states are not finite")
        .hint("the model has diverged or the inputs are far outside of what it was trained on"))
}
