//! Losses of methods on the processor: the batch's mean, and its gradient by the net's output.

use crate::error::Result;
use crate::math;
use crate::ops::{BlockOp, apply};
use crate::tensor::{Buffer, Real, check};
use candle_core::Tensor;
use std::sync::{Mutex, PoisonError};

/// Σ_k (û_k − target_k)² of each sample, averaged over the batch; the gradient has the samples' weights.
pub struct WeightedSquares<'a> {
    /// `[samples, width]`.
    pub targets: &'a [f32],
    /// `[samples]`, the factors of the samples' losses in the gradient. (One factor a sample: a table of them by samples would lose
    /// the weighting.)
    pub weights: &'a [f64],
    /// The factor of all of them.
    pub weight: f64,
    /// Samples.
    pub samples: usize,
    /// Values of a sample.
    pub width: usize,
}

impl WeightedSquares<'_> {
    /// Writes the gradient of the weighted mean, and returns the mean without weights.
    pub fn run(&self, gradient: &Buffer, estimate: &Tensor) -> Result<f64> {
        let op = Judged { op: self, loss: Mutex::new(0.0) };
        apply(&op, gradient, [estimate])?;
        Ok(value(&op.loss))
    }
}

/// −ln softmax(û)_y of each sample, averaged over the batch.
pub struct CrossEntropy<'a> {
    /// `[samples]`.
    pub classes: &'a [u32],
    /// Values of a sample.
    pub width: usize,
}

impl CrossEntropy<'_> {
    /// Writes the gradient, and returns the mean.
    pub fn run(&self, gradient: &Buffer, estimate: &Tensor) -> Result<f64> {
        let op = Judged { op: self, loss: Mutex::new(0.0) };
        apply(&op, gradient, [estimate])?;
        Ok(value(&op.loss))
    }
}

fn value(loss: &Mutex<f64>) -> f64 {
    *loss.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A loss with its value.
struct Judged<'a, L> {
    op: &'a L,
    loss: Mutex<f64>,
}

impl BlockOp<1> for Judged<'_, WeightedSquares<'_>> {
    const NAME: &'static str = "weighted-squares";
    fn block<T: Real>(&self, _: usize, gradient: &mut [T], [estimate]: [&[T]; 1]) -> Result<()> {
        let WeightedSquares { targets, weights, weight: of_all, samples, width } = *self.op;
        let len = samples * width;
        check(gradient.len().min(estimate.len()).min(targets.len()) >= len, "weighted squares")?;
        check(weights.len() >= samples, "weights of samples")?;
        let mut sum = 0.0;
        let rows = gradient.chunks_exact_mut(width).zip(estimate.chunks_exact(width)).zip(targets.chunks_exact(width));
        for (((gradient, estimate), target), weight) in rows.take(samples).zip(weights) {
            let scale = 2.0 * weight * of_all / samples as f64;
            for ((g, value), target) in gradient.iter_mut().zip(estimate).zip(target) {
                let error = value.to_f64().unwrap_or(f64::NAN) - f64::from(*target);
                sum += error * error;
                *g = T::of(scale * error);
            }
        }
        *self.loss.lock().unwrap_or_else(PoisonError::into_inner) = sum / samples as f64;
        Ok(())
    }
}

impl BlockOp<1> for Judged<'_, CrossEntropy<'_>> {
    const NAME: &'static str = "cross-entropy";
    fn block<T: Real>(&self, _: usize, gradient: &mut [T], [estimate]: [&[T]; 1]) -> Result<()> {
        let CrossEntropy { classes, width } = *self.op;
        check(gradient.len().min(estimate.len()) >= classes.len() * width, "cross-entropy")?;
        check(classes.iter().all(|class| (*class as usize) < width), "class below width")?;
        let mut sum = 0.0;
        let rows = gradient.chunks_exact_mut(width).zip(estimate.chunks_exact(width));
        for ((gradient, logits), class) in rows.zip(classes) {
            let value = |logit: &T| logit.to_f64().unwrap_or(f64::NAN);
            // f64::max would pass over a NaN.
            let top =
                logits.iter().map(value).fold(f64::NEG_INFINITY, |top, logit| if top > logit { top } else { logit });
            let total: f64 = logits.iter().map(|logit| math::exp(value(logit) - top)).sum();
            sum += math::ln(total) + top - value(&logits[*class as usize]);
            for (k, (g, logit)) in gradient.iter_mut().zip(logits).enumerate() {
                let wanted = f64::from(u8::from(k == *class as usize));
                *g = T::of((math::exp(value(logit) - top) / total - wanted) / classes.len() as f64);
            }
        }
        *self.loss.lock().unwrap_or_else(PoisonError::into_inner) = sum / classes.len() as f64;
        Ok(())
    }
}
