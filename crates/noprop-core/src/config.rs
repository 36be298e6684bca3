//! What a user configures, checked in one place. JSON names are camelCase; an unknown name is an error.

use crate::NetConfig;
use crate::data::{Augment, InputShape};
use crate::device::DeviceChoice;
use crate::diffusion::{EmbeddingConfig, MAX_BLOCKS, Schedule, ScheduleConfig, Weighting};
use crate::error::{Code, Error, Result};
use crate::nn::Layout;
pub use crate::ops::multiply::Precision;
use crate::optim::LearningRateSchedule;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

mod refusal;

/// Greatest number of classes.
const MAX_CLASSES: usize = 1 << 16;
/// Samples of a step where nothing says how many (paper), as far as there are so many.
const DEFAULT_BATCH: usize = 128;
/// Greatest integer that JavaScript holds exactly, and so the greatest seed.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Reads a configuration from JSON.
///
/// ```
/// use noprop_core::config::from_json;
/// use noprop_core::{Code, FitOptions, ModelConfig};
///
/// let model: ModelConfig = from_json(r#"{ "input": [28, 28], "classes": [0, 1], "blocks": 3 }"#)?;
/// assert_eq!(model.blocks, 3);
/// let error = from_json::<FitOptions>(r#"{ "epoch": 2 }"#).unwrap_err();
/// assert_eq!(error.code, Code::Option);
/// # Ok::<(), noprop_core::Error>(())
/// ```
///
/// # Errors
/// [`Code::Option`] naming the unknown option or the bad value.
pub fn from_json<T: DeserializeOwned>(json: &str) -> Result<T> {
    let mut text = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut text).map_err(|error| {
        let path = error.path().to_string();
        refusal::refused::<T>(json, &path, &error.into_inner().to_string())
    })
}

/// The training method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// NoProp-DT: T separate blocks, discrete time (paper, section 3).
    #[default]
    Dt,
}

/// A model: everything that inference needs besides the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "ModelConfigJson")]
pub struct ModelConfig {
    /// Training method.
    pub method: Method,
    /// T, the number of blocks, 1 to 9,999. Default 10 (paper).
    pub blocks: usize,
    /// Shape of one sample.
    pub input: InputShape,
    /// The labels, sorted, without repetition.
    pub classes: Vec<i32>,
    /// The blocks' net. Default: [`NetConfig::for_input`].
    pub net: NetConfig,
    /// Noise schedule. Default cosine (paper).
    pub schedule: ScheduleConfig,
    /// Class embeddings. Default one-hot.
    pub embedding: EmbeddingConfig,
    /// Seed of every random number in initialisation and training. Default 0.
    pub seed: u64,
}

/// A [`ModelConfig`] as JSON has it: which net is the default depends on the shape of a sample.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ModelConfigJson {
    #[serde(default)]
    method: Method,
    #[serde(default = "default_blocks")]
    blocks: usize,
    input: InputShape,
    classes: Vec<i32>,
    net: Option<NetConfig>,
    #[serde(default)]
    schedule: ScheduleConfig,
    #[serde(default)]
    embedding: EmbeddingConfig,
    #[serde(default)]
    seed: u64,
}

impl From<ModelConfigJson> for ModelConfig {
    fn from(json: ModelConfigJson) -> Self {
        let ModelConfigJson { method, blocks, input, classes, net, schedule, embedding, seed } = json;
        let net = net.unwrap_or_else(|| NetConfig::for_input(input));
        Self { method, blocks, input, classes, net, schedule, embedding, seed }
    }
}

fn default_blocks() -> usize {
    10
}

/// A checked [`ModelConfig`] with what follows from it.
#[derive(Debug, Clone)]
pub struct CheckedConfig {
    /// The configuration.
    pub config: ModelConfig,
    /// ᾱ_0..ᾱ_T.
    pub schedule: Schedule,
    /// The tensors of one block.
    pub layout: Layout,
}

