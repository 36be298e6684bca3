//! How a model is trained.

use super::model::MAX_SAFE_INTEGER;
use super::{Append, ClassWeights, EarlyStopping, Precision, out_of_range};
use crate::data::Augment;
use crate::device::DeviceChoice;
use crate::diffusion::Weighting;
use crate::error::{Code, Error, Result};
use crate::optim::{LearningRateSchedule, Optimizer};
use crate::team::processors;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Samples of a step where nothing says how many (paper), as far as there are so many.
const DEFAULT_BATCH: usize = 128;

/// How a model is trained. What the weights depend on comes first; the rest only says where and how fast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FitOptions {
    /// Passes over the data. Default 1.
    pub epochs: usize,
    /// Samples of a step. Default 128 (paper), or all samples where there are fewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// Learning rate, or the peak of the one-cycle schedule. Default 1e-3 (paper).
    pub learning_rate: f64,
    /// Course of the learning rate. Default constant.
    pub learning_rate_schedule: LearningRateSchedule,
    /// Epochs over which the rate rises from nearly 0, before the schedule; parts count. Default 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub warmup: f64,
    /// What moves parameters by their gradients. Default adamw (paper, for NoProp-DT).
    #[serde(skip_serializing_if = "Optimizer::is_default")]
    pub optimizer: Optimizer,
    /// Weight decay, decoupled with adamw. Default 1e-3 (paper).
    pub weight_decay: f64,
    /// The share of every label that is spread evenly over all classes, of methods that are trained by cross-entropy. Default 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub label_smoothing: f64,
    /// Greatest norm of the gradients of all parameters of a job together: longer ones are shortened to it. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// How much of the average of a job's weights stays in each step, of which a block ends with the average. Default: none, it ends with its
    /// last weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema: Option<f64>,
    /// Factors of the losses of samples by their classes. Default: none, all count alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<ClassWeights>,
    /// α of the mixing of training samples. Default 0: none is mixed.
    #[serde(skip_serializing_if = "is_zero")]
    pub mixup: f64,
    /// Per-block factor of the loss. Default uniform; the paper's is snr.
    pub weighting: Weighting,
    /// η of the snr weighting, which no other takes. Default 0.1 (paper).
    pub eta: f64,
    /// What the factors of products and convolutions are rounded to. Default f32.
    pub precision: Precision,
    /// How training images are changed, anew in every epoch. Default: not at all (the paper states no augmentation).
    #[serde(skip_serializing_if = "Augment::is_none")]
    pub augment: Augment,
    /// Epochs between two validations of a block, where there are validation samples. Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_every: Option<usize>,
    /// When a block ends before its last epoch. Default: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// Goes on from the weights that the model has, instead of from the beginning.
    #[serde(rename = "continue")]
    pub go_on: bool,
    /// Blocks (from 1) of a trained model that are trained anew, from their beginning or with `continue` from their weights; the others stay.
    /// Default: all are trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retrain: Option<Vec<usize>>,
    /// Further blocks that are trained behind those of a trained model, which stay. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append: Option<Append>,
    /// Seed of what `retrain` draws. Default: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The blocks (from 1) to train, the others being trained elsewhere; the model is then a part of one. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_blocks: Option<Vec<usize>>,
    /// Worker threads. Default: as many as the process may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// Blocks in training at once, each with its state in memory. Default: all, up to 16 or the number of threads if that
    /// is more; on GPUs as many as their free memory holds. Whoever calls [`crate::train::Training::start_block`] keeps to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<usize>,
    /// Where to train: `auto` (the first GPU that can be used, else the processor), `cpu`, or GPUs and nothing else: `cuda`
    /// (the first), `cuda:1`, `cuda:0,1` or `cuda:all`. Default auto.
    pub device: DeviceChoice,
    /// Directory of the checkpoint; none without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<PathBuf>,
    /// Greatest time between two checkpoints of a block, seconds. Default 30.
    pub checkpoint_seconds: f64,
    /// Goes on with what the checkpoint directory holds; starts anew where it holds nothing.
    pub resume: bool,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            epochs: 1,
            batch: None,
            learning_rate: 1e-3,
            learning_rate_schedule: LearningRateSchedule::default(),
            warmup: 0.0,
            optimizer: Optimizer::default(),
            weight_decay: 1e-3,
            label_smoothing: 0.0,
            clip_norm: None,
            ema: None,
            class_weights: None,
            mixup: 0.0,
            weighting: Weighting::default(),
            eta: 0.1,
            precision: Precision::default(),
            augment: Augment::default(),
            validation_every: None,
            early_stopping: None,
            go_on: false,
            retrain: None,
            append: None,
            seed: None,
            only_blocks: None,
            threads: None,
            in_flight: None,
            device: DeviceChoice::Auto,
            checkpoint: None,
            checkpoint_seconds: 30.0,
            resume: false,
        }
    }
}

