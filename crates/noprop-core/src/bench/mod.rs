//! Measured speed: of whole training steps or of inference on random data, and of the processor's own peaks beside it.

mod device;
mod inference;

pub use noprop_kernels::peak::{BEYOND_CACHES, peak_gflops, peak_gigabytes};

use crate::NetConfig;
use crate::config::{self, CheckedConfig, FitOptions, ModelConfig, Precision};
use crate::data::{Dataset, InputShape, Pixels};
use crate::device::{DeviceChoice, DeviceId};
use crate::diffusion::ScheduleConfig;
use crate::error::{Code, Error, Result};
use crate::ops::simd::InstructionSet;
use crate::rng::{Purpose, Stream};
use crate::team::Crew;
use crate::tensor::StopFlag;
use crate::threads::spawn_scoped;
use crate::train::{BlockJob, Plan, Trainer};
use candle_core::Device;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Which work is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BenchMode {
    /// Training steps of all blocks.
    #[default]
    Train,
    /// Predictions of one batch through all blocks, by the sampler `posterior` without noise.
    Inference,
}

/// What to measure.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BenchOptions {
    /// Training or inference. Default training.
    #[serde(default)]
    pub mode: BenchMode,
    /// Shape of one sample.
    pub input: InputShape,
    /// Number of classes. Default 10.
    #[serde(default = "ten")]
    pub classes: usize,
    /// The blocks' net. Default: [`NetConfig::for_input`].
    pub net: Option<NetConfig>,
    /// Number of blocks. Default 10.
    #[serde(default = "ten")]
    pub blocks: usize,
    /// Samples of a step, or of a prediction. Default 128.
    #[serde(default = "batch")]
    pub batch: usize,
    /// Worker threads. Default: as many as the process may use.
    pub threads: Option<usize>,
    /// Blocks in memory at once. Default: all up to 16. Training only.
    pub in_flight: Option<usize>,
    /// Where to compute, as for training; one device. Default auto.
    #[serde(default)]
    pub device: DeviceChoice,
    /// What the factors of products and convolutions are rounded to. Default f32. Training only: inference is f32.
    #[serde(default)]
    pub precision: Precision,
    /// Time to measure, after a warm-up of a fifth of it. Default 5.
    #[serde(default = "seconds")]
    pub seconds: f64,
}

impl BenchOptions {
    fn net(&self) -> NetConfig {
        self.net.clone().unwrap_or_else(|| NetConfig::for_input(self.input))
    }
}

fn ten() -> usize {
    10
}
fn batch() -> usize {
    128
}
fn seconds() -> f64 {
    5.0
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bench {
    /// Training or inference.
    pub mode: BenchMode,
    /// Samples through all blocks per second.
    pub samples_per_second: f64,
    /// Steps of all blocks, or predictions, per second.
    pub steps_per_second: f64,
    /// Median time of one prediction, milliseconds. Inference only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// Counted floating-point operations per second, 10⁹ (see [`NetConfig::flops`]).
    pub gflops: f64,
    /// What the same threads reach in multiply-adds of this precision alone, measured just before. On the processor only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_gflops: Option<f64>,
    /// `gflops / peak_gflops`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_share: Option<f64>,
    /// What factors were rounded to.
    pub precision: Precision,
    /// Where it was measured: `cpu`, `cuda:0`.
    pub device: String,
    /// What is known of training on a GPU besides.
    #[serde(flatten)]
    pub on_device: Option<DeviceFigures>,
    /// Instruction set of the kernels.
    pub instruction_set: &'static str,
    /// Worker threads.
    pub threads: usize,
    /// Blocks that are trained at the same time: where there are fewer than threads, several share one. Training only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs: Option<usize>,
    /// Number of blocks.
    pub blocks: usize,
    /// Samples of a step or of a prediction.
    pub batch: usize,
    /// Values trained in one block.
    pub parameters_per_block: usize,
}

/// Memory and its traffic while blocks are trained on a device.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceFigures {
    /// Memory of the device that training took, MiB. Not known of the emulation, nor are the next two.
    #[serde(rename = "deviceMemoryMiB", skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<f64>,
    /// Bytes that the device reads and writes per second when it copies, 10⁹, measured just before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_gigabytes: Option<f64>,
    /// The time that the step's bytes would take at that speed, over the time that it took, 0–1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor_share: Option<f64>,
    /// Bytes that a step of all blocks moves at least, 10⁹: weights read for both passes, gradients written and read, the
    /// optimiser's values read and written, each activation and its gradient written and read once.
    pub floor_gigabytes: f64,
}

