//! Class embeddings u_y and how a class is read off the last state.

use super::ClassVectors;
use crate::error::{Code, Error, Result};
use serde::{Deserialize, Serialize};

/// The embedding u_y of the classes. Serialised as an object with `type`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum EmbeddingConfig {
    /// u_y is the unit vector of the class: one value per class, nothing learned.
    OneHot {},
    /// Fixed random rows of `dim` values that follow from the seed; see [`ClassVectors::orthogonal`].
    Orthogonal {
        /// Values of an embedding.
        dim: usize,
    },
}

impl Default for EmbeddingConfig {
    fn default() -> Self {
        Self::OneHot {}
    }
}

/// Most values of an embedding.
const MAX_DIM: usize = 4096;
/// Most multiply-adds of one pass of making rows orthogonal, about a second.
const MAX_WORK: usize = 1 << 28;

impl EmbeddingConfig {
    /// The embeddings of so many classes. All that is random in them follows from the seed.
    ///
    /// # Errors
    /// [`Code::Option`] for a dimension out of range.
    pub fn build(&self, classes: usize, seed: u64) -> Result<ClassVectors> {
        match *self {
            Self::OneHot {} => Ok(ClassVectors::one_hot(classes)),
            Self::Orthogonal { dim } => {
                let work = |dim: usize| classes * dim * classes.min(dim);
                if (1..=MAX_DIM).contains(&dim) && work(dim) <= MAX_WORK {
                    return Ok(ClassVectors::orthogonal(classes, dim, seed));
                }
                let most = (1..=MAX_DIM).rev().find(|dim| work(*dim) <= MAX_WORK).unwrap_or(1);
                Err(Error::new(Code::Option, "option embedding.dim is out of range")
                    .expected(format!("1 to {most} for {classes} classes"))
                    .received(dim.to_string()))
            }
        }
    }

    /// As options name it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::OneHot {} => "one-hot",
            Self::Orthogonal { .. } => "orthogonal",
        }
    }
}

/// Class probabilities of a last state `z` = z_T (one value per class): the Euclidean projection of z_T / √alpha_bar_T onto
/// the probability simplex, written to `out` (as long as `z`). `argmax(out) == argmax(z)`.
///
/// Why a projection and not a softmax: a block trained with squared error estimates E[u_y | x], whose k-th element **is** the
/// probability of class k. So z_T / √alpha_bar_T already is an estimate of the probabilities, off the simplex by estimation
/// error only, and the nearest point of the simplex mends that. A softmax would flatten even a certain [1, 0, …, 0].
///
/// A NaN counts as the least value; a state of nothing but NaN gives equal probabilities.
pub fn probabilities(z: &[f32], alpha_bar_end: f64, out: &mut [f32]) {
    debug_assert_eq!(z.len(), out.len());
    if z.is_empty() {
        return;
    }
    let best = argmax(z);
    let top = f64::from(z[best]);
    if top.is_nan() || top == f64::NEG_INFINITY {
        out.fill(1.0 / z.len() as f32);
        return;
    }
    let scale = if alpha_bar_end > 0.0 { alpha_bar_end.sqrt().recip() } else { 1.0 };
    // Values relative to the maximum: the projection does not see a common shift, and large states keep their precision.
    let relative = |value: f32| {
        if value.is_nan() {
            f64::NEG_INFINITY
        } else if value == z[best] {
            0.0
        } else {
            (f64::from(value) - top) * scale
        }
    };
    // The threshold τ with Σ max(v − τ, 0) = 1 (Michelot 1986): take the mean excess of the values still above, until no
    // value drops out. τ starts at its lower bound −1 (the maximum alone sums to 1), so every kept value is finite.
    let mut threshold = -1.0;
    let mut kept = usize::MAX;
    loop {
        let above = z.iter().map(|&value| relative(value)).filter(|&value| value > threshold);
        let (count, sum) = above.fold((0, 0.0), |(count, sum), value| (count + 1, sum + value));
        if count == kept {
            break;
        }
        kept = count;
        threshold = (sum - 1.0) / count as f64;
    }
    for (probability, &value) in out.iter_mut().zip(z) {
        *probability = (relative(value) - threshold).max(0.0) as f32;
    }
    // Rounding to f32 can make a smaller value before the maximum equal to it; the first maximum must stay the same.
    if argmax(out) != best {
        out[best] = out[best].next_up();
    }
}