impl FitOptions {
    /// Samples of a step, once [`check`](Self::check) has filled it in.
    pub(crate) fn batch_size(&self) -> usize {
        self.batch.unwrap_or(DEFAULT_BATCH)
    }

    /// The blocks (from 1) that are trained here, of so many.
    pub fn jobs(&self, blocks: usize) -> Vec<usize> {
        self.only_blocks.clone().unwrap_or_else(|| (1..=blocks).collect())
    }

    /// The option by which some blocks of a trained model stay as they are, if one does.
    pub fn keeps(&self) -> Option<&'static str> {
        match (&self.retrain, &self.append) {
            (Some(_), _) => Some("retrain"),
            (None, Some(_)) => Some("append"),
            (None, None) => None,
        }
    }

    /// Checks every value and fills in `batch`, `threads` and `in_flight`.
    ///
    /// # Errors
    /// [`Code::Option`] naming the value, its range and what came.
    pub fn check(mut self, blocks: usize, samples: usize) -> Result<Self> {
        if !(1..=1_000_000).contains(&self.epochs) {
            return Err(out_of_range("epochs", "1 to 1000000", self.epochs));
        }
        let batch = self.batch.unwrap_or(DEFAULT_BATCH.min(samples));
        if batch == 0 {
            return Err(out_of_range("batch", "at least 1", batch));
        }
        if batch > samples {
            return Err(Error::new(Code::Option, "the batch is larger than the data")
                .expected(format!("option batch from 1 to {samples}, the number of training samples"))
                .received(batch.to_string())
                .hint("use a smaller batch or more data"));
        }
        self.batch = Some(batch);
        let rate = |name, value: f64, range: std::ops::RangeInclusive<f64>| {
            if range.contains(&value) {
                return Ok(());
            }
            let (from, to) = (range.start(), range.end());
            let is_open = *from == f64::MIN_POSITIVE;
            let range = if is_open { format!("more than 0 and at most {to}") } else { format!("{from} to {to}") };
            Err(out_of_range(name, range, value))
        };
        rate("learningRate", self.learning_rate, f64::MIN_POSITIVE..=1e3)?;
        rate("warmup", self.warmup, 0.0..=self.epochs as f64)?;
        if self.warmup > 0.0 && self.learning_rate_schedule == LearningRateSchedule::OneCycle {
            return Err(Error::new(Code::Option, "option warmup does not go with learningRateSchedule 'one-cycle'")
                .expected("learningRateSchedule cosine or constant with warmup")
                .received("one-cycle")
                .hint("one-cycle rises by itself"));
        }
        rate("weightDecay", self.weight_decay, 0.0..=1e3)?;
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return Err(out_of_range("labelSmoothing", "0 to below 1", self.label_smoothing));
        }
        rate("eta", self.eta, f64::MIN_POSITIVE..=1e6)?;
        rate("checkpointSeconds", self.checkpoint_seconds, 0.0..=1e9)?;
        if let Some(every @ (0 | 1_000_001..)) = self.validation_every {
            return Err(out_of_range("validationEvery", "1 to 1000000", every));
        }
        self.optimizer.check()?;
        if let Some(norm) = self.clip_norm
            && !(f64::MIN_POSITIVE..=1e9).contains(&norm)
        {
            return Err(out_of_range("clipNorm", "more than 0 and at most 1000000000", norm));
        }
        if let Some(ema) = self.ema
            && !(ema > 0.0 && ema < 1.0)
        {
            return Err(out_of_range("ema", "more than 0 and below 1", ema));
        }
        rate("mixup", self.mixup, 0.0..=100.0)?;
        self.early_stopping.iter().try_for_each(EarlyStopping::check)?;
        self.threads = Some(threads(self.threads)?);
        let in_flight = self.in_flight.unwrap_or(16.max(self.threads.unwrap_or(1)));
        if in_flight == 0 {
            return Err(out_of_range("inFlight", "at least 1", in_flight));
        }
        self.check_kept()?;
        if let Some(retrain) = &mut self.retrain {
            check_only("retrain", retrain, blocks)?;
            self.only_blocks = Some(retrain.clone());
        } else if let Some(only) = &mut self.only_blocks {
            check_only("onlyBlocks", only, blocks)?;
        }
        let jobs = match &self.append {
            Some(append) => append.count(),
            None => self.only_blocks.as_ref().map_or(blocks, Vec::len),
        };
        self.in_flight = Some(in_flight.min(jobs));
        if self.resume && self.checkpoint.is_none() {
            return Err(Error::new(Code::Option, "option resume needs option checkpoint")
                .expected("option checkpoint with the directory of the run")
                .received("no directory"));
        }
        Ok(self)
    }
}

