//! Noise schedules: the share of signal alpha_bar_t in the state z_t.

use serde::{Deserialize, Serialize};

use crate::{Code, Error, Result, math};

/// The largest number of blocks of a network.
pub const MAX_BLOCKS: usize = 9999;

/// How alpha_bar is chosen. Serialised as an object with `type`; fields that are absent take their defaults.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ScheduleConfig {
    /// alpha_bar_t = cos²(π/2 · (T−t)/T), clamped (the paper's "fixed cosine"; the paper leaves the clamp open).
    Cosine {
        /// Lower clamp, in [0, max). Default 1e-4.
        #[serde(default = "default_min")]
        min: f64,
        /// Upper clamp, in (min, 1]. Default 0.999.
        #[serde(default = "default_max")]
        max: f64,
    },
    /// The original sketch's rule: factors linspace(start, end, T) counted from the clean end, cumulated. alpha_bar_T is 1.
    Linear {
        /// Factor of the last block, in [end, 1]. Default 1: the last block trains on the clean label.
        #[serde(default = "default_start")]
        start: f64,
        /// Factor of the first block, in (0, start]. Default 0.1.
        #[serde(default = "default_end")]
        end: f64,
    },
    /// alpha_bar_0..=alpha_bar_T as given: T + 1 numbers in [0, 1], strictly increasing.
    Custom {
        /// The values, from pure noise to clean.
        #[serde(rename = "alphaBar")]
        alpha_bar: Vec<f64>,
    },
}

fn default_min() -> f64 {
    1e-4
}

fn default_max() -> f64 {
    0.999
}

fn default_start() -> f64 {
    1.0
}

fn default_end() -> f64 {
    0.1
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self::Cosine { min: default_min(), max: default_max() }
    }
}

impl ScheduleConfig {
    /// The schedule of a network of `blocks` blocks.
    ///
    /// # Errors
    /// [`Code::Option`] when `blocks` is not in 1..=[`MAX_BLOCKS`] or a parameter is out of its range.
    pub fn build(&self, blocks: usize) -> Result<Schedule> {
        if !(1..=MAX_BLOCKS).contains(&blocks) {
            return Err(Error::new(Code::Option, "option blocks is out of range")
                .expected(format!("an integer from 1 to {MAX_BLOCKS}"))
                .received(blocks.to_string())
                .hint("10 blocks are the paper's choice"));
        }
        let alpha_bar = match self {
            Self::Cosine { min, max } => cosine(blocks, *min, *max)?,
            Self::Linear { start, end } => linear(blocks, *start, *end)?,
            Self::Custom { alpha_bar } => custom(blocks, alpha_bar)?,
        };
        Ok(Schedule { alpha_bar })
    }
}

fn cosine(blocks: usize, min: f64, max: f64) -> Result<Vec<f64>> {
    // A NaN fails every comparison and is refused here as well.
    if !(0.0 <= min && min < max && max <= 1.0) {
        return Err(Error::new(Code::Option, "the limits of the cosine schedule are out of range")
            .expected("0 <= schedule.min < schedule.max <= 1")
            .received(format!("schedule.min {min}, schedule.max {max}"))
            .hint("the defaults are 0.0001 and 0.999"));
    }
    // cos²(π/2 · (T−t)/T) = sin²(π/2 · t/T); the sine keeps its relative precision where alpha_bar is small.
    let share = |t: usize| math::sin(std::f64::consts::FRAC_PI_2 * t as f64 / blocks as f64).powi(2);
    Ok((0..=blocks).map(|t| share(t).clamp(min, max)).collect())
}

