//! Measured speed: of whole training steps on random data, and of the processor's own multiply-add peak beside it.

use crate::NetConfig;
use crate::config::{self, Checked, FitOptions, ModelConfig};
use crate::data::{Dataset, InputShape, Pixels};
use crate::diffusion::ScheduleConfig;
use crate::error::{Code, Error, Result};
use crate::ops::StopFlag;
use crate::ops::simd::{InstructionSet, dispatch};
use crate::rng::{Purpose, Stream};
use crate::train::{BlockJob, Lane, Plan};
use candle_core::Device;
use pulp::{Simd, WithSimd};
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What to measure.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BenchOptions {
    /// Shape of one sample.
    pub input: InputShape,
    /// Number of classes. Default 10.
    #[serde(default = "ten")]
    pub classes: usize,
    /// The blocks' net.
    #[serde(default)]
    pub net: NetConfig,
    /// Number of blocks. Default 10.
    #[serde(default = "ten")]
    pub blocks: usize,
    /// Samples of a step. Default 128.
    #[serde(default = "batch")]
    pub batch: usize,
    /// Worker threads. Default: as many as the process may use.
    pub threads: Option<usize>,
    /// Blocks in memory at once. Default: all up to 16.
    pub in_flight: Option<usize>,
    /// Time to measure, after a warm-up of a fifth of it. Default 5.
    #[serde(default = "seconds")]
    pub seconds: f64,
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
    /// Training samples through all blocks per second.
    pub samples_per_second: f64,
    /// Steps of all blocks per second.
    pub steps_per_second: f64,
    /// Counted floating-point operations per second, 10⁹ (see [`NetConfig::flops`]).
    pub gflops: f64,
    /// What the same threads reach in multiply-adds alone, measured just before.
    pub peak_gflops: f64,
    /// `gflops / peak_gflops`.
    pub peak_share: f64,
    /// Instruction set of the kernels.
    pub instruction_set: &'static str,
    /// Worker threads.
    pub threads: usize,
    /// Number of blocks.
    pub blocks: usize,
    /// Samples of a step.
    pub batch: usize,
    /// Values trained in one block.
    pub parameters_per_block: usize,
}

/// Trains on random data for a while.
///
/// # Errors
/// As training with these options; [`Code::Cancelled`] when stopped.
pub fn bench(options: &BenchOptions, stop: &StopFlag) -> Result<Bench> {
    if !(0.01..=3600.0).contains(&options.seconds) {
        return Err(config::out_of_range("seconds", "0.01 to 3600", options.seconds));
    }
    let plan = plan(options)?;
    let threads = plan.options.threads.unwrap_or(1);
    let peak_gflops = peak_gflops(threads);
    let jobs = (1..=plan.options.in_flight.unwrap_or(1).max(threads))
        .map(|block| BlockJob::start(&plan, block, &Device::Cpu))
        .collect::<Result<Vec<_>>>()?;
    let work = Work {
        plan,
        jobs: Mutex::new(jobs),
        steps: AtomicU64::new(0),
        over: AtomicBool::new(false),
        stop: stop.clone(),
    };
    let outcome = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..threads).map(|_| scope.spawn(|| work.run())).collect();
        work.sleep(options.seconds / 5.0);
        let (before, started) = (work.steps.load(Ordering::Relaxed), Instant::now());
        work.sleep(options.seconds);
        // At least one step, however slow.
        while work.steps.load(Ordering::Relaxed) == before
            && !stop.is_stopped()
            && !lanes.iter().any(|lane| lane.is_finished())
        {
            work.sleep(0.01);
        }
        let (steps, seconds) = (work.steps.load(Ordering::Relaxed) - before, started.elapsed().as_secs_f64());
        work.over.store(true, Ordering::Relaxed);
        for lane in lanes {
            lane.join().unwrap_or_else(|_| Err(Error::new(Code::Internal, "a bench thread panicked")))?;
        }
        Ok::<_, Error>(steps as f64 / seconds)
    });
    stop.check()?;
    let block_steps_per_second = outcome?;
    let (_, flops) = options.net.flops(options.input, options.classes)?;
    let steps_per_second = block_steps_per_second / options.blocks as f64;
    let gflops = block_steps_per_second * (flops * options.batch) as f64 / 1e9;
    Ok(Bench {
        samples_per_second: steps_per_second * options.batch as f64,
        steps_per_second,
        gflops,
        peak_gflops,
        peak_share: gflops / peak_gflops,
        instruction_set: InstructionSet::current().as_str(),
        threads,
        blocks: options.blocks,
        batch: options.batch,
        parameters_per_block: work.plan.model.layout.parameters(),
    })
}

