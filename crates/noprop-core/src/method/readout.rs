//! How a class is read off a state.

use super::loss::{log_density, mean_vector, softmax};
use crate::diffusion::{ClassVectors, argmax};
use crate::math::exp;

/// A rule from a state to classes.
#[derive(Debug, Clone, PartialEq)]
pub enum Readout {
    /// The nearest embedding, which of one-hot ones is that of the greatest value; see [`ClassVectors`].
    Nearest {
        /// The embeddings.
        vectors: ClassVectors,
        /// The share of signal in the last state.
        alpha_bar: f64,
    },
    /// The softmax of a linear layer.
    Head {
        /// `[width, classes]`, by inputs.
        weight: Vec<f64>,
        /// `[classes]`.
        bias: Vec<f64>,
    },
    /// p(y) ∝ exp(−‖ỹ − u_y‖² / 2σ²) with ỹ = softmax(linear layer) · W.
    Posterior {
        /// `[width, classes]`, by inputs.
        weight: Vec<f64>,
        /// `[classes]`.
        bias: Vec<f64>,
        /// u_y of all classes.
        vectors: ClassVectors,
        /// σ.
        sigma: f64,
    },
}

impl Readout {
    /// The class of a state.
    pub fn class(&self, z: &[f32]) -> usize {
        match self {
            Self::Nearest { vectors, .. } if vectors.is_one_hot() => argmax(z),
            Self::Nearest { vectors, alpha_bar } => vectors.nearest(z, *alpha_bar, &mut vec![0.0; vectors.classes()]),
            Self::Head { weight, bias } => {
                let logits = (0..bias.len()).map(|class| logit(weight, bias, z, class));
                let best = logits.enumerate().reduce(|best, other| if other.1 > best.1 { other } else { best });
                best.map_or(0, |(class, _)| class)
            }
            Self::Posterior { bias, .. } => {
                let mut scores = vec![0.0; bias.len()];
                self.scores(z, &mut scores);
                argmax(&scores)
            }
        }
    }

    /// Value k of the label's vector, as a state estimates it.
    pub fn value(&self, z: &[f32], k: usize) -> f64 {
        let alpha_bar = if let Self::Nearest { alpha_bar, .. } = self { *alpha_bar } else { 1.0 };
        f64::from(z[k]) / alpha_bar.sqrt()
    }

    /// What a last state has where an estimate of the label's vector has `value`.
    pub fn state(&self, value: f64) -> f32 {
        let alpha_bar = if let Self::Nearest { alpha_bar, .. } = self { *alpha_bar } else { 1.0 };
        (alpha_bar.sqrt() * value) as f32
    }

    /// How much speaks for each class at a state, as many values in `out`: greater for what is more probable.
    pub fn scores(&self, z: &[f32], out: &mut [f32]) {
        match self {
            Self::Nearest { vectors, alpha_bar } => vectors.nearness(z, *alpha_bar, out),
            Self::Head { weight, bias } => {
                out.iter_mut().enumerate().for_each(|(class, out)| *out = logit(weight, bias, z, class) as f32);
            }
            Self::Posterior { weight, bias, vectors, sigma } => {
                let (mut shares, mut mean) = (vec![0.0; bias.len()], vec![0.0; vectors.width()]);
                let logits = (0..bias.len()).map(|class| logit(weight, bias, z, class));
                mean_vector(logits, vectors, &mut shares, &mut mean);
                for (class, out) in out.iter_mut().enumerate() {
                    *out = log_density(&mean, vectors, class, *sigma) as f32;
                }
            }
        }
    }

    /// The classes' probabilities at a last state, as many values in `out`; the greatest is that of [`class`](Self::class).
    pub fn probabilities(&self, z: &[f32], out: &mut [f32]) {
        match self {
            Self::Nearest { vectors, alpha_bar } if vectors.is_one_hot() => vectors.probabilities(z, *alpha_bar, out),
            Self::Nearest { vectors, alpha_bar } => {
                let mut nearness = vec![0.0; out.len()];
                vectors.nearness(z, *alpha_bar, &mut nearness);
                vectors.probabilities(&nearness, *alpha_bar, out);
            }
            Self::Head { weight, bias } => {
                let best = logit(weight, bias, z, self.class(z));
                let share = |class| exp(logit(weight, bias, z, class) - best);
                let total: f64 = (0..out.len()).map(share).sum();
                out.iter_mut().enumerate().for_each(|(class, out)| *out = (share(class) / total) as f32);
            }
            Self::Posterior { .. } => {
                self.scores(z, out);
                let mut shares: Vec<f64> = out.iter().map(|score| f64::from(*score)).collect();
                softmax(&mut shares);
                out.iter_mut().zip(shares).for_each(|(out, share)| *out = share as f32);
            }
        }
    }
}

fn logit(weight: &[f64], bias: &[f64], z: &[f32], class: usize) -> f64 {
    let products = z.iter().zip(weight[class..].iter().step_by(bias.len()));
    bias[class] + products.map(|(z, weight)| f64::from(*z) * weight).sum::<f64>()
}
