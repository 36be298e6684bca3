//! A learning rate range test (Smith 2017, arXiv 1506.01186): a block is trained for some steps while the rate rises from very
//! small to very large. Where the loss is least the rate is at the edge of too large; a tenth of that serves.

use super::job::BlockJob;
use super::plan::Plan;
use super::trainer::Trainer;
use crate::error::{Code, Error, Result};
use crate::optim::LearningRateSchedule;
use crate::tensor::StopFlag;
use candle_core::Device;
use serde::Serialize;

/// Steps of a test.
pub const STEPS: usize = 120;
/// The first and the last rate.
pub const RANGE: [f64; 2] = [1e-6, 1.0];
/// The block that is trained: the first, which gets almost nothing of the label and learns from the sample alone.
const BLOCK: usize = 1;
/// Share of the old value in the smoothed loss (fastai smooths with 0.98 over more steps).
const SMOOTHING: f64 = 0.9;
/// The test ends where the smoothed loss is so many times the least one.
const TOO_MUCH: f64 = 4.0;

/// What a test found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RateSearch {
    /// The rate that it proposes.
    pub learning_rate: f64,
    /// The block that was trained.
    pub block: usize,
    /// What was measured, up to where the loss had grown beyond measure.
    pub curve: Vec<RatePoint>,
}

/// A step of a test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RatePoint {
    /// The rate of the step.
    pub learning_rate: f64,
    /// Mean loss of its batch.
    pub loss: f64,
    /// The loss smoothed over the steps before.
    pub smoothed: f64,
}

/// Tests rates on the processor. What it finds is a function of configuration, data and options, as a trained block is; the plan's
/// own learning rate does not matter, and nothing is kept of the block.
///
/// # Errors
/// [`Code::Cancelled`]; [`Code::Diverged`] where not even the smallest rates lower the loss.
pub fn find_learning_rate(mut plan: Plan, stop: &StopFlag) -> Result<RateSearch> {
    plan.options.learning_rate_schedule = LearningRateSchedule::Constant;
    plan.options.warmup = 0.0;
    let device = &Device::Cpu;
    let (mut job, mut trainer) = (BlockJob::start(&plan, BLOCK, device)?, Trainer::new(&plan, device)?);
    let mut curve = Vec::with_capacity(STEPS);
    let (mut mean, mut least) = (0.0, f64::INFINITY);
    for step in 0..STEPS {
        let learning_rate = rate(step);
        plan.options.learning_rate = learning_rate;
        let loss = match job.step(&plan, &mut trainer, stop) {
            Ok(loss) => loss,
            Err(error) if error.code == Code::Diverged => break,
            Err(error) => return Err(error),
        };
        mean = SMOOTHING * mean + (1.0 - SMOOTHING) * loss;
        let smoothed = mean / (1.0 - SMOOTHING.powi(step as i32 + 1));
        curve.push(RatePoint { learning_rate, loss, smoothed });
        least = smoothed.min(least);
        if smoothed > TOO_MUCH * least {
            break;
        }
    }
    let learning_rate = propose(&curve).ok_or_else(|| {
        Error::new(Code::Diverged, "no learning rate lowers the loss")
            .expected(format!("a loss that falls at some rate from {:e} to {}", RANGE[0], RANGE[1]))
            .hint("check the scale of the inputs and the labels, or choose a learning rate yourself")
    })?;
    Ok(RateSearch { learning_rate, block: BLOCK, curve })
}

/// The rate of a step: equal steps on a logarithmic scale.
fn rate(step: usize) -> f64 {
    let [first, last] = RANGE.map(crate::math::ln);
    crate::math::exp(first + (last - first) * step as f64 / (STEPS - 1) as f64)
}

/// A tenth of the rate at the least smoothed loss, to two digits; `None` where the loss never fell.
fn propose(curve: &[RatePoint]) -> Option<f64> {
    let least = curve.iter().min_by(|a, b| a.smoothed.total_cmp(&b.smoothed))?;
    let rate = least.learning_rate / 10.0;
    (least.smoothed < curve[0].smoothed).then(|| format!("{rate:.1e}").parse().unwrap_or(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(losses: &[f64]) -> Vec<RatePoint> {
        let point = |(step, loss): (usize, &f64)| RatePoint { learning_rate: rate(step), loss: *loss, smoothed: *loss };
        losses.iter().enumerate().map(point).collect()
    }

    #[test]
    fn rates_rise_evenly_on_a_logarithmic_scale() {
        assert!((rate(0) - 1e-6).abs() < 1e-18 && (rate(STEPS - 1) - 1.0).abs() < 1e-12);
        for step in 1..STEPS {
            // 10^(6/119)
            assert!((rate(step) / rate(step - 1) - 1.123_104_5).abs() < 1e-6);
        }
    }

    #[test]
    fn a_tenth_of_the_rate_at_the_least_loss_is_proposed() {
        let mut losses: Vec<f64> = (0..100).map(|step| 1.0 - step as f64 / 200.0).collect();
        losses.extend([0.9, 1.4, 2.0]);
        // rate(99) = 10^(−6 + 6 · 99/119) = 0.0978
        assert_eq!(propose(&curve(&losses)), Some(9.8e-3));
        assert_eq!(propose(&curve(&[1.0, 1.1, 1.2])), None);
        assert_eq!(propose(&[]), None);
    }
}
