//! The constant factor of a block's loss.

use serde::{Deserialize, Serialize};

use super::Schedule;
use crate::{Code, Error, Result};

/// The constant factor of each block's squared error. Adam does not see it, save through its epsilon; it sets the scale
/// of the reported loss.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Weighting {
    /// T/2 · eta · (SNR(t) − SNR(t−1)), the paper's.
    Snr,
    /// 1 for every block.
    #[default]
    Uniform,
}

impl Weighting {
    /// The factor of block `t` in 1..=T.
    ///
    /// # Errors
    /// [`Code::Option`] when the SNR weight is not a positive finite number: `alpha_bar` does not increase at the block (a
    /// clamp holds it, and a weight of 0 would train nothing) or reaches 1 there, or `eta` is not positive.
    pub fn block_weight(&self, schedule: &Schedule, t: usize, eta: f64) -> Result<f64> {
        if *self == Self::Uniform {
            return Ok(1.0);
        }
        if !(eta.is_finite() && eta > 0.0) {
            return Err(Error::new(Code::Option, "option eta is out of range")
                .expected("a positive finite number")
                .received(eta.to_string())
                .hint("the paper uses 0.1"));
        }
        let weight = schedule.snr_weight(t, eta);
        if weight.is_finite() && weight > 0.0 {
            return Ok(weight);
        }
        let (before, after) = (schedule.alpha_bar(t - 1), schedule.alpha_bar(t));
        let (reason, cure) = if after == 1.0 {
            let cure = "take a schedule that ends below 1, as cosine does with its default schedule.max";
            (format!("alpha_bar reaches 1 at block {t}, where the SNR is infinite"), cure)
        } else if after <= before {
            let cure = "change schedule.min or schedule.max, which hold it";
            (format!("alpha_bar does not increase at block {t}: {before} before it and {after} after it"), cure)
        } else {
            (
                format!("a weight of {weight}: alpha_bar {before} before block {t} and {after} after it, eta {eta}"),
                "change option eta or the schedule",
            )
        };
        Err(Error::new(Code::Option, format!("the SNR weight of block {t} is unusable"))
            .expected("a positive finite weight")
            .received(reason)
            .hint(format!("set option weighting to 'uniform', or {cure}")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::ScheduleConfig;
    use super::*;

    #[test]
    fn snr_weight_is_the_papers_factor() {
        let schedule = ScheduleConfig::Custom { alpha_bar: vec![0.0, 0.5, 0.8] }.build(2).unwrap();
        // SNR = 0, 1, 4; T/2 = 1.
        assert!((Weighting::Snr.block_weight(&schedule, 1, 0.1).unwrap() - 0.1).abs() < 1e-15);
        assert!((Weighting::Snr.block_weight(&schedule, 2, 0.1).unwrap() - 0.3).abs() < 1e-15);
        assert_eq!(Weighting::Uniform.block_weight(&schedule, 2, 0.1).unwrap(), 1.0);
    }

    #[test]
    fn an_unusable_weight_names_the_block_and_the_reason() {
        let linear = ScheduleConfig::Linear { start: 1.0, end: 0.1 }.build(10).unwrap();
        for t in [9, 10] {
            let error = Weighting::Snr.block_weight(&linear, t, 0.1).unwrap_err();
            assert_eq!(error.code, Code::Option);
            assert!(error.received.contains(&format!("reaches 1 at block {t}")), "{error}");
            assert!(error.hint.contains("uniform") && error.hint.contains("cosine"), "{error}");
            assert!(!error.hint.contains("schedule.min"), "linear has no limits: {error}");
        }
        assert!(Weighting::Snr.block_weight(&linear, 8, 0.1).is_ok());
        let clamped = ScheduleConfig::default().build(100).unwrap();
        let error = Weighting::Snr.block_weight(&clamped, 100, 0.1).unwrap_err();
        assert!(error.received.contains("does not increase at block 100"), "{error}");
        assert!(error.hint.contains("schedule.max"), "{error}");
        assert_eq!(Weighting::Uniform.block_weight(&clamped, 100, 0.1).unwrap(), 1.0);
    }

    #[test]
    fn a_bad_eta_is_refused() {
        let schedule = ScheduleConfig::default().build(10).unwrap();
        for eta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Weighting::Snr.block_weight(&schedule, 1, eta).unwrap_err().code, Code::Option);
        }
    }

    #[test]
    fn names_are_kebab_case() {
        assert_eq!(serde_json::from_str::<Weighting>("\"snr\"").unwrap(), Weighting::Snr);
        assert_eq!(serde_json::to_string(&Weighting::Uniform).unwrap(), "\"uniform\"");
    }
}
