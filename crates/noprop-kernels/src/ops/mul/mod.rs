//! Product value by value: y = a · b on the first `len` values of a block. The gradient of one factor is that of y times the
//! other, so the same operation serves the backward pass.

mod cuda;
mod parity;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use parity::parity;

use super::{BlockOp, Cut, apply, simd::vectorize};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::tensor::{Buffer, Real, check};
use candle_core::Tensor;
use std::ops::Range;

/// y = a · b.
#[derive(Debug, Clone, Copy)]
pub struct Mul {
    /// Number of values.
    pub len: usize,
}

impl Mul {
    /// y = a · b; with dy and b, the gradient of a.
    pub fn forward(&self, y: &Buffer, a: &Tensor, b: &Tensor) -> Result<()> {
        apply(self, y, [a, b])
    }
}

impl BlockOp<2> for Mul {
    const NAME: &'static str = "mul";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [a, b]: [&[T]; 2]) -> Result<()> {
        check(y.len() >= self.len && a.len() >= self.len && b.len() >= self.len, "mul")?;
        let (y, a, b) = (&mut y[..self.len], &a[..self.len], &b[..self.len]);
        vectorize(
            #[inline(always)]
            || reference::mul(y, a, b),
        );
        Ok(())
    }
    fn cut(&self) -> Option<Cut<2>> {
        Some(Cut::values(self.len, 1))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self { len: rows.len() }
    }
    fn launch(&self, on: &Executor<'_>, y: DeviceRows, [a, b]: [DeviceRows; 2]) -> Result<()> {
        check(y.len.min(a.len).min(b.len) >= self.len, "mul")?;
        cuda::forward(self, on, y, a, b)
    }
}
