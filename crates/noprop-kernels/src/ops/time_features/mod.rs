//! Sinusoidal features of a time in [0, 1] (Vaswani et al. 2017, Ho et al. 2020): time `[samples]`, y `[samples, width]`.
//!
//! `y[b, i] = cos(1000 · time[b] · 10000^(−i / (width / 2)))` for i < width / 2, and the same with sin behind them. Time is no
//! function of parameters, so there is no backward pass.

mod cuda;
mod parity;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use parity::parity;

use super::{BlockOp, Cut, apply};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::math;
use crate::tensor::{Buffer, Real, check};
use candle_core::Tensor;
use std::ops::Range;

/// What a time is multiplied by.
const SCALE: f64 = 1000.0;
/// ln 10000, the longest period by the shortest.
const LN_RANGE: f64 = 9.210_340_371_976_184;

/// What a time is multiplied by for feature `i` of `half` cosines.
fn frequency(i: usize, half: usize) -> f64 {
    SCALE * math::exp(-LN_RANGE * i as f64 / half as f64)
}

/// What a time is multiplied by for each of `width` / 2 cosines and as many sines.
pub fn frequencies(width: usize) -> impl Iterator<Item = f64> {
    (0..width / 2).map(move |i| frequency(i, width / 2))
}

/// The features of one time.
pub fn features(time: f64, width: usize) -> impl Iterator<Item = f64> {
    let angles = move || frequencies(width).map(move |frequency| math::sin_cos(time * frequency));
    angles().map(|(_, cosine)| cosine).chain(angles().map(|(sine, _)| sine))
}

/// Sizes of one batch.
#[derive(Debug, Clone, Copy)]
pub struct TimeFeatures {
    /// Samples in this batch.
    pub samples: usize,
    /// Features of one sample, an even number.
    pub width: usize,
}

impl TimeFeatures {
    /// y from the samples' times.
    pub fn forward(&self, y: &Buffer, time: &Tensor) -> Result<()> {
        apply(self, y, [time])
    }

    fn check(&self, y: usize, time: usize) -> Result<()> {
        check(self.width.is_multiple_of(2), "an even number of time features")?;
        check(y >= self.samples * self.width && time >= self.samples, "time features")
    }
}

impl BlockOp<1> for TimeFeatures {
    const NAME: &'static str = "time-features";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [time]: [&[T]; 1]) -> Result<()> {
        self.check(y.len(), time.len())?;
        reference::forward(self, y, time);
        Ok(())
    }
    fn cut(&self) -> Option<Cut<1>> {
        let Self { samples, width } = *self;
        Some(Cut::rows(samples, width, [1]).with_work(100 * samples * width))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self { samples: rows.len(), ..*self }
    }
    fn launch(&self, on: &Executor<'_>, y: DeviceRows, [time]: [DeviceRows; 1]) -> Result<()> {
        self.check(y.len, time.len)?;
        cuda::forward(self, on, y, time)
    }
}