/// How often the work was done.
struct Rate {
    /// Steps of all blocks, or predictions.
    steps_per_second: f64,
    latency_ms: Option<f64>,
    on_device: Option<DeviceFigures>,
    /// Blocks that are trained at the same time.
    jobs: Option<usize>,
}

/// Trains or predicts on random data for a while.
///
/// # Errors
/// As training and prediction with these options; [`Code::Cancelled`] when stopped.
pub fn bench(options: &BenchOptions, stop: &StopFlag) -> Result<Bench> {
    if !(0.01..=3600.0).contains(&options.seconds) {
        return Err(config::out_of_range("seconds", "0.01 to 3600", options.seconds));
    }
    if let (BenchMode::Inference, Some(in_flight)) = (options.mode, options.in_flight) {
        return Err(Error::new(Code::Option, "option inFlight does not apply to inference")
            .expected("no inFlight, or mode train")
            .received(in_flight.to_string()));
    }
    if options.mode == BenchMode::Inference && options.precision != Precision::F32 {
        return Err(Error::new(Code::Option, "option precision does not apply to inference")
            .expected("f32, which inference is in any case, or mode train")
            .received(options.precision.as_str()));
    }
    let devices = options.device.resolve()?;
    if devices.count() > 1 {
        return Err(Error::new(Code::Option, "a benchmark measures one device")
            .expected("one GPU, such as cuda:0")
            .received(options.device.to_string()));
    }
    InstructionSet::check_variable()?;
    devices.check_precision(options.precision)?;
    let (model, data) = (checked(options)?, Arc::new(samples(options)?));
    let threads = config::threads(options.threads)?;
    let parameters_per_block = model.layout.parameters();
    let peak_gflops = devices.is_cpu().then(|| peak_gflops(threads, options.precision)).transpose()?;
    let rate = match options.mode {
        BenchMode::Train => train(plan(options, model, data)?, options, stop)?,
        BenchMode::Inference => inference::predictions(model, &data, options, stop)?,
    };
    let (forward, step) = options.net().flops(options.input, options.classes)?;
    let flops = match options.mode {
        BenchMode::Train => step,
        BenchMode::Inference => forward,
    };
    let samples_per_second = rate.steps_per_second * options.batch as f64;
    let gflops = samples_per_second * (flops * options.blocks) as f64 / 1e9;
    Ok(Bench {
        mode: options.mode,
        samples_per_second,
        steps_per_second: rate.steps_per_second,
        latency_ms: rate.latency_ms,
        gflops,
        peak_gflops,
        peak_share: peak_gflops.map(|peak| gflops / peak),
        precision: options.precision,
        device: devices.to_string(),
        on_device: rate.on_device,
        instruction_set: InstructionSet::current().as_str(),
        threads,
        jobs: rate.jobs,
        blocks: options.blocks,
        batch: options.batch,
        parameters_per_block,
    })
}