impl FitOptions {
    /// Options of blocks that stay, which do not all go together.
    fn check_kept(&self) -> Result<()> {
        let apart = |one: &str, other: &str, hint: &str| {
            Err(Error::new(Code::Option, format!("options {one} and {other} do not go together"))
                .expected("one of the two")
                .received("both")
                .hint(hint))
        };
        match (self.keeps(), &self.only_blocks) {
            (Some(name), Some(_)) => {
                return apart(name, "onlyBlocks", "onlyBlocks trains a part of a model that is not trained yet");
            }
            (Some("retrain"), _) if self.append.is_some() => {
                return apart("retrain", "append", "do one after the other");
            }
            (Some("append"), _) if self.go_on => {
                return apart("append", "continue", "blocks that are appended have no weights to go on from");
            }
            _ => {}
        }
        match self.seed {
            Some(seed) if self.retrain.is_none() => {
                Err(Error::new(Code::Option, "option seed goes with option retrain alone")
                    .expected("no seed, or option retrain")
                    .received(seed.to_string())
                    .hint("a model has its seed from the beginning: NoProp.create({ seed })"))
            }
            Some(seed) if seed > MAX_SAFE_INTEGER => {
                Err(out_of_range("seed", format!("an integer from 0 to {MAX_SAFE_INTEGER}"), seed))
            }
            _ => Ok(()),
        }
    }
}

/// Whether an option is as if it were not given.
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// Puts the blocks to train into their order.
///
/// # Errors
/// [`Code::Option`] for none, one that there is not, or one that comes twice.
fn check_only(name: &str, only: &mut [usize], blocks: usize) -> Result<()> {
    only.sort_unstable();
    let range = format!("blocks from 1 to {blocks}, each once");
    if only.is_empty() {
        return Err(out_of_range(name, range, "none"));
    }
    if let Some(foreign) = only.iter().find(|block| !(1..=blocks).contains(*block)) {
        return Err(out_of_range(name, range, foreign));
    }
    match only.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(out_of_range(name, range, format!("block {} twice", pair[0]))),
        None => Ok(()),
    }
}

