//! What a regression model predicts: numbers, standardised by the data that it was trained on.

use crate::data::targets::MAX_TARGETS;
use crate::data::{Classes, Dataset};
use crate::diffusion::{ClassVectors, EmbeddingConfig};
use crate::error::{Code, Error, Result};
use crate::memory::reserved;
use crate::method::{BlockLoss, MethodConfig, Partition};
use serde::{Deserialize, Serialize};

/// Numbers instead of classes. JSON has their count, or an object with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetsConfig {
    /// Numbers of a sample.
    pub count: usize,
    /// Mean of each over the training samples, once there are any: 0 of what the blocks denoise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mean: Vec<f32>,
    /// Standard deviation of each (divided by n), 1 where all are equal: the unit of what the blocks denoise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub std: Vec<f32>,
}

/// As options have it.
#[derive(Clone, Deserialize)]
#[serde(untagged, expecting = "a whole number of at least 1")]
pub(super) enum Asked {
    Count(usize),
    Whole(TargetsConfig),
}

impl From<Asked> for TargetsConfig {
    fn from(asked: Asked) -> Self {
        match asked {
            Asked::Count(count) => Self { count, mean: Vec::new(), std: Vec::new() },
            Asked::Whole(whole) => whole,
        }
    }
}

impl TargetsConfig {
    /// What nets take for classes: an output for each number.
    pub(super) fn outputs(&self) -> Classes {
        Classes::Values((0..self.count.clamp(1, MAX_TARGETS) as i32).collect())
    }

    /// # Errors
    /// [`Code::Option`] for a count out of range, or values that standardise nothing.
    pub(super) fn check(&self) -> Result<()> {
        let Self { count, mean, std } = self;
        if !(1..=MAX_TARGETS).contains(count) {
            return Err(super::out_of_range("targets", format!("1 to {MAX_TARGETS}"), count));
        }
        let is_new = mean.is_empty() && std.is_empty();
        let fits = mean.len() == *count && std.len() == *count;
        let is_sound = mean.iter().all(|mean| mean.is_finite()) && std.iter().all(|std| std.is_finite() && *std > 0.0);
        if is_new || fits && is_sound {
            return Ok(());
        }
        Err(Error::new(Code::Option, "option targets cannot be used")
            .expected(format!("{count}, or a finite mean and a std above 0 for each of them"))
            .received(format!("{} means and {} deviations", mean.len(), std.len()))
            .hint("give the number of targets alone: training finds mean and deviation"))
    }

    /// Whether a method has a meaning for numbers.
    ///
    /// # Errors
    /// [`Code::Option`] in words for one that has none.
    pub(super) fn check_method(method: &MethodConfig, embedding: &EmbeddingConfig) -> Result<()> {
        let refused = |what: &str, expected: &str, received: &str| {
            Err(Error::new(Code::Option, what).expected(expected).received(received))
        };
        if *embedding != EmbeddingConfig::default() {
            return refused(
                "option embedding does not apply to targets",
                "no embedding: numbers are their own",
                embedding.name(),
            );
        }
        match method {
            MethodConfig::Dt { loss: BlockLoss::Ce } | MethodConfig::DiffusionBlocks { loss: BlockLoss::Ce, .. } => {
                refused("cross-entropy does not apply to targets", "method.loss 'mse' with targets", "ce")
            }
            MethodConfig::DiffusionBlocks { partition: Partition::EqualInformation, .. } => refused(
                "option method.partition 'equal-information' does not apply to targets: it is about classes",
                "method.partition 'edm' with targets",
                "equal-information",
            ),
            MethodConfig::Dt { .. } | MethodConfig::Fm { .. } | MethodConfig::DiffusionBlocks { .. } => Ok(()),
            other => refused(
                &format!("method {} reads classes off a head, and has none for targets", other.name()),
                "method dt, fm or diffusion-blocks with targets",
                other.name(),
            ),
        }
    }

