//! How a class is read off a state.

use crate::diffusion::{argmax, probabilities};
use crate::math::exp;

/// A rule from a state to classes.
#[derive(Debug, Clone, PartialEq)]
pub enum Readout {
    /// The greatest value, as the nearest of one-hot embeddings has it; see [`probabilities`].
    Greatest {
        /// The share of signal in the last state.
        alpha_bar: f64,
    },
    /// The softmax of a linear layer.
    Head {
        /// `[classes, classes]`, by inputs.
        weight: Vec<f64>,
        /// `[classes]`.
        bias: Vec<f64>,
    },
}

impl Readout {
    /// The class of a state.
    pub fn class(&self, z: &[f32]) -> usize {
        match self {
            Self::Greatest { .. } => argmax(z),
            Self::Head { weight, bias } => {
                let logits = (0..bias.len()).map(|class| logit(weight, bias, z, class));
                let best = logits.enumerate().reduce(|best, other| if other.1 > best.1 { other } else { best });
                best.map_or(0, |(class, _)| class)
            }
        }
    }

    /// The classes' probabilities at a last state, as many values in `out`; the greatest is that of [`class`](Self::class).
    pub fn probabilities(&self, z: &[f32], out: &mut [f32]) {
        match self {
            Self::Greatest { alpha_bar } => probabilities(z, *alpha_bar, out),
            Self::Head { weight, bias } => {
                let best = logit(weight, bias, z, self.class(z));
                let share = |class| exp(logit(weight, bias, z, class) - best);
                let total: f64 = (0..out.len()).map(share).sum();
                out.iter_mut().enumerate().for_each(|(class, out)| *out = (share(class) / total) as f32);
            }
        }
    }
}

fn logit(weight: &[f64], bias: &[f64], z: &[f32], class: usize) -> f64 {
    let products = z.iter().zip(weight[class..].iter().step_by(bias.len()));
    bias[class] + products.map(|(z, weight)| f64::from(*z) * weight).sum::<f64>()
}
