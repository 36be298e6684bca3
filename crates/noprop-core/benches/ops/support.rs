//! What the benchmarks share: sample counts, random tensors, and the rate of each measurement beside the machine's peak.
//!
//! criterion measures. When it has, its estimates are read back, printed as a rate with its share of the peak, and kept in
//! `target/bench/` for the table that `npm run bench` makes.

use candle_core::{Device, Tensor};
use criterion::{Criterion, SamplingMode};
use noprop_core::bench::{BEYOND_CACHES, peak_gflops, peak_gigabytes};
use noprop_core::config::from_json;
use noprop_core::data::{Dataset, InputShape, Pixels};
use noprop_core::ops::multiply::Precision;
use noprop_core::ops::simd::InstructionSet;
use noprop_core::tensor::Buffer;
use noprop_core::{ModelConfig, NetConfig};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The batch of every benchmark that says nothing else.
pub const SAMPLES: usize = 128;

/// What one call of an operation does, and so which peak limits it.
#[derive(Clone, Copy)]
pub enum Work {
    /// Floating-point operations, and what their factors are rounded to.
    Flops(usize, Precision),
    /// Bytes read and written, every tensor counted once for each time that it is gone over.
    Bytes(usize),
}

/// The measurements of one file, on one core.
pub struct Bench {
    operation: &'static str,
    criterion: Criterion,
    records: Vec<Value>,
}

impl Bench {
    /// Begins the measurements of `operation`, as the command line of `cargo bench` asks.
    pub fn new(operation: &'static str) -> Self {
        let criterion = Criterion::default()
            .output_directory(&target().join("criterion"))
            .warm_up_time(Duration::from_millis(200))
            .measurement_time(Duration::from_secs(1))
            .sample_size(20)
            .configure_from_args();
        Self { operation, criterion, records: Vec::new() }
    }

    /// Measures `run` and says how far it is from the peak.
    pub fn run<R>(&mut self, direction: &str, shape: &str, work: Work, run: impl FnMut() -> R) {
        self.measure(direction, shape, work, SamplingMode::Auto, run);
    }

    /// The same for calls of more than 20 milliseconds, of which fewer have to do.
    pub fn run_slow<R>(&mut self, direction: &str, shape: &str, work: Work, run: impl FnMut() -> R) {
        self.criterion = std::mem::take(&mut self.criterion).sample_size(10);
        self.measure(direction, shape, work, SamplingMode::Flat, run);
    }

    fn measure<R>(
        &mut self,
        direction: &str,
        shape: &str,
        work: Work,
        sampling: SamplingMode,
        mut run: impl FnMut() -> R,
    ) {
        let id = format!("{direction} {shape}");
        let estimates = target().join("criterion").join(self.operation).join(&id).join("new/estimates.json");
        // What an earlier run left must not pass for this one's, should this one be filtered out.
        let _ = fs::remove_file(&estimates);
        let mut group = self.criterion.benchmark_group(self.operation);
        group.sampling_mode(sampling).bench_function(&id, |bencher| bencher.iter(&mut run));
        group.finish();
        let Some(estimates) = read(&estimates) else { return };
        let nanoseconds = |pointer: &str| estimates.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN);
        let median = nanoseconds("/median/point_estimate");
        let (amount, unit, peak) = match work {
            Work::Flops(flops, precision) => (flops, "GFLOP/s", peak_gflops(1, precision).expect("a thread")),
            Work::Bytes(bytes) => (bytes, "GB/s", peak_gigabytes(1, bytes.min(BEYOND_CACHES)).expect("a thread")),
        };
        let rate = amount as f64 / median;
        let share = 100.0 * rate / peak;
        println!("  {}/{id}: {rate:.1} {unit} of {peak:.1}, {share:.0} % of peak\n", self.operation);
        self.records.push(json!({
            "operation": self.operation, "direction": direction, "shape": shape,
            "medianNs": median, "deviationNs": nanoseconds("/median_abs_dev/point_estimate"),
            "rate": rate, "unit": unit, "peak": peak, "threads": 1,
            "instructionSet": InstructionSet::current().as_str(),
        }));
    }

    /// Keeps the records of this file's measurements, if there were any.
    pub fn finish(self) {
        keep(self.operation, &self.records);
    }
}

/// Writes `target/bench/NAME.json` for `npm run bench`.
pub fn keep(name: &str, records: &[Value]) {
    if records.is_empty() {
        return;
    }
    let directory = target().join("bench");
    fs::create_dir_all(&directory).expect("target/bench can be made");
    fs::write(directory.join(name).with_extension("json"), json!(records).to_string()).expect("a record is written");
}

/// cargo's target directory.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a directory above target/tmp").to_owned()
}

fn read(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// `[1, len]` from a normal distribution.
pub fn random(len: usize) -> Buffer {
    let tensor = Tensor::randn(0.0_f32, 1.0, (1, len), &Device::Cpu).expect("random values");
    Buffer::new(tensor).expect("a buffer")
}

/// Bytes of `values` numbers of 32 bits.
pub fn bytes(values: usize) -> Work {
    Work::Bytes(4 * values)
}

/// A model of `blocks` blocks for ten classes.
pub fn configuration(shape: [usize; 3], blocks: usize, net: NetConfig) -> ModelConfig {
    let json = format!(r#"{{"input":{shape:?},"classes":[0,1,2,3,4,5,6,7,8,9],"blocks":{blocks}}}"#);
    ModelConfig { net, ..from_json(&json).expect("a configuration") }
}

/// The nets of whole steps, with the samples they are measured on.
pub fn nets() -> [(&'static str, [usize; 3], NetConfig); 5] {
    let net = |name: &str| from_json(&format!(r#"{{"type":"{name}"}}"#)).expect("a net");
    [
        ("cnn", [28, 28, 1], net("cnn")),
        ("cnn", [32, 32, 3], net("cnn")),
        ("mlp", [28, 28, 1], net("mlp")),
        ("resnet", [32, 32, 3], net("resnet")),
        ("vit", [32, 32, 3], net("vit")),
    ]
}

/// Images of `shape` with labels from 0 to 9.
pub fn images(shape: [usize; 3], samples: usize) -> Dataset {
    let input = InputShape::new(&shape).expect("a shape");
    let pixels = (0..samples * input.len()).map(|index| (index * 7919 % 251) as u8).collect();
    let labels = (0..samples as i32).map(|sample| sample % 10).collect();
    Dataset::from_arrays(Pixels::U8(pixels), input, Some(labels)).expect("a data set")
}
