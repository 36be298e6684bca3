//! Numbers to predict: what a regression model learns instead of classes.

use crate::error::{Code, Error, Result};

/// Most numbers of a sample.
pub const MAX_TARGETS: usize = 4096;

/// The same count of finite numbers for each sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Targets {
    /// Numbers of a sample.
    pub width: usize,
    /// `[samples, width]`.
    pub values: Vec<f32>,
}

impl Targets {
    /// # Errors
    /// [`Code::Count`] unless there are `width` numbers for each sample, [`Code::Value`] for one that is not finite,
    /// [`Code::Option`] for a width out of range.
    pub(super) fn check(&self, samples: usize) -> Result<()> {
        let Self { width, values } = self;
        if !(1..=MAX_TARGETS).contains(width) {
            return Err(Error::new(Code::Option, "the number of targets is out of range")
                .expected(format!("1 to {MAX_TARGETS} numbers for each sample"))
                .received(width.to_string()));
        }
        if Some(values.len()) != samples.checked_mul(*width) {
            return Err(Error::new(Code::Count, "targets and samples differ in number")
                .expected(format!("{} numbers: {width} for each of {samples} samples", samples.saturating_mul(*width)))
                .received(format!("{} numbers", values.len())));
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let (sample, target) = (at / width, at % width);
            return Err(Error::new(Code::Value, format!("target {target} of sample {sample} is not a finite number"))
                .expected("finite numbers")
                .received(values[at].to_string())
                .hint("samples and targets are counted from 0; replace or leave out the bad sample"));
        }
        Ok(())
    }
}
