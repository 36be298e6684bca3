//! When a block ends before its last epoch.

use super::out_of_range;
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// Ends each block by its own validation loss: a block that has not got better for a while trains no more. Other blocks go on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EarlyStopping {
    /// Validations in a row without a better loss after which a block ends. Default 3.
    pub patience: usize,
    /// A loss is better if it is lower than the best so far by more than this. Default 0.
    pub min_delta: f64,
    /// Whether a block ends with the weights of its best validation instead of its last ones. Default true.
    pub restore_best: bool,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self { patience: 3, min_delta: 0.0, restore_best: true }
    }
}

impl EarlyStopping {
    /// # Errors
    /// [`Code::Option`](crate::Code::Option) naming the value and its range.
    pub fn check(&self) -> Result<()> {
        if !(1..=1_000_000).contains(&self.patience) {
            return Err(out_of_range("earlyStopping.patience", "1 to 1000000", self.patience));
        }
        if !(0.0..=1e6).contains(&self.min_delta) {
            return Err(out_of_range("earlyStopping.minDelta", "0 to 1000000", self.min_delta));
        }
        Ok(())
    }
}
