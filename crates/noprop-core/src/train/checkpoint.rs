//! A checkpoint directory: `run.json` says which run it belongs to, `block-0001.safetensors` … hold one block each, either its
//! whole state between two steps or its finished weights. Every file is written atomically, and a lock keeps a second process
//! out, so a kill at any moment leaves a directory that a run can go on from.

use super::job::{BlockJob, Progress};
use super::plan::Plan;
use crate::error::{Code, Error, Result};
use crate::memory::zeros;
use crate::ops::adamw::AdamW;
use crate::ops::simd::InstructionSet;
use crate::optim::LearningRateSchedule;
use crate::storage::atomic;
use crate::storage::container::{self, Header, from_bytes, hexadecimal, put, sha256, to_bytes};
use crate::storage::open_file;
use candle_core::Device;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Version of the directory's format.
const VERSION: u64 = 1;
/// What a block's file says it is.
const FORMAT: &str = "noprop-checkpoint";

/// Beginning of the names of temporary files, which a killed process may leave behind.
const TEMPORARY_PREFIX: &str = ".noprop-checkpoint-";

/// An open checkpoint directory.
pub struct Checkpoint {
    /// Absolute: the process may change its own directory.
    directory: PathBuf,
    /// Whether what the directory held before is taken up.
    resume: bool,
    /// Hash of the run's identity, repeated in every file.
    run: String,
    /// Hashes of the same run with fewer epochs, which files from before it was lengthened have.
    earlier: Vec<String>,
    /// Held until the checkpoint is closed; the system releases it when the process ends.
    _lock: File,
}

/// What a block's file holds.
pub enum Saved {
    /// A job to go on with.
    Running(BlockJob),
    /// The weights of a finished job.
    Finished(Progress, Vec<f32>),
}

/// Everything that the weights depend on.
pub fn identity(plan: &Plan) -> Value {
    let o = &plan.options;
    let mut training = json!({
        "epochs": o.epochs, "batch": o.batch, "learningRate": o.learning_rate,
        "learningRateSchedule": o.learning_rate_schedule, "weightDecay": o.weight_decay,
        "weighting": o.weighting, "eta": o.eta, "precision": o.precision,
    });
    // Named only where images are changed, so that checkpoints from before there was augmentation can be resumed.
    if !o.augment.is_none() {
        training["augment"] = json!(o.augment);
    }
    if o.warmup != 0.0 {
        training["warmup"] = json!(o.warmup);
    }
    if let Some(norm) = o.clip_norm {
        training["clipNorm"] = json!(norm);
    }
    if let Some(ema) = o.ema {
        training["ema"] = json!(ema);
    }
    if let Some(weights) = &o.class_weights {
        training["classWeights"] = json!(weights);
    }
    if o.mixup != 0.0 {
        training["mixup"] = json!(o.mixup);
    }
    if o.label_smoothing != 0.0 {
        training["labelSmoothing"] = json!(o.label_smoothing);
    }
    if !o.optimizer.is_default() {
        training["optimizer"] = json!(o.optimizer);
    }
    if let Some(stopping) = &o.early_stopping {
        training["earlyStopping"] = json!(stopping);
        training["validationEvery"] = json!(o.validation_every.unwrap_or(1));
        training["validation"] = json!(plan.validation.as_ref().map(|validation| validation.data.fingerprint()));
    }
    if let Some(from) = &plan.from {
        training["from"] = json!(from.sha256);
    }
    json!({
        "version": VERSION,
        "model": plan.model.config,
        "training": training,
        "device": device(plan),
        "data": { "fingerprint": plan.data.fingerprint(), "samples": plan.data.samples() },
    })
}

/// The kind of device: other instructions, and other GPUs, round other sums. How many there are does not matter.
fn device(plan: &Plan) -> Value {
    if let Some(engine) = plan.engines.first() {
        return json!({ "name": engine.kind });
    }
    json!({ "name": "cpu", "instructionSet": InstructionSet::current().as_str() })
}

