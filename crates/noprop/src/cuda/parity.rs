//! Every kernel against the plain reference: the same call on f32 tensors of a device and on f64 tensors of the processor.
//!
//! Each operation states its cases in `ops/<op>/parity.rs`, odd shapes and K = 1, 3, 10. The tests run them on the
//! emulation, `npm run gpu:check` on a card. An operation that fails does not keep the others from being compared, as far as
//! the device still answers: the fault of a kernel lasts until the process ends.

mod log;

use super::{Context, Executor, Multiply, StepTensors, StepValues};
use crate::error::{Code, Error, Result};
use crate::ops::{Buffer, StopFlag};
use crate::rng::{Purpose, Stream};
use candle_core::{DType, Device, Tensor};
use log::{Line, Log};
use serde::Serialize;
use std::path::Path;

/// What a tensor of a case holds before the call.
#[derive(Debug, Clone)]
pub(crate) enum Values {
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
pub(crate) struct Input(pub usize, pub usize, pub Values);

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
pub(crate) type Cases = fn(&mut Parity) -> Result<()>;

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
    device: Device,
    pub(crate) multiply: Multiply,
    found: Found,
    /// Cases whose tensors have more values than this together are left out, for sanitizers that are slow.
    most: usize,
    log: Log,
}

impl Parity {
    /// Comparisons on a device; on the processor, its emulation of the kernels.
    pub fn new(device: Device, multiply: Multiply) -> Self {
        Self { device, multiply, found: Found::default(), most: usize::MAX, log: Log::default() }
    }

    /// Leaves out cases of more values than `most`.
    pub(crate) fn up_to(mut self, most: Option<usize>) -> Self {
        self.most = most.unwrap_or(usize::MAX);
        self
    }

    /// Writes what is found to a file, a line of JSON each, as soon as it is known.
    pub(crate) fn logged(mut self, path: Option<&Path>) -> Result<Self> {
        self.log = path.map(Log::open).transpose()?.unwrap_or_default();
        Ok(self)
    }

    /// What was found.
    pub(crate) fn into_found(self) -> Found {
        self.found
    }

    /// Whether the device answers no more.
    pub(crate) fn has_ended(&self) -> bool {
        self.found.ended.is_some()
    }

    /// The most by which sums of products may differ from the reference, of the greatest value. All factors are exact in every
    /// precision, so only sums are rounded. In f32 some thousand roundings to nearest of 6e-8 each come to much less than 1e-5.
    /// Tensor cores cut sums off, always towards 0, so that errors do not cancel; the emulation, which cuts off as they do,
    /// finds four times those of f32 (1.7e-6 and 4.6e-7 at most). So they have three times as much, which leaves room for cards
    /// that add in another order: an error in a factor would be 5e-4 (TF32) or 4e-3 (bf16) of a product.
    pub(crate) fn tolerance(&self) -> f64 {
        if self.multiply == Multiply::F32 { 1e-5 } else { 3e-5 }
    }

