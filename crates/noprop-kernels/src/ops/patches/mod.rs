//! Images cut into patches, which become tokens: `[height, width, channels]` → `[(height / p) · (width / p), p · p · channels]`
//! of each sample. Tokens follow one another row by row, and so do the pixels of a patch, each with its channels.

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

/// Sizes of one batch.
#[derive(Debug, Clone, Copy)]
pub struct Patches {
    /// Samples in this batch.
    pub samples: usize,
    /// Rows of an image, a multiple of `patch`.
    pub height: usize,
    /// Pixels of a row, a multiple of `patch`.
    pub width: usize,
    /// Values of a pixel.
    pub channels: usize,
    /// Rows and columns of a patch, p.
    pub patch: usize,
}

impl Patches {
    /// Tokens y from images x.
    pub fn forward(&self, y: &Buffer, x: &Tensor) -> Result<()> {
        apply(&Forward(*self), y, [x])
    }

    /// The way back: images dx from tokens dy.
    pub fn backward(&self, dx: &Buffer, dy: &Tensor) -> Result<()> {
        apply(&Backward(*self), dx, [dy])
    }

    /// Tokens of a sample.
    pub fn tokens(&self) -> usize {
        (self.height / self.patch) * (self.width / self.patch)
    }

    /// Values of a token.
    pub fn token_len(&self) -> usize {
        self.patch * self.patch * self.channels
    }

    fn len(&self) -> usize {
        self.samples * self.height * self.width * self.channels
    }

    fn check(&self, images: usize, tokens: usize) -> Result<()> {
        let whole = self.height.is_multiple_of(self.patch) && self.width.is_multiple_of(self.patch);
        check(self.patch > 0 && whole, "an image in whole patches")?;
        check(images >= self.len() && tokens >= self.len(), "patches")
    }
}

struct Forward(Patches);

impl BlockOp<1> for Forward {
    const NAME: &'static str = "patches-forward";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [x]: [&[T]; 1]) -> Result<()> {
        self.0.check(x.len(), y.len())?;
        reference::forward(&self.0, y, x);
        Ok(())
    }
    fn cut(&self) -> Option<Cut<1>> {
        let each = Patches { samples: 1, ..self.0 }.len();
        Some(Cut::rows(self.0.samples, each, [each]))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(Patches { samples: rows.len(), ..self.0 })
    }
    fn launch(&self, on: &Executor<'_>, y: DeviceRows, [x]: [DeviceRows; 1]) -> Result<()> {
        self.0.check(x.len, y.len)?;
        cuda::forward(&self.0, on, y, x)
    }
}

struct Backward(Patches);

impl BlockOp<1> for Backward {
    const NAME: &'static str = "patches-backward";
    fn block<T: Real>(&self, _: usize, dx: &mut [T], [dy]: [&[T]; 1]) -> Result<()> {
        self.0.check(dx.len(), dy.len())?;
        reference::backward(&self.0, dx, dy);
        Ok(())
    }
    fn cut(&self) -> Option<Cut<1>> {
        let each = Patches { samples: 1, ..self.0 }.len();
        Some(Cut::rows(self.0.samples, each, [each]))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(Patches { samples: rows.len(), ..self.0 })
    }
    fn launch(&self, on: &Executor<'_>, dx: DeviceRows, [dy]: [DeviceRows; 1]) -> Result<()> {
        self.0.check(dx.len, dy.len)?;
        cuda::backward(&self.0, on, dx, dy)
    }
}
