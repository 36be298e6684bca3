//! max(x, 0). Its gradient at 0 is 0, as in every framework that publishes results for these blocks.

mod cpu;
mod cuda;
mod parity;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use parity::parity;

use super::{BlockOp, Cut, apply};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::tensor::{Buffer, Real, check};
use candle_core::Tensor;
use std::ops::Range;

/// On the first `len` values of a block.
#[derive(Debug, Clone, Copy)]
pub struct Relu {
    /// Number of values.
    pub len: usize,
}

impl Relu {
    /// y = max(y, 0), in place.
    pub fn forward(&self, y: &Buffer) -> Result<()> {
        apply(&Forward(*self), y, [])
    }

    /// dy = dy · scale where y > 0, else 0, in place. y is the output, so a `scale` of 1 / (1 − p) also undoes a
    /// dropout that followed: a dropped value is 0 as well.
    pub fn backward(&self, dy: &Buffer, y: &Tensor, scale: f64) -> Result<()> {
        apply(&Backward(*self, scale), dy, [y])
    }
}

struct Forward(Relu);

impl BlockOp<0> for Forward {
    const NAME: &'static str = "relu-forward";
    fn block<T: Real>(&self, _: usize, y: &mut [T], []: [&[T]; 0]) -> Result<()> {
        check(y.len() >= self.0.len, "relu")?;
        let y = &mut y[..self.0.len];
        match T::f32s_mut(y) {
            Some(y) => cpu::forward(y),
            None => reference::forward(y),
        }
        Ok(())
    }
    fn cut(&self) -> Option<Cut<0>> {
        Some(Cut::values(self.0.len, 1))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(Relu { len: rows.len() })
    }
    fn launch(&self, on: &Executor<'_>, y: DeviceRows, []: [DeviceRows; 0]) -> Result<()> {
        check(y.len >= self.0.len, "relu")?;
        cuda::forward(&self.0, on, y)
    }
}

struct Backward(Relu, f64);

impl BlockOp<1> for Backward {
    const NAME: &'static str = "relu-backward";
    fn block<T: Real>(&self, _: usize, dy: &mut [T], [y]: [&[T]; 1]) -> Result<()> {
        let len = self.0.len;
        check(dy.len() >= len && y.len() >= len, "relu gradient")?;
        let (dy, y) = (&mut dy[..len], &y[..len]);
        match (T::f32s_mut(dy), T::f32s(y)) {
            (Some(dy), Some(y)) => cpu::backward(dy, y, self.1 as f32),
            _ => reference::backward(dy, y, T::of(self.1)),
        }
        Ok(())
    }
    fn cut(&self) -> Option<Cut<1>> {
        Some(Cut::values(self.0.len, 1))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(Relu { len: rows.len() }, self.1)
    }
    fn launch(&self, on: &Executor<'_>, dy: DeviceRows, [y]: [DeviceRows; 1]) -> Result<()> {
        check(dy.len >= self.0.len && y.len >= self.0.len, "relu gradient")?;
        cuda::backward(&self.0, on, dy, y, self.1)
    }
}
