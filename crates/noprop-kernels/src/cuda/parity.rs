//! Every kernel against the plain reference: the same call on f32 tensors of a device and on f64 tensors of the processor.
//!
//! Each operation states its cases in `ops/<op>/parity.rs`, odd shapes and K = 1, 3, 10. The tests run them on the
//! emulation, `npm run gpu:check` on a card. An operation that fails does not keep the others from being compared, as far as
//! the device still answers: the fault of a kernel lasts until the process ends.

mod log;

use super::{Context, Multiply, StepTensors, StepValues};
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};
use crate::tensor::Buffer;
use candle_core::{DType, Device, Tensor};
pub(crate) use log::{Line, Log};
use serde::Serialize;
use std::path::Path;

/// What a tensor of a case holds before the call.
#[derive(Debug, Clone)]
pub enum Values {
    /// Normal values rounded to bf16, so that a product of two is exact in every precision.
    Normal,
    /// The same, with every third value 0.
    Sparse,
    /// Uniform in [0.5, 1.5), rounded to bf16.
    Positive,
    /// NaN, which must be overwritten where the call writes.
    Poison,
    /// These, of all rows.
    Given(Vec<f64>),
}

/// A tensor `[rows, len]`.
#[derive(Debug, Clone)]
pub struct Input(pub usize, pub usize, pub Values);

/// How far a kernel was off in one case.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// Operation and shape.
    pub case: String,
    /// What products multiplied.
    pub multiply: &'static str,
    /// Greatest |device − reference| over the greatest |reference| (at least 1).
    pub error: f64,
    /// Greatest error that passes.
    pub tolerance: f64,
    /// Whether it passed. NaN on one side alone never does.
    pub passed: bool,
}

/// The cases of one operation.
pub type Cases = fn(&mut Parity) -> Result<()>;

/// An operation whose cases an error ended.
#[derive(Debug)]
pub struct Failed {
    /// Its name.
    pub operation: &'static str,
    /// What products multiplied.
    pub multiply: &'static str,
    /// Why.
    pub error: Error,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Every case that was compared.
    pub comparisons: Vec<Comparison>,
    /// How many cases were left out.
    pub left_out: usize,
    /// Operations that an error ended.
    pub failed: Vec<Failed>,
    /// The operation after which the device did not answer any more; those behind it were not compared.
    pub ended: Option<&'static str>,
}

/// Compares operations and gathers what it finds.
pub struct Parity {
    pub(crate) device: Device,
    /// What products multiply in the next comparisons.
    pub multiply: Multiply,
    pub(crate) found: Found,
    /// Cases whose tensors have more values than this together are left out, for sanitizers that are slow.
    pub(crate) most: usize,
    pub(crate) log: Log,
    /// Compares one thread with as many helpers on the processor instead, bit for bit.
    #[cfg(any(test, feature = "testing"))]
    pub helpers: Option<usize>,
}

impl Parity {
    /// Comparisons on a device; on the processor, its emulation of the kernels.
    pub fn new(device: Device, multiply: Multiply) -> Self {
        Self {
            device,
            multiply,
            found: Found::default(),
            most: usize::MAX,
            log: Log::default(),
            #[cfg(any(test, feature = "testing"))]
            helpers: None,
        }
    }

    /// Leaves out cases of more values than `most`.
    pub fn up_to(mut self, most: Option<usize>) -> Self {
        self.most = most.unwrap_or(usize::MAX);
        self
    }

    /// Writes what is found to a file, a line of JSON each, as soon as it is known.
    pub fn logged(mut self, path: Option<&Path>) -> Result<Self> {
        self.log = path.map(Log::open).transpose()?.unwrap_or_default();
        Ok(self)
    }

    /// What was found.
    pub fn into_found(self) -> Found {
        self.found
    }

    /// Whether the device answers no more.
    pub fn has_ended(&self) -> bool {
        self.found.ended.is_some()
    }