    /// The same with mean and deviation of these numbers `[samples, count]`.
    ///
    /// # Errors
    /// [`Code::Value`] where their squares cannot be summed up in 32 bits.
    pub fn fitted(&self, numbers: &[f32]) -> Result<Self> {
        let (count, samples) = (self.count, (numbers.len() / self.count) as f64);
        let (mut means, mut deviations) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for target in 0..count {
            let values = || numbers[target..].iter().step_by(count).map(|value| f64::from(*value));
            let mean = values().sum::<f64>() / samples;
            let deviation = (values().map(|value| (value - mean).powi(2)).sum::<f64>() / samples).sqrt() as f32;
            let first = numbers[target];
            // Where all are equal, the rest of rounding would be blown up.
            let is_spread = values().any(|value| value != f64::from(first)) && deviation > 0.0;
            if !deviation.is_finite() {
                return Err(Error::new(Code::Value, format!("the values of target {target} are too large"))
                    .expected("numbers whose deviation has 32 bits")
                    .received(deviation.to_string())
                    .hint("divide the target by a constant"));
            }
            means.push(if is_spread { mean as f32 } else { first });
            deviations.push(if is_spread { deviation } else { 1.0 });
        }
        Ok(Self { count, mean: means, std: deviations })
    }

    /// The numbers of each sample of `data` in units of the model, as vectors of its own: sample i's is that of "class" i.
    ///
    /// # Errors
    /// [`Code::Label`] for data without such numbers, [`Code::Memory`].
    pub fn vectors(&self, data: &Dataset) -> Result<ClassVectors> {
        let numbers = data.numbers(self.count)?;
        let mut rows = reserved(numbers.len(), "the standardised targets")?;
        rows.extend(numbers.iter().enumerate().map(|(at, value)| self.standardised(at % self.count, *value)));
        Ok(ClassVectors::of_rows(data.samples(), rows.into()))
    }

    /// A number in units of the model.
    pub fn standardised(&self, target: usize, value: f32) -> f32 {
        ((f64::from(value) - f64::from(self.mean[target])) / f64::from(self.std[target])) as f32
    }

    /// The number that a value of the model means.
    pub fn number(&self, target: usize, value: f64) -> f32 {
        (f64::from(self.mean[target]) + f64::from(self.std[target]) * value) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(count: usize) -> TargetsConfig {
        Asked::Count(count).into()
    }

    #[test]
    fn numbers_are_standardised_and_back() {
        // Means 3 and 7; deviations √(8/3) and 0, which counts as 1.
        let numbers = [1.0, 7.0, 3.0, 7.0, 5.0, 7.0];
        let fitted = of(2).fitted(&numbers).unwrap();
        assert_eq!(fitted.mean, [3.0, 7.0]);
        assert_eq!(fitted.std, [(8f64 / 3.0).sqrt() as f32, 1.0]);
        for (at, number) in numbers.iter().enumerate() {
            let value = fitted.standardised(at % 2, *number);
            assert!((fitted.number(at % 2, f64::from(value)) - number).abs() < 1e-6);
        }
        assert!((fitted.standardised(0, 5.0) - 1.224_744_9).abs() < 1e-6);
        assert_eq!(of(1).fitted(&[f32::MAX, -f32::MAX]).unwrap().std, [f32::MAX]);
    }

    #[test]
    fn what_standardises_nothing_is_refused() {
        let whole = |mean: &[f32], std: &[f32]| TargetsConfig { count: 1, mean: mean.to_vec(), std: std.to_vec() };
        for bad in [of(0), of(4097), whole(&[1.0], &[]), whole(&[1.0], &[0.0]), whole(&[f32::NAN], &[1.0])] {
            assert_eq!(bad.check().unwrap_err().code, Code::Option, "{bad:?}");
        }
        of(4096).check().unwrap();
        whole(&[1.0], &[2.0]).check().unwrap();
    }
}
