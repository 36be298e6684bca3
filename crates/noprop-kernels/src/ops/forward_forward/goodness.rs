//! A layer's activity, which its own loss makes great for right labels and little for wrong ones.

use super::cuda::{ForwardForwardArguments, NONE, by_columns, by_rows};
use super::{NEGATIVE, POSITIVE, scale, squares};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::math;
use crate::ops::simd::vectorize;
use crate::ops::{BlockOp, Cut, apply};
use crate::tensor::{Buffer, Real, Slot, check};
use candle_core::Tensor;
use std::ops::Range;

/// How much of a running mean stays.
const MOMENTUM: f64 = 0.9;

/// What a layer does with a, what its linear map says of all streams, `[streams, samples, width]`; h = max(a, 0).
#[derive(Debug, Clone, Copy)]
pub struct Goodness {
    /// Samples of the batch.
    pub samples: usize,
    /// Values of a row.
    pub width: usize,
    /// The running means m of h over the stream with the right label, in the state.
    pub means: Slot,
    /// Weight of the peer normalisation.
    pub peer: f64,
}

impl Goodness {
    /// y = h, each of `rows` rows scaled to length √width.
    pub fn forward(&self, y: &Buffer, a: &Tensor, rows: usize) -> Result<()> {
        apply(&Normalise { rows, width: self.width }, y, [a])
    }

    /// m = 0.9 m + 0.1 · mean of h over the stream with the right label, the first.
    pub fn update_means(&self, state: &Buffer, a: &Tensor) -> Result<()> {
        apply(&Means(*self), state, [a])
    }

    /// da `[2, samples, width]`, the gradient of the layer's own loss, of the streams with a right and with a wrong label:
    ///
    /// ```text
    /// loss = Σ −ln σ(±(Σ h² − width)) / 2 · samples  +  peer · mean (m̄ − m)²
    /// ```
    ///
    /// That of the peer normalisation goes to values below 0 too, which could not rise again else.
    pub fn backward(&self, da: &Buffer, a: &Tensor, state: &Tensor) -> Result<()> {
        apply(&Backward { of: *self, rows: 0..self.judged() }, da, [a, state])
    }

    /// Rows that have a loss.
    fn judged(&self) -> usize {
        (NEGATIVE + 1) * self.samples
    }

    /// What a value's distance from the mean of all means is multiplied by in the gradient.
    pub(super) fn peer_factor(&self) -> f64 {
        self.peer * 2.0 * (1.0 - MOMENTUM) / (self.width * self.samples) as f64
    }

    fn check_means(&self, state: usize) -> Result<()> {
        check(self.means.len == self.width && self.means.offset + self.means.len <= state, "the slot of running means")
    }
}

#[derive(Clone, Copy)]
struct Normalise {
    rows: usize,
    width: usize,
}

impl Normalise {
    fn check(&self, y: usize, a: usize) -> Result<()> {
        check(y.min(a) >= self.rows * self.width, "normalised rows")
    }
}

impl BlockOp<1> for Normalise {
    const NAME: &'static str = "forward-forward-normalise";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [a]: [&[T]; 1]) -> Result<()> {
        let Self { rows, width } = *self;
        self.check(y.len(), a.len())?;
        vectorize(
            #[inline(always)]
            || {
                for (y, a) in y.chunks_exact_mut(width).zip(a.chunks_exact(width)).take(rows) {
                    let factor = scale::<T>(squares(a, true), width);
                    for (y, a) in y.iter_mut().zip(a) {
                        *y = if *a > T::zero() { *a * factor } else { T::zero() };
                    }
                }
            },
        );
        Ok(())
    }
    fn cut(&self) -> Option<Cut<1>> {
        Some(Cut::rows(self.rows, self.width, [self.width]))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self { rows: rows.len(), ..*self }
    }
    fn launch(&self, on: &Executor<'_>, y: DeviceRows, [a]: [DeviceRows; 1]) -> Result<()> {
        self.check(y.len, a.len)?;
        let (rows, width) = (self.rows as u32, self.width as u32);
        let arguments = ForwardForwardArguments { to: y.rows(), from: a.rows(), rows, width, ..NONE };
        by_rows(on, "forward_forward_normalise", y.count, arguments)
    }
}

struct Means(Goodness);