    /// The most by which sums of products may differ from the reference, of the greatest value. All factors are exact in every
    /// precision, so only sums are rounded. In f32 some thousand roundings to nearest of 6e-8 each come to much less than 1e-5.
    /// Tensor cores cut sums off, always towards 0, so that errors do not cancel; the emulation, which cuts off as they do,
    /// finds four times those of f32 (1.7e-6 and 4.6e-7 at most). So they have three times as much, which leaves room for cards
    /// that add in another order: an error in a factor would be 5e-4 (TF32) or 4e-3 (bf16) of a product.
    pub fn tolerance(&self) -> f64 {
        if self.multiply == Multiply::F32 { 1e-5 } else { 3e-5 }
    }

    /// Calls `call` on the tensors in f64 on the processor, then in f32 on the device, and compares all tensors afterwards.
    pub fn compare(
        &mut self,
        case: impl Into<String>,
        tolerance: f64,
        inputs: &[Input],
        call: impl Fn(&[Buffer]) -> Result<()>,
    ) -> Result<()> {
        self.compare_call(case.into(), tolerance, inputs, &call)
    }

    // Compiled once for all calls.
    fn compare_call(
        &mut self,
        case: String,
        tolerance: f64,
        inputs: &[Input],
        call: &dyn Fn(&[Buffer]) -> Result<()>,
    ) -> Result<()> {
        let multiply = self.multiply.suffix();
        if inputs.iter().map(|Input(rows, len, _)| rows * len).sum::<usize>() > self.most {
            self.found.left_out += 1;
            return self.log.add(&Line::LeftOut { case: &case, multiply });
        }
        self.log.add(&Line::Begun { case: &case, multiply })?;
        let values: Vec<Vec<f64>> = inputs.iter().enumerate().map(|(index, input)| input.values(index)).collect();
        let buffers = |dtype, device: &Device| {
            let tensor = |(Input(rows, len, _), values): (&Input, &Vec<f64>)| {
                let tensor = Tensor::from_slice(values, (*rows, *len), &Device::Cpu)?;
                Buffer::new(tensor.to_dtype(dtype)?.to_device(device)?)
            };
            inputs.iter().zip(&values).map(tensor).collect::<Result<Vec<_>>>()
        };
        #[cfg(any(test, feature = "testing"))]
        if let Some(helpers) = self.helpers {
            let [alone, shared] = [buffers(DType::F32, &Device::Cpu)?, buffers(DType::F32, &Device::Cpu)?];
            call(&alone)?;
            crate::team::with_helpers(helpers, || call(&shared))?;
            let bits = |buffers: &[Buffer]| -> Result<Vec<u32>> {
                let read = |buffer: &Buffer| Ok(buffer.flatten_all()?.to_vec1::<f32>()?);
                Ok(buffers
                    .iter()
                    .map(read)
                    .collect::<Result<Vec<_>>>()?
                    .concat()
                    .into_iter()
                    .map(f32::to_bits)
                    .collect())
            };
            let error = if bits(&alone)? == bits(&shared)? { 0.0 } else { f64::INFINITY };
            return self.push(case, error, 0.0);
        }
        let reference = buffers(DType::F64, &Device::Cpu)?;
        call(&reference)?;
        let device = buffers(DType::F32, &self.device)?;
        self.on_device(|| call(&device))?;
        let mut error = 0.0_f64;
        for (device, reference) in device.iter().zip(&reference) {
            error = error.max(difference(&read(device)?, &read(reference)?));
        }
        self.push(case, error, tolerance)
    }

    /// Where the kernels run.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Compares what a kernel left on the device with what is expected there.
    pub fn expect(&mut self, case: impl Into<String>, tolerance: f64, device: &Tensor, expected: &[f64]) -> Result<()> {
        let found = read(device)?;
        let error = if found.len() == expected.len() { difference(&found, expected) } else { f64::INFINITY };
        self.push(case.into(), error, tolerance)
    }

    fn push(&mut self, case: String, error: f64, tolerance: f64) -> Result<()> {
        let (multiply, passed) = (self.multiply.suffix(), error <= tolerance);
        let comparison = Comparison { case, multiply, error, tolerance, passed };
        self.log.add(&Line::Compared(&comparison))?;
        self.found.comparisons.push(comparison);
        Ok(())
    }

