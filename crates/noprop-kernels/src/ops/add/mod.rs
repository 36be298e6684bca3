//! Sum of two paths on the first `len` values of a block: y += x, or y = a + b.

mod cuda;
mod parity;
mod reference;

pub(crate) use parity::parity;

use super::{BlockOp, Cut, apply, simd::vectorize};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::tensor::{Buffer, Real, check};
use candle_core::Tensor;
use std::ops::Range;

/// y += x.
#[derive(Debug, Clone, Copy)]
pub struct Add {
    /// Number of values.
    pub len: usize,
}

impl Add {
    /// y += x, in place.
    pub fn forward(&self, y: &Buffer, x: &Tensor) -> Result<()> {
        apply(self, y, [x])
    }
}

/// y = a + b, on the processor alone.
#[derive(Debug, Clone, Copy)]
pub struct Sum {
    /// Number of values.
    pub len: usize,
}

impl Sum {
    /// y = a + b.
    pub fn forward(&self, y: &Buffer, [a, b]: [&Tensor; 2]) -> Result<()> {
        apply(self, y, [a, b])
    }
}

impl BlockOp<2> for Sum {
    const NAME: &'static str = "add";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [a, b]: [&[T]; 2]) -> Result<()> {
        check([y.len(), a.len(), b.len()].iter().all(|len| *len >= self.len), "sum")?;
        let (y, a, b) = (&mut y[..self.len], &a[..self.len], &b[..self.len]);
        vectorize(
            #[inline(always)]
            || reference::sum(y, a, b),
        );
        Ok(())
    }
    fn cut(&self) -> Option<Cut<2>> {
        Some(Cut::values(self.len, 1))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self { len: rows.len() }
    }
}

impl BlockOp<1> for Add {
    const NAME: &'static str = "add";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [x]: [&[T]; 1]) -> Result<()> {
        check(y.len() >= self.len && x.len() >= self.len, "add")?;
        let (y, x) = (&mut y[..self.len], &x[..self.len]);
        vectorize(
            #[inline(always)]
            || reference::add(y, x),
        );
        Ok(())
    }
    fn cut(&self) -> Option<Cut<1>> {
        Some(Cut::values(self.len, 1))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self { len: rows.len() }
    }
    fn launch(&self, on: &Executor<'_>, y: DeviceRows, [x]: [DeviceRows; 1]) -> Result<()> {
        check(y.len >= self.len && x.len >= self.len, "add")?;
        cuda::forward(self, on, y, x)
    }
}