struct Work {
    plan: Plan,
    jobs: Mutex<Vec<BlockJob>>,
    steps: AtomicU64,
    over: AtomicBool,
    stop: StopFlag,
}

impl Work {
    /// Takes the job that waited longest, steps it once and puts it back, until the time is over.
    fn run(&self) -> Result<()> {
        let mut lane = Lane::new(&self.plan, &Device::Cpu)?;
        while !self.over.load(Ordering::Relaxed) {
            let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            let mut job = jobs.remove(0);
            drop(jobs);
            job.step(&self.plan, &mut lane, &self.stop)?;
            self.steps.fetch_add(1, Ordering::Relaxed);
            self.jobs.lock().unwrap_or_else(PoisonError::into_inner).push(job);
        }
        Ok(())
    }

    fn sleep(&self, seconds: f64) {
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        while Instant::now() < end && !self.stop.is_stopped() {
            std::thread::sleep(Duration::from_millis(5).min(end.saturating_duration_since(Instant::now())));
        }
    }
}

/// A run on random samples that never ends.
fn plan(options: &BenchOptions) -> Result<Plan> {
    let classes = i32::try_from(options.classes)
        .map_err(|_| config::out_of_range("classes", "a small number", options.classes))?;
    let config = ModelConfig {
        method: Default::default(),
        blocks: options.blocks,
        input: options.input,
        classes: (0..classes.min(1 << 17)).collect(),
        net: options.net.clone(),
        schedule: ScheduleConfig::default(),
        embedding: Default::default(),
        seed: 0,
    };
    let model: Checked = config.check()?;
    if !(1..=1 << 16).contains(&options.batch) {
        return Err(config::out_of_range("batch", "1 to 65536", options.batch));
    }
    let stream = Stream::new(0, Purpose::Init, 0, 0, 0);
    let pixels =
        (0..(options.batch * options.input.len()) as u32).map(|index| (stream.words(index)[0] >> 24) as u8).collect();
    let labels = (0..options.batch as i32).map(|sample| sample % classes).collect();
    let data = Dataset::from_arrays(Pixels::U8(pixels), options.input, Some(labels))?;
    let fit = FitOptions {
        epochs: 1_000_000,
        batch: options.batch,
        threads: options.threads,
        in_flight: options.in_flight,
        ..FitOptions::default()
    };
    Plan::new(model, fit, Arc::new(data))
}

/// Multiply-adds of all `threads` at once, 10⁹ floating-point operations per second: the best of five tries.
pub fn peak_gflops(threads: usize) -> f64 {
    const ROUNDS: usize = 4_000_000;
    let once = || {
        let started = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| black_box(dispatch(MultiplyAdds(ROUNDS))));
            }
        });
        (threads * ROUNDS * ACCUMULATORS * 2 * lanes()) as f64 / started.elapsed().as_secs_f64() / 1e9
    };
    (0..5).map(|_| once()).fold(0.0, f64::max)
}

/// Independent sums: enough to hide the latency of a multiply-add on two units.
const ACCUMULATORS: usize = 12;

fn lanes() -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    dispatch(Lanes)
}

struct MultiplyAdds(usize);

impl WithSimd for MultiplyAdds {
    type Output = f32;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let factor = simd.splat_f32s(black_box(0.999));
        let addend = simd.splat_f32s(black_box(0.001));
        let mut sums = [simd.splat_f32s(black_box(1.0)); ACCUMULATORS];
        for _ in 0..self.0 {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(*sum, factor, addend);
            }
        }
        sums.into_iter().map(|sum| simd.reduce_sum_f32s(sum)).sum()
    }
}