    fn on_device<R>(&self, work: impl FnOnce() -> R) -> R {
        let context = Context { multiply: self.multiply, emulate: self.device.is_cpu(), ..Context::current() };
        context.run(work)
    }

    /// Runs `compare` inside of a training step whose values lie on the device. The calls on the processor are given the same.
    pub fn in_step(
        &mut self,
        values: StepValues,
        [samples, classes, blocks]: [&[u32]; 3],
        alpha_bars: &[f64],
        weights: &[f32],
        compare: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let tensors = StepTensors::new(&self.device, values, [samples, classes, blocks], alpha_bars, weights)?;
        let context = Context { step: Some(tensors.addresses()?), ..Context::current() };
        context.run(|| compare(self))
    }

    /// Panics with all that failed.
    #[cfg(any(test, feature = "testing"))]
    pub fn assert_passed(&self) {
        let Found { comparisons, failed, .. } = &self.found;
        assert!(failed.is_empty(), "{failed:#?}");
        assert!(!comparisons.is_empty(), "nothing was compared");
        let failed: Vec<_> = comparisons.iter().filter(|comparison| !comparison.passed).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }
}

impl Input {
    /// Values that are exact in f32, a function of the tensor's place among the inputs.
    fn values(&self, index: usize) -> Vec<f64> {
        let Self(rows, len, values) = self;
        let stream = Stream::new(2024, Purpose::Init, 0, 0, index);
        let value = |at: usize| match values {
            Values::Normal => round(stream.normal(at as u32)),
            Values::Sparse if at.is_multiple_of(3) => 0.0,
            Values::Sparse => round(stream.normal(at as u32)),
            Values::Positive => round(0.5 + stream.uniform(at as u32)),
            Values::Poison => f64::NAN,
            Values::Given(given) => given[at % len],
        };
        (0..rows * len).map(value).collect()
    }
}

/// The nearest bf16, away from ties' subtleties: the low 16 bits of the f32 are cut off.
fn round(value: f64) -> f64 {
    f64::from(f32::from_bits((value as f32).to_bits() & 0xffff_0000))
}

fn read(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(tensor.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
}

/// Infinite where NaN stands on one side alone.
fn difference(device: &[f64], reference: &[f64]) -> f64 {
    let scale = reference.iter().filter(|value| value.is_finite()).fold(1.0_f64, |most, value| most.max(value.abs()));
    let errors = device.iter().zip(reference).map(|(device, reference)| {
        if device.is_nan() && reference.is_nan() || device == reference {
            return 0.0;
        }
        let error = (device - reference).abs() / scale;
        if error.is_nan() { f64::INFINITY } else { error }
    });
    errors.fold(0.0, f64::max)
}

/// Runs `work` in a training step of 5 samples of `epoch` with blocks 1 to `blocks`: it is given the samples' indices and classes,
/// the blocks' numbers and their ᾱ.
pub fn in_batch_step(
    parity: &mut Parity,
    epoch: usize,
    blocks: usize,
    work: impl FnOnce(&mut Parity, [&[u32]; 2], &[usize], &[f64]) -> Result<()>,
) -> Result<()> {
    let (samples, classes) = ([6, 0, 3, 3, 1], [2, 0, 1, 2, 2]);
    let numbers: Vec<usize> = (1..=blocks).collect();
    let words: Vec<u32> = (1..=blocks as u32).collect();
    let alpha_bars: Vec<f64> = (0..blocks).map(|k| k as f64 / blocks as f64).collect();
    let values = StepValues { epoch: epoch as u32, samples: 5, ..StepValues::default() };
    parity.in_step(values, [&samples, &classes, &words], &alpha_bars, &vec![1.0; blocks], |parity| {
        work(parity, [&samples, &classes], &numbers, &alpha_bars)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_or_a_stray_nan_does_not_pass() {
        assert_eq!(difference(&[1.0, f64::NAN], &[1.0, f64::NAN]), 0.0);
        assert_eq!(difference(&[1.0, 2.0], &[1.0, f64::NAN]), f64::INFINITY);
        assert_eq!(difference(&[1.0, f64::NAN], &[1.0, 2.0]), f64::INFINITY);
        assert_eq!(difference(&[3.0], &[4.0]), 0.25);
    }
}