/// Steps blocks in turns on every thread, or all together on a device.
fn train(plan: Plan, options: &BenchOptions, stop: &StopFlag) -> Result<Rate> {
    if DeviceId::BUILT && !plan.devices.is_cpu() {
        return device::train(&plan, options.seconds, stop);
    }
    let threads = plan.options.threads.unwrap_or(1);
    let in_flight = plan.options.in_flight.unwrap_or(1).min(options.blocks);
    let jobs = (1..=in_flight).map(|block| BlockJob::start(&plan, block, &Device::Cpu)).collect::<Result<Vec<_>>>()?;
    let work = Work {
        plan,
        crew: Crew::new(threads),
        waiting: AtomicUsize::new(jobs.len()),
        jobs: Mutex::new(jobs),
        steps: AtomicU64::new(0),
        over: AtomicBool::new(false),
        stop: stop.clone(),
    };
    let outcome = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|index| {
                let work = &work;
                spawn_scoped(scope, "noprop-bench", move || work.run(index))
            })
            .collect();
        let threads = threads.into_iter().collect::<Result<Vec<_>>>().inspect_err(|_| {
            work.end();
        })?;
        work.sleep(options.seconds / 5.0);
        let (before, started) = (work.steps.load(Ordering::Relaxed), Instant::now());
        work.sleep(options.seconds);
        // At least one step, however slow.
        while work.steps.load(Ordering::Relaxed) == before
            && !stop.is_stopped()
            && !threads.iter().any(|thread| thread.is_finished())
        {
            work.sleep(0.01);
        }
        let (steps, seconds) = (work.steps.load(Ordering::Relaxed) - before, started.elapsed().as_secs_f64());
        work.end();
        for thread in threads {
            thread.join().unwrap_or_else(|_| Err(Error::new(Code::Internal, "a bench thread panicked")))?;
        }
        Ok::<_, Error>(steps as f64 / seconds)
    });
    stop.check()?;
    Ok(Rate {
        steps_per_second: outcome? / options.blocks as f64,
        latency_ms: None,
        on_device: None,
        jobs: Some(in_flight.min(threads)),
    })
}

struct Work {
    plan: Plan,
    crew: Crew,
    jobs: Mutex<Vec<BlockJob>>,
    waiting: AtomicUsize,
    steps: AtomicU64,
    over: AtomicBool,
    stop: StopFlag,
}

impl Work {
    /// Takes the job that waited longest, steps it and puts it back, until the time is over; helps with another thread's while none
    /// waits. As in a run, a job keeps its thread for a window of steps, while its state is in the cache, or while none waits.
    fn run(&self, index: usize) -> Result<()> {
        let mut trainer = None;
        while !self.over.load(Ordering::SeqCst) {
            let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            if jobs.is_empty() {
                let seat = self.crew.seat();
                drop(jobs);
                match seat {
                    Some(seat) => {
                        seat.help(|| self.waiting.load(Ordering::SeqCst) > 0 || self.over.load(Ordering::SeqCst))
                    }
                    // As many threads as processors are at work.
                    None => std::thread::sleep(Duration::from_millis(1)),
                }
                continue;
            }
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            let mut job = jobs.remove(0);
            drop(jobs);
            if trainer.is_none() {
                trainer = Some(Trainer::new(&self.plan, &Device::Cpu)?);
            }
            let Some(trainer) = &mut trainer else { continue };
            self.crew.team(index).lead(|| self.steps_of(&mut job, trainer))?;
            self.jobs.lock().unwrap_or_else(PoisonError::into_inner).push(job);
            self.waiting.fetch_add(1, Ordering::SeqCst);
            self.crew.call_back();
        }
        Ok(())
    }

    /// Steps a job for a while.
    fn steps_of(&self, job: &mut BlockJob, trainer: &mut Trainer) -> Result<()> {
        for step in 1.. {
            job.step(&self.plan, trainer, &self.stop)?;
            self.steps.fetch_add(1, Ordering::Relaxed);
            let ends_window = step % self.plan.window() == 0;
            if self.over.load(Ordering::Relaxed) || ends_window && self.waiting.load(Ordering::Relaxed) > 0 {
                break;
            }
        }
        Ok(())
    }

