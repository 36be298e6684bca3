//! Helpers of the operations' tests.

use crate::rng::{Purpose, Stream};
use crate::tensor::{Buffer, Real, Slot};
use candle_core::{Device, Tensor, WithDType};

/// `len` reproducible normal values.
pub fn normal(stream: usize, len: usize) -> Vec<f64> {
    let stream = Stream::new(99, Purpose::Init, 0, 0, stream);
    (0..len as u32).map(|index| stream.normal(index)).collect()
}

/// The values as a buffer `[1, len]`.
pub fn tensor<T: Real + WithDType>(values: &[f64]) -> Buffer {
    let converted: Vec<T> = values.iter().map(|value| <T as Real>::of(*value)).collect();
    let tensor = Tensor::from_vec(converted, (1, values.len()), &Device::Cpu).expect("a tensor of that length");
    Buffer::new(tensor).expect("a view of its first value")
}

/// A buffer `[1, len]` filled with a value that no operation should leave behind.
pub fn poisoned<T: Real + WithDType>(len: usize) -> Buffer {
    tensor::<T>(&vec![f64::NAN; len])
}

/// The values of a tensor as `f64`.
pub fn values(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.flatten_all().and_then(|flat| flat.to_dtype(candle_core::DType::F64));
    flat.and_then(|flat| flat.to_vec1()).expect("a readable tensor")
}

/// The slot of `len` values from `offset`.
pub fn slot(offset: usize, len: usize) -> Slot {
    Slot { offset, len }
}

/// Panics unless `fast` equals `reference` within `tolerance` times the greatest reference value (at least 1).
pub fn assert_close(what: &str, fast: &[f64], reference: &[f64], tolerance: f64) {
    assert_eq!(fast.len(), reference.len(), "{what}: length");
    let scale = reference.iter().fold(1.0_f64, |most, value| most.max(value.abs()));
    for (index, (fast, reference)) in fast.iter().zip(reference).enumerate() {
        assert!((fast - reference).abs() <= tolerance * scale, "{what}[{index}]: {fast} is not {reference}");
    }
}

/// Panics unless `gradient` equals central differences of `loss` around `at`, value by value, within 1e-6 of the
/// greatest gradient (at least 1). For `f64` only.
pub fn assert_gradient(what: &str, at: &[f64], gradient: &[f64], loss: impl Fn(&[f64]) -> f64) {
    let step = 1e-5;
    let scale = gradient.iter().fold(1.0_f64, |most, value| most.max(value.abs()));
    let mut moved = at.to_vec();
    for index in 0..at.len() {
        moved[index] = at[index] + step;
        let above = loss(&moved);
        moved[index] = at[index] - step;
        let below = loss(&moved);
        moved[index] = at[index];
        let numeric = (above - below) / (2.0 * step);
        assert!(
            (gradient[index] - numeric).abs() <= 1e-6 * scale,
            "{what}[{index}]: {} is not {numeric}",
            gradient[index]
        );
    }
}

/// Σ weights · values: a loss whose gradient with respect to `values` is `weights`.
pub fn inner(weights: &[f64], values: &[f64]) -> f64 {
    weights.iter().zip(values).map(|(weight, value)| weight * value).sum()
}

/// Seconds that `work` takes this process on its processors, which others beside it do not add to: the mean of a few calls
/// behind the first.
#[cfg(all(test, target_os = "linux"))]
pub fn seconds_of(work: impl Fn()) -> f64 {
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut [i64; 2]) -> i32;
    }
    const PROCESS: i32 = 2;
    let now = || {
        let mut time = [0; 2];
        // SAFETY: writes the seconds and nanoseconds of a clock that Linux has.
        assert_eq!(unsafe { clock_gettime(PROCESS, &raw mut time) }, 0);
        time[0] as f64 + time[1] as f64 / 1e9
    };
    work();
    let (began, mut calls) = (now(), 0.0);
    loop {
        work();
        calls += 1.0;
        let seconds = now() - began;
        if calls >= 5.0 && seconds > 0.1 {
            return seconds / calls;
        }
    }
}