    /// Calls `call` on the tensors in f64 on the processor, then in f32 on the device, and compares all tensors afterwards.
    pub(crate) fn compare(
        &mut self,
        case: impl Into<String>,
        tolerance: f64,
        inputs: &[Input],
        call: impl Fn(&[Buffer]) -> Result<()>,
    ) -> Result<()> {
        let (case, multiply) = (case.into(), self.multiply.suffix());
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
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Compares what a kernel left on the device with what is expected there.
    pub(crate) fn expect(
        &mut self,
        case: impl Into<String>,
        tolerance: f64,
        device: &Tensor,
        expected: &[f64],
    ) -> Result<()> {
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
    pub(crate) fn in_step(
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
    #[cfg(test)]
    pub(crate) fn assert_passed(&self) {
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

/// Every operation with kernels, by name. Those without products do the same whatever products multiply.
fn operations(multiply: Multiply) -> Vec<(&'static str, Cases)> {
    let mut all = crate::ops::parity(multiply == Multiply::F32);
    if multiply == Multiply::F32 {
        all.push(("batch", crate::train::batch::parity));
        all.push(("epoch", super::epoch::parity));
    }
    all
}

/// Compares every operation, or those behind the operation `after`. What fails is among the findings.
///
/// # Errors
/// [`Code::Option`] where there is no operation `after`; [`Code::Cancelled`] when stopped.
pub fn every_operation(parity: &mut Parity, after: Option<&str>, stop: &StopFlag) -> Result<()> {
    let all = operations(parity.multiply);
    let first = match after {
        None => 0,
        Some(after) => 1 + all.iter().position(|(name, _)| *name == after).ok_or_else(|| no_such(after, &all))?,
    };
    compare_each(parity, &all[first..], stop)
}

fn no_such(after: &str, all: &[(&str, Cases)]) -> Error {
    let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
    Error::new(Code::Option, "option after names no operation that is compared")
        .expected(names.join(", "))
        .received(after)
}

fn compare_each(parity: &mut Parity, operations: &[(&'static str, Cases)], stop: &StopFlag) -> Result<()> {
    for (operation, cases) in operations {
        stop.check()?;
        let multiply = parity.multiply.suffix();
        parity.log.add(&Line::Operation { operation, multiply })?;
        let Err(error) = cases(parity) else { continue };
        parity.found.failed.push(Failed { operation, multiply, error });
        if Executor::with(&parity.device, |on| on.synchronize()).is_err() {
            parity.found.ended = Some(operation);
            break;
        }
    }
    Ok(())
}

#[cfg(all(test, feature = "emulation"))]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_equals_the_reference_on_the_emulation() {
        let mut parity = Parity::new(Device::Cpu, Multiply::F32);
        if let Ok(most) = std::env::var("NOPROP_PARITY_MOST") {
            parity.most = most.parse().expect("NOPROP_PARITY_MOST is a number of values");
        }
        for multiply in [Multiply::F32, Multiply::Tf32, Multiply::Bf16] {
            parity.multiply = multiply;
            every_operation(&mut parity, None, &StopFlag::new()).unwrap();
        }
        parity.assert_passed();
        let mut without_case = crate::cuda::emulation::not_launched();
        // Those of tile.cu and emulation.cu are for the tests of tile.rs and emulation.rs, which may not have run yet.
        without_case.retain(|kernel| !kernel.starts_with("tile_") && !kernel.starts_with("emulation_"));
        for multiply in ["f32", "tf32", "bf16"] {
            let of = parity.found.comparisons.iter().filter(|one| one.multiply == multiply);
            let of_sums = of.filter(|one| one.tolerance == 1e-5 || one.tolerance == 3e-5);
            let most = of_sums.max_by(|a, b| a.error.total_cmp(&b.error)).expect("a comparison");
            println!("greatest error of sums in {multiply}: {:.1e}, {}", most.error, most.case);
        }
        println!("{} comparisons, {} cases left out", parity.found.comparisons.len(), parity.found.left_out);
        println!("kernels that were not launched: {without_case:?}");
        assert!(without_case.is_empty() || parity.found.left_out > 0, "kernels without a case");
    }

    /// Fails, as an operation does whose kernel the fat binary lacks.
    fn broken(_: &mut Parity) -> Result<()> {
        Err(Error::new(Code::Device, "kernel x is not in the fat binary"))
    }

    #[test]
    fn an_operation_that_fails_does_not_keep_the_others_from_being_compared() {
        let mut parity = Parity::new(Device::Cpu, Multiply::F32);
        let add = *operations(Multiply::F32).iter().find(|(name, _)| *name == "add").unwrap();
        let operations: [(_, Cases); 3] = [("first", broken), add, ("third", broken)];
        compare_each(&mut parity, &operations, &StopFlag::new()).unwrap();
        let found = parity.into_found();
        let failed: Vec<_> = found.failed.iter().map(|failed| (failed.operation, failed.multiply)).collect();
        assert_eq!(failed, [("first", "f32"), ("third", "f32")]);
        assert!(!found.comparisons.is_empty() && found.comparisons.iter().all(|one| one.passed));
        assert_eq!(found.ended, None);
    }

    #[test]
    fn comparing_goes_on_behind_an_operation() {
        let names = |multiply| operations(multiply).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(Multiply::Bf16), ["conv3x3", "dense", "dense_backward", "linear"]);
        let all = names(Multiply::F32);
        assert_eq!((all.len(), all[..4] == names(Multiply::Bf16)), (14, true));
        let mut parity = Parity::new(Device::Cpu, Multiply::F32);
        every_operation(&mut parity, Some("batch"), &StopFlag::new()).unwrap();
        let found = parity.into_found();
        assert!(
            found
                .comparisons
                .iter()
                .all(|one| ["begin", "store", "all fi"].iter().any(|name| one.case.starts_with(name)))
        );
        assert!(!found.comparisons.is_empty());
        let mut parity = Parity::new(Device::Cpu, Multiply::Bf16);
        every_operation(&mut parity, Some("linear"), &StopFlag::new()).unwrap();
        assert!(parity.into_found().comparisons.is_empty());
        let mut parity = Parity::new(Device::Cpu, Multiply::Bf16);
        let error = every_operation(&mut parity, Some("add"), &StopFlag::new()).unwrap_err();
        assert_eq!((error.code, error.received.as_str()), (Code::Option, "add"));
    }

    #[test]
    fn a_difference_or_a_stray_nan_does_not_pass() {
        assert_eq!(difference(&[1.0, f64::NAN], &[1.0, f64::NAN]), 0.0);
        assert_eq!(difference(&[1.0, 2.0], &[1.0, f64::NAN]), f64::INFINITY);
        assert_eq!(difference(&[1.0, f64::NAN], &[1.0, 2.0]), f64::INFINITY);
        assert_eq!(difference(&[3.0], &[4.0]), 0.25);
    }
}
