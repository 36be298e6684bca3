//! Copies of columns: from x `[rows, from_stride]` to y `[rows, to_stride]`, which joins and parts tensors.
//!
//! | use | rows | from → to |
//! |---|---|---|
//! | one of several vectors behind one another | samples | all of its columns → some |
//! | a sample's tokens behind its first one | samples | all tokens → those behind the first |
//! | the first token of each sample | samples | the first of all columns → all |
//!
//! The gradient goes the other way: [`CopyColumns::backward`].

mod cuda;
mod parity;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use parity::parity;

use super::{BlockOp, Cut, apply, simd::vectorize};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::team::Cost;
use crate::tensor::{Buffer, Real, check};
use candle_core::Tensor;
use std::ops::Range;

/// Which columns go where.
#[derive(Debug, Clone, Copy)]
pub struct CopyColumns {
    /// Rows of both.
    pub rows: usize,
    /// Columns that are copied.
    pub width: usize,
    /// Values from one row of the source to the next; 0 for one that serves all rows.
    pub from_stride: usize,
    /// The first of the source's columns.
    pub from_offset: usize,
    /// Values from one row of the destination to the next.
    pub to_stride: usize,
    /// The first of the destination's columns.
    pub to_offset: usize,
    /// Whether the values are added to what is there.
    pub add: bool,
}

impl CopyColumns {
    /// y[row, to_offset..] = x[row, from_offset..], or += that. The other columns stay as they are.
    pub fn forward(&self, y: &Buffer, x: &Tensor) -> Result<()> {
        apply(self, y, [x])
    }

    /// The way back: dx[row, from_offset..] = dy[row, to_offset..], or += that.
    pub fn backward(&self, dx: &Buffer, dy: &Tensor) -> Result<()> {
        let back = Self {
            from_stride: self.to_stride,
            from_offset: self.to_offset,
            to_stride: self.from_stride,
            to_offset: self.from_offset,
            ..*self
        };
        apply(&back, dx, [dy])
    }

    fn check(&self, y: usize, x: usize) -> Result<()> {
        let Self { rows, width, from_stride, from_offset, to_stride, to_offset, .. } = *self;
        let end = |stride: usize, offset: usize| if rows == 0 { 0 } else { (rows - 1) * stride + offset + width };
        check(y >= end(to_stride, to_offset) && x >= end(from_stride, from_offset), "copy of columns")?;
        check(rows <= 1 || to_stride >= width, "rows of a copy's destination")
    }
}

impl BlockOp<1> for CopyColumns {
    const NAME: &'static str = "copy-columns";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [x]: [&[T]; 1]) -> Result<()> {
        self.check(y.len(), x.len())?;
        vectorize(
            #[inline(always)]
            || reference::copy(self, y, x),
        );
        Ok(())
    }
    fn cut(&self) -> Option<Cut<1>> {
        let Self { rows, width, from_stride, to_stride, .. } = *self;
        Some(Cut { cost: Cost::of_values(2 * rows * width), ..Cut::rows(rows, to_stride, [from_stride]) })
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self { rows: rows.len(), ..*self }
    }
    fn launch(&self, on: &Executor<'_>, y: DeviceRows, [x]: [DeviceRows; 1]) -> Result<()> {
        self.check(y.len, x.len)?;
        cuda::copy(self, on, y, x)
    }
}