impl Checkpoint {
    /// Opens or makes `directory` for `plan` and locks it.
    ///
    /// # Errors
    /// [`Code::Output`] when it cannot be written, [`Code::CheckpointLocked`] when another process uses it,
    /// [`Code::CheckpointExists`] when it holds a run and `resume` is not set, [`Code::CheckpointMismatch`] when it holds
    /// another run, [`Code::CheckpointCorrupt`] when `run.json` cannot be read.
    pub fn open(directory: &Path, plan: &Plan, resume: bool) -> Result<Self> {
        let absolute = std::path::absolute(directory);
        let directory = absolute.as_deref().unwrap_or(directory);
        let unwritable = |error: std::io::Error| {
            Error::new(Code::Output, format!("cannot use the checkpoint directory {}", directory.display()))
                .expected("a directory that exists or can be made, and may be written to")
                .received(error.to_string())
        };
        fs::create_dir_all(directory).map_err(unwritable)?;
        // Opening a pipe would wait for ever.
        for name in ["lock", "run.json"].map(|name| directory.join(name)) {
            if name.exists() {
                open_file(&name, Code::CheckpointCorrupt)?;
            }
        }
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(directory.join("lock"))
            .map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::new(Code::CheckpointLocked, format!("{} is in use", directory.display()))
                    .expected("one run at a time in a checkpoint directory")
                    .hint("wait for the other run to end, or choose another directory"));
            }
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        }
        remove_temporaries(directory).map_err(unwritable)?;
        let identity = identity(plan);
        let path = directory.join("run.json");
        let mut earlier = Vec::new();
        let write = |identity: &Value| {
            atomic::write_by(TEMPORARY_PREFIX, &path, |writer| put(writer, format!("{identity:#}\n").as_bytes()))
        };
        match fs::read(&path) {
            Ok(_) if !resume => {
                return Err(Error::new(Code::CheckpointExists, format!("{} already holds a run", directory.display()))
                    .expected("an empty directory, or resume")
                    .hint("resume the run, or choose another directory"));
            }
            Ok(bytes) => {
                let (found, hashes) = read_identity(&path, &bytes)?;
                earlier = hashes;
                if is_shorter(&found, &identity) {
                    earlier.push(hash(&found));
                    let mut longer = identity.clone();
                    longer["earlier"] = json!(earlier);
                    write(&longer)?;
                } else {
                    check_identity(&found, &identity)?;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                write(&identity)?;
            }
            Err(error) => return Err(unwritable(error)),
        }
        let run = hash(&identity);
        Ok(Self { directory: directory.to_owned(), resume, run, earlier, _lock: lock })
    }

    fn path(&self, block: usize) -> PathBuf {
        self.directory.join(format!("block-{block:04}.safetensors"))
    }

    /// Writes tensors, which stand in the order of their names.
    fn save(&self, progress: &Progress, tensors: &[(&str, &[f32])]) -> Result<()> {
        let bytes: Vec<u8> = tensors.iter().flat_map(|(_, values)| to_bytes(values)).collect();
        let text = json!(progress).to_string();
        let sum = checksum(&text, &bytes);
        let texts = BTreeMap::from([
            ("format", FORMAT.to_owned()),
            ("progress", text),
            ("run", self.run.clone()),
            ("sha256", sum),
        ]);
        let header =
            container::header(&texts, tensors.iter().map(|(name, values)| ((*name).to_owned(), vec![values.len()])));
        atomic::write_by(TEMPORARY_PREFIX, &self.path(progress.block), |writer| {
            put(writer, &header)?;
            put(writer, &bytes)
        })
    }

    /// Writes a job between two steps.
    pub fn save_running(&self, job: &BlockJob) -> Result<()> {
        let (state, average) = (job.state()?, job.average()?);
        let mut tensors = Vec::new();
        tensors.extend(average.as_deref().map(|average| ("average", average)));
        tensors.extend(job.best().map(|best| ("best", best)));
        tensors.push(("state", &state[..]));
        self.save(&job.progress, &tensors)
    }

    /// Writes a finished job: its weights, or its state where the run may be lengthened.
    pub fn save_finished(&self, plan: &Plan, job: &BlockJob, weights: &[f32]) -> Result<()> {
        if can_be_lengthened(plan) {
            return self.save_running(job);
        }
        self.save(&job.progress, &[("weights", weights)])
    }

    /// What an earlier run left of a block; nothing without `resume`.
    ///
    /// # Errors
    /// [`Code::CheckpointCorrupt`] for a file that is damaged or of another run.
    pub fn load(&self, plan: &Plan, block: usize, device: &Device) -> Result<Option<Saved>> {
        if !self.resume {
            return Ok(None);
        }
        let path = self.path(block);
        let mut file = match open_file(&path, Code::CheckpointCorrupt) {
            Ok(file) => file,
            Err(error) if error.code == Code::FileNotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let header = container::read_header(&mut file).map_err(|error| corrupt(&path, error.to_string()))?;
        let text = |name: &str| header.texts.get(name).map(String::as_str).unwrap_or_default();
        let progress: Progress =
            serde_json::from_str(text("progress")).map_err(|error| corrupt(&path, error.to_string()))?;
        if text("format") != FORMAT
            || (text("run") != self.run && !self.earlier.iter().any(|earlier| text("run") == earlier))
            || progress.block != block
            || progress.step > plan.steps()
        {
            return Err(corrupt(&path, "a block of another run"));
        }
        let layout = plan.model.layout_of(block);
        if progress.is_finished(plan) && header.expect(one("weights", layout.weights())).is_ok() {
            let weights = read(&mut file, &header, &path, layout.weights())?;
            return Ok(Some(Saved::Finished(progress, weights)));
        }
        let len = AdamW::state_len(layout.parameters(), layout.statistics());
        if header.expect(one("weights", layout.weights())).is_ok() {
            return Err(Error::new(
                Code::CheckpointMismatch,
                format!("block {block} is finished and cannot be trained on"),
            )
            .expected("a block with the state of its optimiser")
            .received(format!("the weights alone, in {}", path.display()))
            .hint("resume with the epochs of the first run, then go on from the model's file"));
        }
        let len_of = |is_there: bool| if is_there { layout.weights() } else { 0 };
        let (average, best) = (len_of(plan.options.ema.is_some()), len_of(progress.best_epoch(plan).is_some()));
        let tensors = [("average", average), ("best", best), ("state", len)].into_iter().filter(|(_, len)| *len > 0);
        let tensors = tensors.flat_map(|(name, len)| one(name, len));
        header.expect(tensors).map_err(|error| corrupt(&path, error.to_string()))?;
        let mut average_and_rest = read(&mut file, &header, &path, average + best + len)?;
        let mut best_and_state = average_and_rest.split_off(average);
        let state = best_and_state.split_off(best);
        let kept = |values: Vec<f32>| Some(values).filter(|values| !values.is_empty());
        let job = BlockJob::go_on(plan, progress, state, [kept(best_and_state), kept(average_and_rest)], device)?;
        if job.is_finished(plan) {
            let weights = job.weights(plan)?;
            return Ok(Some(Saved::Finished(job.progress, weights)));
        }
        Ok(Some(Saved::Running(job)))
    }
}

