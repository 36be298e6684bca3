//! Blocks that are trained behind those of a model.

use serde::{Deserialize, Serialize};

/// How many, or at which levels of noise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number of blocks, or a list of signal shares")]
pub enum Append {
    /// So many, at levels that are even between the last block's and the end of the chain.
    Blocks(usize),
    /// One for each of these shares of signal in what it gets, ᾱ, ascending.
    Levels(Vec<f64>),
}

impl Append {
    /// How many blocks.
    pub fn count(&self) -> usize {
        match self {
            Self::Blocks(count) => *count,
            Self::Levels(levels) => levels.len(),
        }
    }
}
