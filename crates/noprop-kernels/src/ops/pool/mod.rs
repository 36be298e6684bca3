//! Pooling of images `[samples, height, width, channels]`.
//!
//! | operation | x | y |
//! |---|---|---|
//! | [`Pool`] | `[samples, height, width, channels]` | `[samples, ⌊height / 2⌋, ⌊width / 2⌋, channels]` |
//! | [`GlobalMean`] | `[samples, positions, channels]`, pixels or tokens | `[samples, channels]` |
//!
//! A last row or column that is odd is left out: its gradient is 0.

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

/// What becomes of a window of 2×2 pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The greatest value; the first of equals gets the gradient.
    Max,
    /// The mean.
    Mean,
}

/// Pooling of windows of 2×2 pixels that do not overlap.
#[derive(Debug, Clone, Copy)]
pub struct Pool {
    /// What becomes of a window.
    pub kind: Kind,
    /// Samples in this batch.
    pub samples: usize,
    /// Rows of an image.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// Values of a pixel.
    pub channels: usize,
}

impl Pool {
    /// y from x.
    pub fn forward(&self, y: &Buffer, x: &Tensor) -> Result<()> {
        apply(&Forward(*self), y, [x])
    }

    /// dx. x and y are those of the forward pass; a mean reads neither.
    pub fn backward(&self, dx: &Buffer, [dy, x, y]: [&Tensor; 3]) -> Result<()> {
        apply(&Backward(*self), dx, [dy, x, y])
    }

    /// Values of x.
    pub fn input_len(&self) -> usize {
        self.samples * self.height * self.width * self.channels
    }

    /// Values of y.
    pub fn output_len(&self) -> usize {
        self.samples * (self.height / 2) * (self.width / 2) * self.channels
    }

    fn check(&self, inputs: &[usize], outputs: &[usize]) -> Result<()> {
        let fits = inputs.iter().all(|len| *len >= self.input_len());
        check(fits && outputs.iter().all(|len| *len >= self.output_len()), "pool")
    }
}

struct Forward(Pool);

impl BlockOp<1> for Forward {
    const NAME: &'static str = "pool-forward";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [x]: [&[T]; 1]) -> Result<()> {
        let op = &self.0;
        op.check(&[x.len()], &[y.len()])?;
        let (y, x) = (&mut y[..op.output_len()], &x[..op.input_len()]);
        vectorize(
            #[inline(always)]
            || reference::forward(op, y, x),
        );
        Ok(())
    }
    fn cut(&self) -> Option<Cut<1>> {
        let each = Pool { samples: 1, ..self.0 };
        let (input, output) = (each.input_len(), each.output_len());
        Some(Cut::rows(self.0.samples, output, [input]))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(Pool { samples: rows.len(), ..self.0 })
    }
    fn launch(&self, on: &Executor<'_>, y: DeviceRows, [x]: [DeviceRows; 1]) -> Result<()> {
        self.0.check(&[x.len], &[y.len])?;
        cuda::forward(&self.0, on, y, x)
    }
}

struct Backward(Pool);

impl BlockOp<3> for Backward {
    const NAME: &'static str = "pool-backward";
    fn block<T: Real>(&self, _: usize, dx: &mut [T], [dy, x, y]: [&[T]; 3]) -> Result<()> {
        let op = &self.0;
        op.check(&[dx.len(), x.len()], &[dy.len(), y.len()])?;
        let (inputs, outputs) = (op.input_len(), op.output_len());
        let (dx, dy, x, y) = (&mut dx[..inputs], &dy[..outputs], &x[..inputs], &y[..outputs]);
        vectorize(
            #[inline(always)]
            || reference::backward(op, dx, [dy, x, y]),
        );
        Ok(())
    }
    fn cut(&self) -> Option<Cut<3>> {
        let each = Pool { samples: 1, ..self.0 };
        let (input, output) = (each.input_len(), each.output_len());
        Some(Cut::rows(self.0.samples, input, [output, input, output]))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(Pool { samples: rows.len(), ..self.0 })
    }
    fn launch(&self, on: &Executor<'_>, dx: DeviceRows, [dy, x, y]: [DeviceRows; 3]) -> Result<()> {
        self.0.check(&[dx.len, x.len], &[dy.len, y.len])?;
        cuda::backward(&self.0, on, dx, [dy, x, y])
    }
}

/// The mean of all pixels or tokens of a sample.
#[derive(Debug, Clone, Copy)]
pub struct GlobalMean {
    /// Samples in this batch.
    pub samples: usize,
    /// Pixels or tokens of a sample, at least one.
    pub positions: usize,
    /// Values of each.
    pub channels: usize,
}

impl GlobalMean {
    /// y from x.
    pub fn forward(&self, y: &Buffer, x: &Tensor) -> Result<()> {
        apply(&GlobalForward(*self), y, [x])
    }

    /// dx: each position's share of dy.
    pub fn backward(&self, dx: &Buffer, dy: &Tensor) -> Result<()> {
        apply(&GlobalBackward(*self), dx, [dy])
    }

    fn check(&self, input: usize, output: usize) -> Result<()> {
        let Self { samples, positions, channels } = *self;
        let fits = input >= samples * positions * channels && output >= samples * channels;
        check(fits && positions > 0 && channels > 0, "global mean")
    }
}

struct GlobalForward(GlobalMean);

impl BlockOp<1> for GlobalForward {
    const NAME: &'static str = "global-mean-forward";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [x]: [&[T]; 1]) -> Result<()> {
        let op = &self.0;
        op.check(x.len(), y.len())?;
        let y = &mut y[..op.samples * op.channels];
        vectorize(
            #[inline(always)]
            || reference::global_forward(op, y, x),
        );
        Ok(())
    }
    fn cut(&self) -> Option<Cut<1>> {
        let GlobalMean { samples, positions, channels } = self.0;
        Some(Cut::rows(samples, channels, [positions * channels]))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(GlobalMean { samples: rows.len(), ..self.0 })
    }
    fn launch(&self, on: &Executor<'_>, y: DeviceRows, [x]: [DeviceRows; 1]) -> Result<()> {
        self.0.check(x.len, y.len)?;
        cuda::global_forward(&self.0, on, y, x)
    }
}

struct GlobalBackward(GlobalMean);

impl BlockOp<1> for GlobalBackward {
    const NAME: &'static str = "global-mean-backward";
    fn block<T: Real>(&self, _: usize, dx: &mut [T], [dy]: [&[T]; 1]) -> Result<()> {
        let op = &self.0;
        op.check(dx.len(), dy.len())?;
        let dy = &dy[..op.samples * op.channels];
        vectorize(
            #[inline(always)]
            || reference::global_backward(op, dx, dy),
        );
        Ok(())
    }
    fn cut(&self) -> Option<Cut<1>> {
        let GlobalMean { samples, positions, channels } = self.0;
        Some(Cut::rows(samples, positions * channels, [channels]))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(GlobalMean { samples: rows.len(), ..self.0 })
    }
    fn launch(&self, on: &Executor<'_>, dx: DeviceRows, [dy]: [DeviceRows; 1]) -> Result<()> {
        self.0.check(dx.len, dy.len)?;
        cuda::global_backward(&self.0, on, dx, dy)
    }
}
