//! Losses of methods on the processor: the batch's mean, and its gradient by the net's output.

use crate::diffusion::ClassVectors;
use crate::error::Result;
use crate::math;
use crate::ops::{BlockOp, apply};
use crate::tensor::{Buffer, Real, check};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};

/// How a block's estimate is judged. Both are least where it is E[u_y | z, x].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockLoss {
    /// Cross-entropy of softmax.
    Ce,
    /// Squared error.
    Mse,
}

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

/// −Σ_k q_k ln softmax(û)_k of each sample, averaged over the batch, with q_k = (1 − s) [k = y] + s / classes.
pub struct CrossEntropy<'a> {
    /// `[samples]`.
    pub classes: &'a [u32],
    /// Values of a sample.
    pub width: usize,
    /// s, the share of every label that is spread evenly over all classes.
    pub smoothing: f64,
    /// Factors of the samples' losses by their classes, in the gradient alone.
    pub weights: Option<&'a [f64]>,
}

impl CrossEntropy<'_> {
    /// Writes the gradient, and returns the mean.
    pub fn run(&self, gradient: &Buffer, estimate: &Tensor) -> Result<f64> {
        let op = Judged { op: self, loss: Mutex::new(0.0) };
        apply(&op, gradient, [estimate])?;
        Ok(value(&op.loss))
    }
}

/// −ln p(y) of each sample, averaged over the batch, with ỹ = softmax(û) · W and p(y) ∝ exp(−‖ỹ − u_y‖² / 2σ²).
pub struct Posterior<'a> {
    /// `[samples]`.
    pub classes: &'a [u32],
    /// u_y of all classes.
    pub vectors: &'a ClassVectors,
    /// σ.
    pub sigma: f64,
}

impl Posterior<'_> {
    /// Writes the gradient, and returns the mean. `room` has a row of the classes and one of a vector, at least.
    pub fn run(&self, gradient: &Buffer, estimate: &Tensor, room: &mut [f64]) -> Result<f64> {
        let op = JudgedByDistance { op: self, loss: Mutex::new(0.0), room: Mutex::new(room) };
        apply(&op, gradient, [estimate])?;
        Ok(value(&op.loss))
    }
}

struct JudgedByDistance<'a> {
    op: &'a Posterior<'a>,
    loss: Mutex<f64>,
    room: Mutex<&'a mut [f64]>,
}

/// ỹ = softmax(logits) · W, written to `mean`; `shares` becomes the softmax.
pub(super) fn mean_vector(
    logits: impl Iterator<Item = f64>,
    vectors: &ClassVectors,
    shares: &mut [f64],
    mean: &mut [f64],
) {
    shares.iter_mut().zip(logits).for_each(|(share, logit)| *share = logit);
    softmax(shares);
    for (k, mean) in mean.iter_mut().enumerate() {
        *mean = shares.iter().enumerate().map(|(class, share)| share * vectors.value(class, k)).sum();
    }
}

/// −‖ỹ − u_y‖² / 2σ² of a class.
pub(super) fn log_density(mean: &[f64], vectors: &ClassVectors, class: usize, sigma: f64) -> f64 {
    let square: f64 = mean.iter().enumerate().map(|(k, mean)| (mean - vectors.value(class, k)).powi(2)).sum();
    -square / (2.0 * sigma * sigma)
}

/// Softmax in place. Returns the logarithm of the sum of the exponentials.
pub(super) fn softmax(values: &mut [f64]) -> f64 {
    // f64::max would pass over a NaN.
    let top = values.iter().fold(f64::NEG_INFINITY, |top, value| if top > *value { top } else { *value });
    values.iter_mut().for_each(|value| *value = math::exp(*value - top));
    let total: f64 = values.iter().sum();
    values.iter_mut().for_each(|value| *value /= total);
    math::ln(total) + top
}