fn one(name: &str, len: usize) -> impl Iterator<Item = (String, Vec<usize>)> {
    std::iter::once((name.to_owned(), vec![len]))
}

/// The `len` values behind the header, whose checksum must hold.
fn read(file: &mut File, header: &Header, path: &Path, len: usize) -> Result<Vec<f32>> {
    let mut bytes = zeros::<u8>(4 * len, "a block's checkpoint")?;
    file.read_exact(&mut bytes).map_err(|error| Error::io(path, &error))?;
    let text = |name: &str| header.texts.get(name).map(String::as_str).unwrap_or_default();
    if text("sha256") != checksum(text("progress"), &bytes) {
        return Err(corrupt(path, "bytes that do not match their checksum"));
    }
    Ok(from_bytes(&bytes))
}

/// Covers all that a job goes on from: a wrong step would spoil the weights as surely as a wrong value.
fn checksum(progress: &str, bytes: &[u8]) -> String {
    hexadecimal(&Sha256::new().chain_update(progress).chain_update(bytes).finalize())
}

fn corrupt(path: &Path, received: impl Into<String>) -> Error {
    Error::new(Code::CheckpointCorrupt, format!("the checkpoint file {} cannot be trusted", path.display()))
        .expected("a file that this run wrote")
        .received(received)
        .hint("delete this file to train its block again, or choose another directory")
}

