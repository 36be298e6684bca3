//! How a class is read off a state.

use crate::diffusion::{argmax, probabilities};

/// A rule from a state to classes.
#[derive(Debug, Clone, PartialEq)]
pub enum Readout {
    /// The greatest value, as the nearest of one-hot embeddings has it; see [`probabilities`].
    Greatest {
        /// The share of signal in the last state.
        alpha_bar: f64,
    },
}

impl Readout {
    /// The class of a state.
    pub fn class(&self, z: &[f32]) -> usize {
        match self {
            Self::Greatest { .. } => argmax(z),
        }
    }

    /// The classes' probabilities at a last state, as many values in `out`; the greatest is that of [`class`](Self::class).
    pub fn probabilities(&self, z: &[f32], out: &mut [f32]) {
        match self {
            Self::Greatest { alpha_bar } => probabilities(z, *alpha_bar, out),
        }
    }
}
