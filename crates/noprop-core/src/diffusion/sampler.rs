//! Inference: the state z_{t−1} and a block's estimate become z_t.
//!
//! Nothing here takes a label, neither to start the chain nor to continue it. An evaluation that starts from a noised
//! **true** label leaks the answer; with these signatures it cannot be written.

use serde::{Deserialize, Serialize};

use super::Schedule;
pub use noprop_kernels::ops::sampler::{Coefficients, initial_state, step};

/// How z_t is made from the estimate û_t of block t and the state z_{t−1}. With a perfect estimate û = u_y each keeps the
/// mean √alpha_bar_t · u_y and, with its noise on, the variance 1 − alpha_bar_t that the next block was trained on.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Sampler {
    /// The posterior q(z_t | z_{t−1}, û) (the paper's Eq. 3 and 6).
    #[default]
    Posterior,
    /// √alpha_bar_t · û + √(1 − alpha_bar_t) · ε (the original sketch's rule, read with the cumulative alpha_bar).
    Resample,
    /// √alpha_bar_t · û + √(1 − alpha_bar_t) · (the noise that û implies in z_{t−1}); deterministic.
    Ddim,
}

impl Sampler {
    /// The coefficients of block `t` in 1..=T (panics above).
    ///
    /// `stochastic: false` sets the noise to 0 and leaves the rest; the mean of the chain is unchanged, its variance shrinks.
    /// [`Ddim`](Self::Ddim) has no noise either way.
    ///
    /// Where alpha_bar_{t−1} is 1 (the last block of the original sketch's schedule) the formulas read 0/0. z_{t−1} then carries no noise
    /// to remove, and the limit in which the block's output is used is taken: the new state is the estimate itself.
    pub fn coefficients(self, schedule: &Schedule, t: usize, stochastic: bool) -> Coefficients {
        let (before, after) = (schedule.alpha_bar(t - 1), schedule.alpha_bar(t));
        let noise = |value: f64| if stochastic { value } else { 0.0 };
        match self {
            Self::Resample => Coefficients { estimate: after.sqrt(), state: 0.0, noise: noise((1.0 - after).sqrt()) },
            _ if before >= 1.0 => Coefficients { estimate: after.sqrt(), state: 0.0, noise: 0.0 },
            Self::Posterior => {
                // 1 − alpha without the cancellation of subtracting a quotient near 1 from 1.
                let one_minus_alpha = if after == 0.0 { 0.0 } else { (after - before) / after };
                Coefficients {
                    estimate: after.sqrt() * one_minus_alpha / (1.0 - before),
                    state: schedule.alpha(t).sqrt() * (1.0 - after) / (1.0 - before),
                    noise: noise(((1.0 - after) * one_minus_alpha / (1.0 - before)).sqrt()),
                }
            }
            Self::Ddim => {
                let state = ((1.0 - after) / (1.0 - before)).sqrt();
                Coefficients { estimate: after.sqrt() - state * before.sqrt(), state, noise: 0.0 }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ScheduleConfig;
    use super::*;
    use crate::Code;
    use crate::rng::{Purpose, Stream};

    const ALL: [Sampler; 3] = [Sampler::Posterior, Sampler::Resample, Sampler::Ddim];

    fn stream() -> Stream {
        Stream::new(3, Purpose::SamplerNoise, 1, 0, 0)
    }

    #[test]
    fn a_clean_state_gives_way_to_the_estimate() {
        let schedule = ScheduleConfig::Linear { start: 1.0, end: 0.1 }.build(10).unwrap();
        assert_eq!(schedule.alpha_bar(9), 1.0);
        for sampler in ALL {
            for stochastic in [false, true] {
                let last = sampler.coefficients(&schedule, 10, stochastic);
                assert_eq!(last, Coefficients { estimate: 1.0, state: 0.0, noise: 0.0 }, "{sampler:?}");
            }
        }
    }

    #[test]
    fn the_posterior_takes_the_estimate_when_the_next_state_is_clean() {
        let schedule = ScheduleConfig::Custom { alpha_bar: vec![0.0, 0.5, 1.0] }.build(2).unwrap();
        let last = Sampler::Posterior.coefficients(&schedule, 2, true);
        assert_eq!(last, Coefficients { estimate: 1.0, state: 0.0, noise: 0.0 });
    }

    #[test]
    fn without_noise_only_the_noise_is_gone() {
        let schedule = ScheduleConfig::default().build(10).unwrap();
        for sampler in ALL {
            for t in 1..=10 {
                let on = sampler.coefficients(&schedule, t, true);
                let off = sampler.coefficients(&schedule, t, false);
                assert_eq!(off, Coefficients { noise: 0.0, ..on });
                assert_eq!(on.noise > 0.0, sampler != Sampler::Ddim, "{sampler:?} {t}");
            }
        }
    }

    #[test]
    fn a_step_is_the_stated_sum() {
        let coefficients = Coefficients { estimate: 0.5, state: 0.25, noise: 2.0 };
        let mut state = [4.0, 8.0, -4.0];
        step(&coefficients, &[1.0, 2.0, 3.0], &mut state, Some(&stream())).unwrap();
        for (k, drift) in [1.5, 3.0, 0.5].into_iter().enumerate() {
            assert_eq!(state[k], (drift + 2.0 * stream().normal(k as u32)) as f32);
        }
        let mut state = [4.0];
        step(&Coefficients { noise: 0.0, ..coefficients }, &[1.0], &mut state, None).unwrap();
        assert_eq!(state, [1.5]);
    }

    #[test]
    fn missing_noise_and_unequal_lengths_are_refused() {
        let coefficients = Coefficients { estimate: 1.0, state: 0.0, noise: 0.1 };
        let mut state = [7.0; 2];
        assert_eq!(step(&coefficients, &[1.0; 2], &mut state, None).unwrap_err().code, Code::Internal);
        assert_eq!(step(&coefficients, &[1.0; 3], &mut state, Some(&stream())).unwrap_err().code, Code::Internal);
        assert_eq!(state, [7.0; 2]);
    }

    #[test]
    fn names_are_kebab_case() {
        assert_eq!(serde_json::to_string(&ALL).unwrap(), r#"["posterior","resample","ddim"]"#);
        assert_eq!(Sampler::default(), Sampler::Posterior);
    }
}