/// The position of the first maximum; a NaN never wins. 0 when there is nothing but NaN (or nothing at all).
pub fn argmax(values: &[f32]) -> usize {
    let mut best: Option<usize> = None;
    for (k, value) in values.iter().enumerate() {
        if !value.is_nan() && best.is_none_or(|b| *value > values[b]) {
            best = Some(k);
        }
    }
    best.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn project(z: &[f32], alpha_bar: f64) -> Vec<f32> {
        let mut out = vec![f32::NAN; z.len()];
        probabilities(z, alpha_bar, &mut out);
        out
    }

    #[test]
    fn probabilities_pass_unchanged() {
        assert_eq!(project(&[0.25, 0.5, 0.25], 1.0), [0.25, 0.5, 0.25]);
        assert_eq!(project(&[0.0, 1.0, 0.0], 1.0), [0.0, 1.0, 0.0]);
    }

    #[test]
    fn the_state_is_unscaled_first() {
        assert_eq!(project(&[0.25, 0.125, 0.125], 0.25), [0.5, 0.25, 0.25]);
    }

    #[test]
    fn a_known_projection() {
        // τ = (1.2 + 0.4 − 1) / 2 = 0.3; the last value lies below it.
        let p = project(&[1.2, 0.4, 0.1], 1.0);
        for (got, want) in p.iter().zip([0.9, 0.1, 0.0]) {
            assert!((got - want).abs() < 1e-6, "{p:?}");
        }
    }

    #[test]
    fn values_that_are_not_finite() {
        assert_eq!(project(&[f32::NAN; 4], 1.0), [0.25; 4]);
        assert_eq!(project(&[f32::NEG_INFINITY, f32::NAN], 1.0), [0.5; 2]);
        assert_eq!(project(&[f32::NAN, 0.3, f32::NEG_INFINITY], 1.0), [0.0, 1.0, 0.0]);
        assert_eq!(project(&[0.0, f32::INFINITY], 1.0), [0.0, 1.0]);
        assert_eq!(project(&[f32::MAX, -f32::MAX, f32::MIN_POSITIVE], 1e-4), [1.0, 0.0, 0.0]);
        assert_eq!(project(&[], 1.0), [0.0; 0]);
    }

    #[test]
    fn argmax_takes_the_first_maximum_and_never_a_nan() {
        assert_eq!(argmax(&[1.0, 3.0, 3.0]), 1);
        assert_eq!(argmax(&[f32::NAN, -1.0, f32::NAN]), 1);
        assert_eq!(argmax(&[f32::NAN, f32::NEG_INFINITY]), 1);
        assert_eq!(argmax(&[f32::NAN]), 0);
        assert_eq!(argmax(&[]), 0);
    }

    #[test]
    fn values_closer_than_the_rounding_keep_their_order() {
        let near = 0.1f32;
        let z = [near, near.next_up(), near];
        assert_eq!(argmax(&project(&z, 1.0)), 1);
    }

    #[test]
    fn the_configuration_is_an_object_with_a_type() {
        let json = serde_json::to_string(&EmbeddingConfig::default()).unwrap();
        assert_eq!(json, r#"{"type":"one-hot"}"#);
        assert_eq!(serde_json::from_str::<EmbeddingConfig>(&json).unwrap(), EmbeddingConfig::OneHot {});
        assert!(serde_json::from_str::<EmbeddingConfig>(r#"{"type":"one-hot","dim":3}"#).is_err());
        assert!(serde_json::from_str::<EmbeddingConfig>(r#"{"type":"orthogonal"}"#).is_err());
        let orthogonal: EmbeddingConfig = serde_json::from_str(r#"{"type":"orthogonal","dim":20}"#).unwrap();
        assert_eq!(orthogonal, EmbeddingConfig::Orthogonal { dim: 20 });
    }

    #[test]
    fn a_dimension_that_would_take_too_long_is_refused_with_the_most_that_does_not() {
        let refused = |classes, dim| EmbeddingConfig::Orthogonal { dim }.build(classes, 0).unwrap_err();
        assert_eq!(refused(10, 0).expected, "1 to 4096 for 10 classes");
        assert_eq!(refused(10, 5000).received, "5000");
        assert_eq!(refused(1 << 16, 65).expected, "1 to 64 for 65536 classes");
        // The product of the greatest numbers does not fit.
        assert_eq!(refused(1 << 16, usize::MAX).code, Code::Option);
    }

    proptest! {
        #[test]
        fn a_distribution_with_the_same_first_maximum(
            z in prop::collection::vec(-3.0f32..3.0, 1..40), alpha_bar in 0.01f64..1.0,
        ) {
            let p = project(&z, alpha_bar);
            prop_assert!(p.iter().all(|p| (0.0..=1.0 + 1e-6).contains(p)));
            let sum: f64 = p.iter().copied().map(f64::from).sum();
            prop_assert!((sum - 1.0).abs() < 1e-5, "sum {}", sum);
            prop_assert_eq!(argmax(&p), argmax(&z));
        }

        /// The nearest point of a convex set: no other distribution makes an acute angle with the error.
        #[test]
        fn no_other_distribution_is_nearer(
            z in prop::collection::vec(-2.0f32..2.0, 2..8), other in prop::collection::vec(0.01f64..1.0, 8),
        ) {
            let p = project(&z, 1.0);
            let total: f64 = other[..z.len()].iter().sum();
            let inner: f64 = (0..z.len())
                .map(|k| (f64::from(z[k]) - f64::from(p[k])) * (other[k] / total - f64::from(p[k])))
                .sum();
            prop_assert!(inner < 1e-5, "{}", inner);
        }
    }
}