    /// Ends the work of all threads.
    fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.crew.call_back();
    }

    fn sleep(&self, seconds: f64) {
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        while Instant::now() < end && !self.stop.is_stopped() {
            std::thread::sleep(Duration::from_millis(5).min(end.saturating_duration_since(Instant::now())));
        }
    }
}

/// The configuration that is measured.
fn checked(options: &BenchOptions) -> Result<CheckedConfig> {
    let classes = i32::try_from(options.classes)
        .map_err(|_| config::out_of_range("classes", "a small number", options.classes))?;
    let config = ModelConfig {
        method: Default::default(),
        blocks: options.blocks,
        input: options.input,
        targets: None,
        classes: (0..classes.min(1 << 17)).collect::<Vec<_>>().into(),
        encoder: None,
        net: options.net(),
        schedule: ScheduleConfig::default(),
        embedding: Default::default(),
        head: Default::default(),
        seed: 0,
        preprocessing: None,
    };
    config.check()
}

/// Batches of the random data: as many as fit into 32 MiB, so that what is done once an epoch weighs as little as in real
/// training. `values` are those of a batch.
fn batches(values: usize) -> usize {
    ((1 << 25) / values).clamp(1, 64)
}

/// Random samples; inference takes a single batch of them.
fn samples(options: &BenchOptions) -> Result<Dataset> {
    if !(1..=1 << 16).contains(&options.batch) {
        return Err(config::out_of_range("batch", "1 to 65536", options.batch));
    }
    // A value's place is a 32-bit counter of the random numbers.
    let len = options.input.len();
    let Some(values) = options.batch.checked_mul(len).filter(|values| u32::try_from(*values).is_ok()) else {
        return Err(Error::new(Code::Option, "option batch is too large for samples of this shape")
            .expected(format!(
                "at most {} samples of {len} values: {} values in all",
                u32::MAX as usize / len,
                u32::MAX
            ))
            .received(options.batch.to_string())
            .hint("use a smaller batch or a smaller shape"));
    };
    let stream = Stream::new(0, Purpose::Init, 0, 0, 0);
    let batches = match options.mode {
        BenchMode::Train => batches(values),
        BenchMode::Inference => 1,
    };
    let count = options.batch * batches;
    let pixels = (0..(values * batches) as u32).map(|index| (stream.words(index)[0] >> 24) as u8).collect();
    let labels = (0..count).map(|sample| (sample % options.classes) as i32).collect();
    Dataset::from_arrays(Pixels::U8(pixels), options.input, Some(labels))
}

/// A run that never ends.
fn plan(options: &BenchOptions, model: CheckedConfig, data: Arc<Dataset>) -> Result<Plan> {
    let fit = FitOptions {
        epochs: 1_000_000,
        batch: Some(options.batch),
        threads: options.threads,
        in_flight: options.in_flight,
        device: options.device.clone(),
        precision: options.precision,
        ..FitOptions::default()
    };
    Plan::new(model, fit, data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_json;

    fn refusal(json: &str) -> Error {
        bench(&from_json(json).unwrap(), &StopFlag::new()).unwrap_err()
    }

    #[test]
    fn a_batch_that_no_counter_reaches_is_refused_with_the_largest_that_is() {
        for mode in ["train", "inference"] {
            let json = format!(
                r#"{{"mode":"{mode}","input":[4194304],"batch":1024,"net":{{"type":"mlp","hidden":[1]}},"threads":1}}"#
            );
            let error = refusal(&json);
            assert_eq!((error.code, &error.received[..]), (Code::Option, "1024"), "{error}");
            assert!(error.what.contains("batch") && error.expected.contains("at most 1023 samples"), "{error}");
        }
    }

    #[test]
    fn training_of_single_samples_with_batch_norm_is_refused_as_in_a_run() {
        let error = refusal(r#"{"input":[14,14],"batch":1,"threads":1,"device":"cpu"}"#);
        assert_eq!(error.code, Code::Option);
        assert!(error.what.contains("batch norm"), "{error}");
    }
}