fn linear(blocks: usize, start: f64, end: f64) -> Result<Vec<f64>> {
    if !(0.0 < end && end <= start && start <= 1.0) {
        return Err(Error::new(Code::Option, "the factors of the linear schedule are out of range")
            .expected("0 < schedule.end <= schedule.start <= 1")
            .received(format!("schedule.start {start}, schedule.end {end}"))
            .hint("the defaults are schedule.start 1 and schedule.end 0.1"));
    }
    if end == 1.0 {
        return Err(Error::new(Code::Option, "the linear schedule adds no noise at all")
            .expected("schedule.end below 1")
            .received(format!("schedule.start {start}, schedule.end {end}"))
            .hint("the defaults are schedule.start 1 and schedule.end 0.1"));
    }
    if blocks < 2 {
        return Err(Error::new(Code::Option, "the linear schedule needs at least two blocks")
            .expected("option blocks of at least 2")
            .received(blocks.to_string())
            .hint("use more blocks, or the cosine schedule"));
    }
    // The original sketch counts from the clean end: its cumulative product after s factors is our alpha_bar_{T−s}.
    let mut alpha_bar = vec![1.0; blocks + 1];
    for s in 0..blocks {
        // Written so that both ends come out exactly.
        let share = s as f64 / (blocks - 1) as f64;
        alpha_bar[blocks - 1 - s] = alpha_bar[blocks - s] * (start * (1.0 - share) + end * share);
    }
    Ok(alpha_bar)
}

fn custom(blocks: usize, alpha_bar: &[f64]) -> Result<Vec<f64>> {
    if alpha_bar.len() != blocks + 1 {
        return Err(Error::new(Code::Option, "the custom schedule has the wrong number of values")
            .expected(format!("{} values of schedule.alphaBar for {blocks} blocks", blocks + 1))
            .received(format!("{} values", alpha_bar.len()))
            .hint("give one value before the first block and one after each block"));
    }
    for (index, &value) in alpha_bar.iter().enumerate() {
        if !(0.0..=1.0).contains(&value) {
            return Err(Error::new(Code::Option, format!("schedule.alphaBar[{index}] is out of range"))
                .expected("a finite number from 0 to 1")
                .received(value.to_string()));
        }
        if index > 0 && value <= alpha_bar[index - 1] {
            return Err(Error::new(
                Code::Option,
                format!("schedule.alphaBar[{index}] does not increase"),
            )
            .expected(format!("more than schedule.alphaBar[{}] = {}", index - 1, alpha_bar[index - 1]))
            .received(value.to_string())
            .hint("schedule.alphaBar goes from noise (near 0) to clean (near 1), in the order in which inference runs the blocks"));
        }
    }
    Ok(alpha_bar.to_vec())
}

/// alpha_bar_0..=alpha_bar_T of a network of T blocks; never decreasing, and alpha_bar_0 < alpha_bar_T.
///
/// The methods that take `t` panic when `t` exceeds T.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    alpha_bar: Vec<f64>,
}

impl Schedule {
    /// Of alpha_bar_0..=alpha_bar_T, which never decrease.
    pub(crate) fn of(alpha_bar: Vec<f64>) -> Self {
        Self { alpha_bar }
    }

    /// T, the number of blocks.
    pub fn blocks(&self) -> usize {
        self.alpha_bar.len() - 1
    }

    /// The share of signal in z_t, for t in 0..=T: q(z_t | y) = N(√alpha_bar_t · u_y, (1 − alpha_bar_t) I).
    pub fn alpha_bar(&self, t: usize) -> f64 {
        self.alpha_bar[t]
    }

    /// alpha_{t−1} = alpha_bar_{t−1} / alpha_bar_t, the factor of block t in 1..=T; 1 where both have underflowed to 0.
    pub fn alpha(&self, t: usize) -> f64 {
        let (before, after) = (self.alpha_bar[t - 1], self.alpha_bar[t]);
        if after == 0.0 { 1.0 } else { before / after }
    }

    /// SNR(t) = alpha_bar_t / (1 − alpha_bar_t), for t in 0..=T; infinite where alpha_bar_t is 1.
    pub fn snr(&self, t: usize) -> f64 {
        let share = self.alpha_bar[t];
        if share == 1.0 { f64::INFINITY } else { share / (1.0 - share) }
    }