/// A number of worker threads; by default as many as the process may use.
///
/// # Errors
/// [`Code::Option`] outside of 1 to 1,024.
pub fn threads(asked: Option<usize>) -> Result<usize> {
    match asked {
        None => Ok(processors()),
        Some(threads @ 1..=1024) => Ok(threads),
        Some(threads) => Err(out_of_range("threads", "1 to 1024", threads)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_json;

    #[test]
    fn the_default_batch_is_at_most_the_data() {
        for (asked, samples, expected) in [(None, 500, 128), (None, 128, 128), (None, 60, 60), (Some(60), 60, 60)] {
            let options = FitOptions { batch: asked, ..FitOptions::default() }.check(2, samples).unwrap();
            assert_eq!(options.batch, Some(expected), "{asked:?} of {samples}");
        }
        let error = FitOptions { batch: Some(128), ..FitOptions::default() }.check(2, 60).unwrap_err();
        assert_eq!((error.code, &error.received[..]), (Code::Option, "128"));
    }

    #[test]
    fn a_range_is_told_in_plain_words() {
        let error = FitOptions { learning_rate: 0.0, ..FitOptions::default() }.check(2, 500).unwrap_err();
        assert_eq!(error.expected, "more than 0 and at most 1000");
    }

    #[test]
    fn fit_options_are_checked_and_completed() {
        let options = FitOptions { threads: Some(3), ..FitOptions::default() }.check(2, 500).unwrap();
        assert_eq!((options.threads, options.in_flight), (Some(3), Some(2)));
        let some = FitOptions { only_blocks: Some(vec![5, 2, 4]), in_flight: Some(9), ..FitOptions::default() };
        let some = some.check(9, 500).unwrap();
        assert_eq!((some.in_flight, some.jobs(9)), (Some(3), vec![2, 4, 5]));
        let bad = [
            FitOptions { epochs: 0, ..FitOptions::default() },
            FitOptions { batch: Some(0), ..FitOptions::default() },
            FitOptions { batch: Some(501), ..FitOptions::default() },
            FitOptions { learning_rate: 0.0, ..FitOptions::default() },
            FitOptions { learning_rate: f64::NAN, ..FitOptions::default() },
            FitOptions { warmup: 1.5, ..FitOptions::default() },
            FitOptions { warmup: f64::NAN, ..FitOptions::default() },
            FitOptions { warmup: 0.5, learning_rate_schedule: LearningRateSchedule::OneCycle, ..FitOptions::default() },
            FitOptions { clip_norm: Some(0.0), ..FitOptions::default() },
            FitOptions { optimizer: Optimizer::Sgd { momentum: 1.0 }, ..FitOptions::default() },
            FitOptions { label_smoothing: 1.0, ..FitOptions::default() },
            FitOptions { ema: Some(1.0), ..FitOptions::default() },
            FitOptions { ema: Some(0.0), ..FitOptions::default() },
            FitOptions { ema: Some(f64::NAN), ..FitOptions::default() },
            FitOptions { mixup: -0.1, ..FitOptions::default() },
            FitOptions { mixup: f64::NAN, ..FitOptions::default() },
            FitOptions { label_smoothing: f64::NAN, ..FitOptions::default() },
            FitOptions { threads: Some(0), ..FitOptions::default() },
            FitOptions { in_flight: Some(0), ..FitOptions::default() },
            FitOptions { only_blocks: Some(vec![]), ..FitOptions::default() },
            FitOptions { only_blocks: Some(vec![0]), ..FitOptions::default() },
            FitOptions { only_blocks: Some(vec![3]), ..FitOptions::default() },
            FitOptions { only_blocks: Some(vec![2, 1, 2]), ..FitOptions::default() },
            FitOptions { resume: true, ..FitOptions::default() },
            FitOptions { retrain: Some(vec![3]), ..FitOptions::default() },
            FitOptions { retrain: Some(vec![]), ..FitOptions::default() },
            FitOptions { retrain: Some(vec![1]), only_blocks: Some(vec![1]), ..FitOptions::default() },
            FitOptions { retrain: Some(vec![1]), append: Some(Append::Blocks(1)), ..FitOptions::default() },
            FitOptions { append: Some(Append::Blocks(1)), go_on: true, ..FitOptions::default() },
            FitOptions { seed: Some(1), ..FitOptions::default() },
            FitOptions { retrain: Some(vec![1]), seed: Some(1 << 53), ..FitOptions::default() },
        ];
        for options in bad {
            assert_eq!(options.check(2, 500).unwrap_err().code, Code::Option);
        }
    }

    #[test]
    fn a_device_is_read_from_json_and_a_bad_one_is_told_what_there_is() {
        let options: FitOptions = from_json(r#"{"device":"cuda:1"}"#).unwrap();
        assert_eq!(options.device, DeviceChoice::Cuda(vec![1]));
        assert_eq!(serde_json::to_value(&options).unwrap()["device"], "cuda:1");
        let error = from_json::<FitOptions>(r#"{"device":"abacus"}"#).unwrap_err();
        assert_eq!(error.code, Code::Option);
        assert!(error.what == "unknown device 'abacus'" && error.expected.starts_with("auto, cpu"), "{error}");
    }
}