impl BlockOp<1> for JudgedByDistance<'_> {
    const NAME: &'static str = "posterior";
    fn block<T: Real>(&self, _: usize, gradient: &mut [T], [estimate]: [&[T]; 1]) -> Result<()> {
        let Posterior { classes, vectors, sigma } = *self.op;
        let (count, width) = (vectors.classes(), vectors.width());
        check(gradient.len().min(estimate.len()) >= classes.len() * count, "posterior")?;
        check(classes.iter().all(|class| (*class as usize) < count), "class below their number")?;
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        check(room.len() >= 2 * count + width, "room of posterior")?;
        let (shares, rest) = room.split_at_mut(count);
        let (found, rest) = rest.split_at_mut(count);
        let mean = &mut rest[..width];
        let mut sum = 0.0;
        let rows = gradient.chunks_exact_mut(count).zip(estimate.chunks_exact(count));
        for ((gradient, logits), class) in rows.zip(classes) {
            mean_vector(logits.iter().map(|logit| logit.to_f64().unwrap_or(f64::NAN)), vectors, shares, mean);
            for (k, found) in found.iter_mut().enumerate() {
                *found = log_density(mean, vectors, k, sigma);
            }
            let wanted = found[*class as usize];
            sum += softmax(found) - wanted;
            // The gradient of ỹ is Σ_k (p_k − [k = y]) u_k / σ², as Σ_k (p_k − [k = y]) = 0.
            found[*class as usize] -= 1.0;
            for (k, mean) in mean.iter_mut().enumerate() {
                *mean = found.iter().enumerate().map(|(class, by)| by * vectors.value(class, k)).sum::<f64>();
                *mean /= sigma * sigma * classes.len() as f64;
            }
            for (class, found) in found.iter_mut().enumerate() {
                *found = mean.iter().enumerate().map(|(k, mean)| mean * vectors.value(class, k)).sum();
            }
            let inner: f64 = shares.iter().zip(&*found).map(|(share, by)| share * by).sum();
            for (g, (share, by)) in gradient.iter_mut().zip(shares.iter().zip(&*found)) {
                *g = T::of(share * (by - inner));
            }
        }
        *self.loss.lock().unwrap_or_else(PoisonError::into_inner) = sum / classes.len() as f64;
        Ok(())
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
        let CrossEntropy { classes, width, smoothing, weights } = *self.op;
        check(gradient.len().min(estimate.len()) >= classes.len() * width, "cross-entropy")?;
        check(classes.iter().all(|class| (*class as usize) < width), "class below width")?;
        check(weights.is_none_or(|weights| weights.len() >= width), "weights of classes")?;
        let everywhere = smoothing / width as f64;
        let mut sum = 0.0;
        let rows = gradient.chunks_exact_mut(width).zip(estimate.chunks_exact(width));
        for ((gradient, logits), class) in rows.zip(classes) {
            let value = |logit: &T| logit.to_f64().unwrap_or(f64::NAN);
            // f64::max would pass over a NaN.
            let top =
                logits.iter().map(value).fold(f64::NEG_INFINITY, |top, logit| if top > logit { top } else { logit });
            let total: f64 = logits.iter().map(|logit| math::exp(value(logit) - top)).sum();
            let of_class = value(&logits[*class as usize]);
            sum += math::ln(total) + top - of_class;
            if smoothing > 0.0 {
                sum += smoothing * of_class - everywhere * logits.iter().map(value).sum::<f64>();
            }
            for (k, (g, logit)) in gradient.iter_mut().zip(logits).enumerate() {
                let wanted = (1.0 - smoothing) * f64::from(u8::from(k == *class as usize)) + everywhere;
                *g = T::of((math::exp(value(logit) - top) / total - wanted) / classes.len() as f64);
            }
            if let Some(weights) = weights {
                let weight = T::of(weights[*class as usize]);
                gradient.iter_mut().for_each(|g| *g *= weight);
            }
        }
        *self.loss.lock().unwrap_or_else(PoisonError::into_inner) = sum / classes.len() as f64;
        Ok(())
    }
}
