//! The element types of the operations.

use crate::math;
use candle_core::CpuStorage;
use num_traits::{Float, NumAssign};

/// The element types of the operations: `f32` for work, `f64` for checks.
pub trait Real: Float + NumAssign + Send + Sync + std::fmt::Debug + 'static {
    /// The value nearest to `value`.
    fn of(value: f64) -> Self;
    /// `Some` for `f32`, which has fast paths.
    fn f32s(slice: &[Self]) -> Option<&[f32]>;
    /// `Some` for `f32`, which has fast paths.
    fn f32s_mut(slice: &mut [Self]) -> Option<&mut [f32]>;
    /// e to the power of the value, with the same bits on every system ([`crate::math`]).
    fn exp_anywhere(self) -> Self;
    /// The elements of a tensor of this type.
    fn slice(storage: &CpuStorage) -> candle_core::Result<&[Self]>;
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
    fn f32s(slice: &[Self]) -> Option<&[f32]> {
        Some(slice)
    }
    fn f32s_mut(slice: &mut [Self]) -> Option<&mut [f32]> {
        Some(slice)
    }
    fn exp_anywhere(self) -> Self {
        math::expf(self)
    }
    fn slice(storage: &CpuStorage) -> candle_core::Result<&[Self]> {
        storage.as_slice()
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }
    fn f32s(_: &[Self]) -> Option<&[f32]> {
        None
    }
    fn f32s_mut(_: &mut [Self]) -> Option<&mut [f32]> {
        None
    }
    fn exp_anywhere(self) -> Self {
        math::exp(self)
    }
    fn slice(storage: &CpuStorage) -> candle_core::Result<&[Self]> {
        storage.as_slice()
    }
}