/// Whether more epochs change nothing of those before: the learning rate does not depend on how many there are.
fn can_be_lengthened(plan: &Plan) -> bool {
    plan.options.learning_rate_schedule == LearningRateSchedule::Constant
}

fn hash(identity: &Value) -> String {
    sha256(identity.to_string().as_bytes())
}

/// The identity of the run in `run.json`, and the hashes that it had with fewer epochs.
fn read_identity(path: &Path, bytes: &[u8]) -> Result<(Value, Vec<String>)> {
    let mut found: Value = serde_json::from_slice(bytes).map_err(|error| {
        Error::new(Code::CheckpointCorrupt, format!("{} cannot be read", path.display()))
            .received(error.to_string())
            .hint("choose another directory")
    })?;
    let earlier = found.as_object_mut().and_then(|found| found.remove("earlier")).unwrap_or_default();
    let hashes = earlier.as_array().into_iter().flatten().filter_map(|hash| hash.as_str().map(str::to_owned));
    Ok((found, hashes.collect()))
}

/// Whether `found` is the same run as `wanted` with fewer epochs, where that makes no other difference.
fn is_shorter(found: &Value, wanted: &Value) -> bool {
    let epochs = |identity: &Value| identity["training"]["epochs"].as_u64();
    let (Some(before), Some(now)) = (epochs(found), epochs(wanted)) else { return false };
    let mut lengthened = found.clone();
    lengthened["training"]["epochs"] = json!(now);
    let constant = json!(LearningRateSchedule::Constant);
    before < now && lengthened == *wanted && wanted["training"]["learningRateSchedule"] == constant
}

fn check_identity(found: &Value, expected: &Value) -> Result<()> {
    let mut differences = Vec::new();
    compare("", found, expected, &mut differences);
    if differences.is_empty() {
        return Ok(());
    }
    let hint = match &differences[..] {
        [(name, _)] if name == "training.epochs" && expected["training"]["learningRateSchedule"] != "constant" => {
            "the schedule of the learning rate is laid out over all epochs from the first step on: resume with those of the first run, \
             then go on from the model's file"
        }
        [(name, _)] if name == "training.epochs" => {
            "a run can be given more epochs, not fewer; resume with at least those of the first run"
        }
        _ => "resume with the options of the first run, or choose another directory",
    };
    let (names, [found, expected]): (Vec<_>, _) = (
        differences.iter().map(|(name, _)| name.as_str()).collect(),
        [0, 1].map(|side| {
            differences.iter().map(|(name, values)| format!("{name} {}", values[side])).collect::<Vec<_>>().join(", ")
        }),
    );
    Err(Error::new(
        Code::CheckpointMismatch,
        format!(
            "the checkpoint belongs to another run: {} {}",
            names.join(", "),
            if names.len() == 1 { "differs" } else { "differ" }
        ),
    )
    .expected(format!("this run's {expected}"))
    .received(format!("the checkpoint's {found}"))
    .hint(hint))
}

/// Collects the names of the values that differ, with both values.
fn compare(name: &str, found: &Value, expected: &Value, differences: &mut Vec<(String, [String; 2])>) {
    if let (Value::Object(found), Value::Object(expected)) = (found, expected) {
        let names: std::collections::BTreeSet<_> = found.keys().chain(expected.keys()).collect();
        for key in names {
            let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
            compare(
                &name,
                found.get(key).unwrap_or(&Value::Null),
                expected.get(key).unwrap_or(&Value::Null),
                differences,
            );
        }
    } else if found != expected {
        let short = |value: &Value| value.to_string().chars().take(60).collect();
        differences.push((name.to_owned(), [short(found), short(expected)]));
    }
}

/// Removes what a killed process left half-written of a checkpoint.
fn remove_temporaries(directory: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX) && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