    /// The factor T/2 · eta · (SNR(t) − SNR(t−1)) of the loss of block t in 1..=T (the paper's objective of NoProp-DT).
    /// Infinite where alpha_bar_t reaches 1 and NaN where it stays there; [`Weighting`](super::Weighting) refuses both.
    pub fn snr_weight(&self, t: usize, eta: f64) -> f64 {
        let (before, after) = (self.alpha_bar[t - 1], self.alpha_bar[t]);
        // SNR(t) − SNR(t−1) over a common denominator: no cancellation where the two are close.
        let difference = (after - before) / ((1.0 - after) * (1.0 - before));
        self.blocks() as f64 / 2.0 * eta * difference
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> ScheduleConfig {
        serde_json::from_str(json).unwrap()
    }

    fn refusal(config: ScheduleConfig, blocks: usize) -> Error {
        let error = config.build(blocks).unwrap_err();
        assert_eq!(error.code, Code::Option, "{error}");
        error
    }

    #[test]
    fn absent_fields_take_their_defaults() {
        assert_eq!(parse(r#"{"type":"cosine"}"#), ScheduleConfig::default());
        assert_eq!(parse(r#"{"type":"cosine","max":1}"#), ScheduleConfig::Cosine { min: 1e-4, max: 1.0 });
        assert_eq!(parse(r#"{"type":"linear","end":0.5}"#), ScheduleConfig::Linear { start: 1.0, end: 0.5 });
        assert_eq!(
            parse(r#"{"type":"custom","alphaBar":[0,0.5]}"#),
            ScheduleConfig::Custom { alpha_bar: vec![0.0, 0.5] }
        );
    }

    #[test]
    fn unknown_fields_and_types_are_refused() {
        for json in [
            r#"{"type":"cosine","maximum":1}"#,
            r#"{"type":"custom"}"#,
            r#"{"type":"custom","alpha_bar":[0,1]}"#,
            r#"{"type":"sine"}"#,
            r#"{}"#,
        ] {
            assert!(serde_json::from_str::<ScheduleConfig>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn parameters_out_of_range_are_refused() {
        for (min, max) in [(-0.1, 0.9), (0.5, 0.5), (0.6, 0.5), (0.1, 1.1), (f64::NAN, 0.9), (0.1, f64::INFINITY)] {
            refusal(ScheduleConfig::Cosine { min, max }, 10);
        }
        for (start, end) in [(1.0, 0.0), (0.1, 1.0), (1.1, 0.1), (f64::NAN, 0.1), (1.0, f64::NAN), (1.0, 1.0)] {
            refusal(ScheduleConfig::Linear { start, end }, 10);
        }
        refusal(ScheduleConfig::Linear { start: 1.0, end: 0.1 }, 1);
        refusal(ScheduleConfig::default(), 0);
        refusal(ScheduleConfig::default(), MAX_BLOCKS + 1);
        assert_eq!(ScheduleConfig::default().build(MAX_BLOCKS).unwrap().blocks(), MAX_BLOCKS);
    }

    #[test]
    fn a_bad_custom_schedule_is_refused_by_index() {
        for (values, index) in [
            (vec![0.1, 0.2, f64::NAN], 2),
            (vec![0.1, f64::INFINITY, 0.2], 1),
            (vec![-0.1, 0.2, 0.3], 0),
            (vec![0.1, 0.2, 1.5], 2),
            (vec![0.1, 0.1, 0.3], 1),
            (vec![0.1, 0.3, 0.2], 2),
        ] {
            let error = refusal(ScheduleConfig::Custom { alpha_bar: values }, 2);
            assert!(error.what.contains(&format!("alphaBar[{index}]")), "{error}");
        }
        let error = refusal(ScheduleConfig::Custom { alpha_bar: vec![0.0, 1.0] }, 2);
        assert!(error.expected.starts_with("3 values") && error.received == "2 values", "{error}");
    }

    #[test]
    fn a_long_linear_schedule_underflows_without_harm() {
        let schedule = ScheduleConfig::Linear { start: 1.0, end: 0.1 }.build(MAX_BLOCKS).unwrap();
        assert_eq!((schedule.alpha_bar(0), schedule.alpha(1), schedule.snr(0)), (0.0, 1.0, 0.0));
        for t in 1..=MAX_BLOCKS {
            assert!(schedule.alpha_bar(t - 1) <= schedule.alpha_bar(t));
            assert!((0.0..=1.0).contains(&schedule.alpha(t)));
        }
    }

    #[test]
    fn the_ends_of_the_linear_schedule_are_the_seeds() {
        let schedule = ScheduleConfig::Linear { start: 1.0, end: 0.1 }.build(2).unwrap();
        assert_eq!((0..=2).map(|t| schedule.alpha_bar(t)).collect::<Vec<_>>(), [0.1, 1.0, 1.0]);
        assert_eq!(schedule.snr(1), f64::INFINITY);
    }
}