impl ModelConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Code::Option`], [`Code::Label`] or [`Code::Shape`] naming the value, its range and what came.
    pub fn check(self) -> Result<CheckedConfig> {
        if !(1..=MAX_BLOCKS).contains(&self.blocks) {
            return Err(out_of_range("blocks", format!("1 to {MAX_BLOCKS}"), self.blocks));
        }
        if self.seed > MAX_SAFE_INTEGER {
            return Err(out_of_range("seed", format!("an integer from 0 to {MAX_SAFE_INTEGER}"), self.seed));
        }
        if !(2..=MAX_CLASSES).contains(&self.classes.len()) {
            return Err(Error::new(Code::Label, "the number of classes is out of range")
                .expected(format!("2 to {MAX_CLASSES} different labels"))
                .received(format!("{} ({:?})", self.classes.len(), &self.classes[..self.classes.len().min(5)]))
                .hint("check the labels of the training data"));
        }
        if let Some(pair) = self.classes.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(Error::new(Code::Label, "the classes are not in order")
                .expected("labels sorted upwards, without repetition")
                .received(format!("{} before {}", pair[0], pair[1])));
        }
        self.input.check()?;
        let layout = self.net.layout(self.input, self.classes.len())?;
        let schedule = self.schedule.build(self.blocks)?;
        Ok(CheckedConfig { schedule, layout, config: self })
    }
}

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
    /// Decoupled weight decay. Default 1e-3 (paper).
    pub weight_decay: f64,
    /// Per-block factor of the loss. Default uniform; the paper's is snr.
    pub weighting: Weighting,
    /// η of the snr weighting. Default 0.1 (paper).
    pub eta: f64,
    /// What the factors of products and convolutions are rounded to. Default f32.
    pub precision: Precision,
    /// How training images are changed, anew in every epoch. Default: not at all (the paper states no augmentation).
    #[serde(skip_serializing_if = "Augment::is_none")]
    pub augment: Augment,
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
            weight_decay: 1e-3,
            weighting: Weighting::default(),
            eta: 0.1,
            precision: Precision::default(),
            augment: Augment::default(),
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
        rate("weightDecay", self.weight_decay, 0.0..=1e3)?;
        rate("eta", self.eta, f64::MIN_POSITIVE..=1e6)?;
        rate("checkpointSeconds", self.checkpoint_seconds, 0.0..=1e9)?;
        self.threads = Some(threads(self.threads)?.min(blocks));
        let in_flight = self.in_flight.unwrap_or(16.max(self.threads.unwrap_or(1)));
        if in_flight == 0 {
            return Err(out_of_range("inFlight", "at least 1", in_flight));
        }
        self.in_flight = Some(in_flight.min(blocks));
        if self.resume && self.checkpoint.is_none() {
            return Err(Error::new(Code::Option, "option resume needs option checkpoint")
                .expected("option checkpoint with the directory of the run")
                .received("no directory"));
        }
        Ok(self)
    }
}

/// A number of worker threads; by default as many as the process may use.
///
/// # Errors
/// [`Code::Option`] outside of 1 to 1,024.
pub fn threads(asked: Option<usize>) -> Result<usize> {
    match asked {
        None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        Some(threads @ 1..=1024) => Ok(threads),
        Some(threads) => Err(out_of_range("threads", "1 to 1024", threads)),
    }
}

pub(crate) fn out_of_range(name: &str, expected: impl Into<String>, received: impl ToString) -> Error {
    Error::new(Code::Option, format!("option {name} is out of range")).expected(expected).received(received.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> Result<CheckedConfig> {
        from_json::<ModelConfig>(json)?.check()
    }

    #[test]
    fn defaults_are_the_papers() {
        let checked = config(r#"{"input":[28,28],"classes":[0,1,2,3,4,5,6,7,8,9]}"#).unwrap();
        assert_eq!(checked.config.blocks, 10);
        // Section 6 of the paper's appendix: 0.92 M parameters a block on MNIST.
        assert_eq!((checked.layout.parameters() as f64 / 1e4).round(), 92.0);
        let cifar = config(r#"{"input":[32,32,3],"classes":[0,1,2,3,4,5,6,7,8,9]}"#).unwrap();
        assert_eq!((cifar.layout.parameters() as f64 / 1e4).round(), 122.0);
        assert_eq!(config(&serde_json::to_string(&checked.config).unwrap()).unwrap().config, checked.config);
    }

    #[test]
    fn the_default_net_follows_the_shape_of_a_sample() {
        let mlp = NetConfig::Mlp { hidden: vec![512; 3], dropout: 0.0 };
        for (input, expected) in [
            ("[28,28]", NetConfig::default()),
            ("[14,14,3]", NetConfig::default()),
            ("[13,14]", mlp.clone()),
            ("[8,8]", mlp.clone()),
            ("[30]", mlp),
        ] {
            let checked = config(&format!(r#"{{"input":{input},"classes":[0,1]}}"#)).unwrap();
            assert_eq!(checked.config.net, expected, "{input}");
        }
    }

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
    fn bad_values_are_named() {
        let cases = [
            (r#"{"input":[28,28],"classes":[0,1],"blocks":0}"#, Code::Option, "blocks"),
            (r#"{"input":[28,28],"classes":[0,1],"block":3}"#, Code::Option, "block"),
            (r#"{"input":[28,28],"classes":[0,1],"blocks":-3}"#, Code::Option, "-3"),
            (r#"{"input":[28,28],"classes":[0]}"#, Code::Label, "classes"),
            (r#"{"input":[28,28],"classes":[1,1]}"#, Code::Label, "order"),
            (r#"{"input":[8,8],"classes":[0,1],"net":{"type":"cnn"}}"#, Code::Shape, "14x14"),
            (r#"{"input":[30],"classes":[0,1],"net":{"type":"cnn"}}"#, Code::Shape, "mlp"),
            (r#"{"input":[28,28],"classes":[0,1],"net":{"type":"cnn","widths":[0,1,2]}}"#, Code::Option, "widths"),
            (r#"{"input":[28,28],"classes":[0,1],"net":{"type":"cnn","widths":[1,2]}}"#, Code::Option, "length"),
            (r#"{"input":[28,28],"classes":[0,1],"net":{"type":"mlp","hidden":[]}}"#, Code::Option, "hidden"),
            (r#"{"input":[28,28],"classes":[0,1],"net":{"type":"cnn","dropout":1}}"#, Code::Option, "dropout"),
            (r#"{"input":[28,28],"classes":[0,1],"seed":9007199254740993}"#, Code::Option, "seed"),
        ];
        for (json, code, text) in cases {
            let error = config(json).unwrap_err();
            assert_eq!(error.code, code, "{json}");
            assert!(error.to_string().contains(text), "{json}: {error}");
        }
    }

    #[test]
    fn fit_options_are_checked_and_completed() {
        let options = FitOptions { threads: Some(3), ..FitOptions::default() }.check(2, 500).unwrap();
        assert_eq!((options.threads, options.in_flight), (Some(2), Some(2)));
        let bad = [
            FitOptions { epochs: 0, ..FitOptions::default() },
            FitOptions { batch: Some(0), ..FitOptions::default() },
            FitOptions { batch: Some(501), ..FitOptions::default() },
            FitOptions { learning_rate: 0.0, ..FitOptions::default() },
            FitOptions { learning_rate: f64::NAN, ..FitOptions::default() },
            FitOptions { threads: Some(0), ..FitOptions::default() },
            FitOptions { in_flight: Some(0), ..FitOptions::default() },
            FitOptions { resume: true, ..FitOptions::default() },
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
