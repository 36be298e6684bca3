//! Learning rate of a step, a function of the step alone.

use crate::math;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// Course of the learning rate over a block job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LearningRateSchedule {
    /// The same in every step.
    #[default]
    Constant,
    /// Up along a cosine from peak / 25 over the first 30 % of the steps, then down to peak / 250,000 (Smith & Topin 2018,
    /// with PyTorch's defaults).
    OneCycle,
    /// The same for half of the steps, then down to 0 in a straight line (the recipe of Forward-Forward).
    CoolDown,
    /// Down along half a cosine from the peak to nearly 0 in the last step (Loshchilov & Hutter 2016, without restarts).
    Cosine,
}

const RISE: f64 = 0.3;
const START: f64 = 1.0 / 25.0;
const END: f64 = START / 1e4;

impl LearningRateSchedule {
    /// The rate of step `step` (from 0) of `steps`, of which the first `warmup` rise to the peak in equal parts.
    pub fn warmed_rate(self, peak: f64, step: u64, steps: u64, warmup: u64) -> f64 {
        let warmup = warmup.min(steps);
        if step < warmup {
            return peak * (step + 1) as f64 / warmup as f64;
        }
        self.rate(peak, step - warmup, steps - warmup)
    }

    /// The rate of step `step` (from 0) of `steps`.
    pub fn rate(self, peak: f64, step: u64, steps: u64) -> f64 {
        match self {
            Self::Cosine => peak * anneal(1.0, 0.0, step as f64 / steps as f64),
            Self::Constant => peak,
            Self::CoolDown => peak * (2.0 * (steps - step) as f64 / steps as f64).min(1.0),
            Self::OneCycle => {
                let top = (RISE * steps as f64 - 1.0).max(0.0);
                let (step, last) = (step as f64, (steps - 1) as f64);
                if step < top {
                    peak * anneal(START, 1.0, step / top)
                } else {
                    peak * anneal(1.0, END, if last > top { (step - top) / (last - top) } else { 0.0 })
                }
            }
        }
    }
}

/// From `from` to `to` along half a cosine.
fn anneal(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) / 2.0 * (1.0 + math::cos(PI * share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cycle_starts_low_peaks_at_thirty_per_cent_and_ends_at_nothing() {
        let rate = |step| LearningRateSchedule::OneCycle.rate(0.1, step, 100);
        assert!((rate(0) - 0.004).abs() < 1e-12);
        assert!((rate(29) - 0.1).abs() < 1e-12);
        assert!((rate(99) - 0.1 * END).abs() < 1e-12);
        assert!((1..29).all(|step| rate(step) > rate(step - 1)) && (30..100).all(|step| rate(step) < rate(step - 1)));
    }

    /// PyTorch's `CosineAnnealingLR(T_max=steps)` behind a linear warm-up, by its closed form in plain numbers.
    #[test]
    fn cosine_falls_from_the_peak_to_nearly_nothing_behind_its_warm_up() {
        let rate = |step| LearningRateSchedule::Cosine.warmed_rate(0.1, step, 14, 4);
        let up = [0.025, 0.05, 0.075, 0.1];
        // ½ (1 + cos(π k / 10)), k = 0 … 9.
        let down = [
            1.0,
            0.975_528_258_1,
            0.904_508_497_2,
            0.793_892_626_1,
            0.654_508_497_2,
            0.5,
            0.345_491_502_8,
            0.206_107_373_9,
            0.095_491_502_8,
            0.024_471_741_9,
        ];
        for (step, expected) in (0_u64..).zip(up.into_iter().chain(down.map(|share| 0.1 * share))) {
            assert!((rate(step) - expected).abs() < 1e-11, "step {step}: {}", rate(step));
        }
        assert_eq!(LearningRateSchedule::Constant.warmed_rate(0.1, 9, 10, 4), 0.1);
        assert_eq!(LearningRateSchedule::Constant.warmed_rate(0.1, 0, 3, 9), 0.1 / 3.0);
    }

    #[test]
    fn cool_down_stays_for_half_and_falls_in_a_line() {
        let rate = |step| LearningRateSchedule::CoolDown.rate(0.1, step, 100);
        assert_eq!((rate(0), rate(50)), (0.1, 0.1));
        assert!((rate(75) - 0.05).abs() < 1e-12 && (rate(99) - 0.002).abs() < 1e-12);
    }

    #[test]
    fn short_runs_have_finite_positive_rates() {
        for steps in 1..10 {
            for step in 0..steps {
                for course in [LearningRateSchedule::OneCycle, LearningRateSchedule::CoolDown] {
                    let rate = course.rate(0.1, step, steps);
                    assert!(rate > 0.0 && rate <= 0.1, "{course:?} {step} of {steps}: {rate}");
                }
            }
        }
    }
}