impl Means {
    fn check(&self, state: usize, a: usize) -> Result<()> {
        check(a >= self.0.samples * self.0.width, "running means")?;
        self.0.check_means(state)
    }
}

impl BlockOp<1> for Means {
    const NAME: &'static str = "forward-forward-means";
    fn block<T: Real>(&self, _: usize, state: &mut [T], [a]: [&[T]; 1]) -> Result<()> {
        let Goodness { samples, width, means, .. } = self.0;
        self.check(state.len(), a.len())?;
        let means = means.of_mut(state);
        let share = T::of((1.0 - MOMENTUM) / samples as f64);
        vectorize(
            #[inline(always)]
            || {
                means.iter_mut().for_each(|mean| *mean *= T::of(MOMENTUM));
                for a in a.chunks_exact(width).take(samples) {
                    for (mean, a) in means.iter_mut().zip(a) {
                        *mean += if *a > T::zero() { share * *a } else { T::zero() };
                    }
                }
            },
        );
        Ok(())
    }
    fn launch(&self, on: &Executor<'_>, state: DeviceRows, [a]: [DeviceRows; 1]) -> Result<()> {
        self.check(state.len, a.len)?;
        let Goodness { samples, width, means, .. } = self.0;
        let arguments = ForwardForwardArguments {
            to: state.rows(),
            from: a.rows(),
            samples: samples as u32,
            width: width as u32,
            means: means.offset as u32,
            keep: MOMENTUM as f32,
            share: ((1.0 - MOMENTUM) / samples as f64) as f32,
            ..NONE
        };
        by_columns(on, "forward_forward_means", state.count, arguments)
    }
}

/// The gradients of some of the rows.
struct Backward {
    of: Goodness,
    rows: Range<usize>,
}

impl Backward {
    fn check(&self, da: usize, a: usize, state: usize) -> Result<()> {
        check(da.min(a) >= self.rows.len() * self.of.width, "the loss of a layer")?;
        self.of.check_means(state)
    }
}

impl BlockOp<2> for Backward {
    const NAME: &'static str = "forward-forward-loss";
    fn block<T: Real>(&self, _: usize, da: &mut [T], [a, state]: [&[T]; 2]) -> Result<()> {
        let Goodness { samples, width, means, .. } = self.of;
        self.check(da.len(), a.len(), state.len())?;
        let means = means.of(state);
        let mean = means.iter().map(|m| m.to_f64().unwrap_or(f64::NAN)).sum::<f64>() / width as f64;
        let mean = T::of(mean);
        let of_peer = T::of(self.of.peer_factor());
        vectorize(
            #[inline(always)]
            || {
                let each = da.chunks_exact_mut(width).zip(a.chunks_exact(width)).zip(self.rows.clone());
                for ((da, a), row) in each {
                    let logit = squares(a, true) - width as f64;
                    let is_right = row / samples == POSITIVE;
                    let wanted = f64::from(u8::from(is_right));
                    let factor = T::of((1.0 / (1.0 + math::exp(-logit)) - wanted) / samples as f64);
                    for (da, a) in da.iter_mut().zip(a) {
                        *da = if *a > T::zero() { factor * *a } else { T::zero() };
                    }
                    if is_right {
                        for (da, m) in da.iter_mut().zip(means) {
                            *da += of_peer * (*m - mean);
                        }
                    }
                }
            },
        );
        Ok(())
    }
    fn cut(&self) -> Option<Cut<2>> {
        Some(Cut::rows(self.rows.len(), self.of.width, [self.of.width, 0]))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self { rows: self.rows.start + rows.start..self.rows.start + rows.end, ..*self }
    }
    fn launch(&self, on: &Executor<'_>, da: DeviceRows, [a, state]: [DeviceRows; 2]) -> Result<()> {
        self.check(da.len, a.len, state.len)?;
        let Goodness { samples, width, means, .. } = self.of;
        let arguments = ForwardForwardArguments {
            to: da.rows(),
            from: a.rows(),
            state: state.rows(),
            rows: self.rows.len() as u32,
            samples: samples as u32,
            width: width as u32,
            means: means.offset as u32,
            peer: self.of.peer_factor() as f32,
            ..NONE
        };
        by_rows(on, "forward_forward_loss", da.count, arguments)
    }
}
