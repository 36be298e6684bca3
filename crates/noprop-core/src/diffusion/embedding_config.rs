//! The embeddings of the classes as users name them.

use super::ClassVectors;
use crate::error::{Code, Error, Result};
use serde::{Deserialize, Serialize};

/// The embedding u_y of the classes. Serialised as an object with `type`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum EmbeddingConfig {
    /// u_y is the unit vector of the class: one value per class, nothing learned.
    OneHot {},
    /// Fixed random rows of `dim` values that follow from the seed; see [`ClassVectors::orthogonal`].
    Orthogonal {
        /// Values of an embedding.
        dim: usize,
    },
    /// `dim` values that are trained with the nets, which are then one job. They begin as orthogonal rows where there is room for them, else
    /// as random ones.
    Learned {
        /// Values of an embedding.
        dim: usize,
    },
    /// A training sample of each class, which stands in its middle; see [`medoids`](crate::data::medoids).
    Prototype {
        /// `[classes, values of a sample]`, once there are training samples.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        vectors: Vec<f32>,
        /// Whether they are only how the embeddings begin, which are then trained with the nets as [`Learned`](Self::Learned) are.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        learned: bool,
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
/// Most values of all prototypes, which are part of the configuration.
const MAX_PROTOTYPES: usize = 1 << 22;

impl EmbeddingConfig {
    /// The embeddings of so many classes, or how they begin; a sample has `input` values. All that is random in them follows from the seed.
    ///
    /// # Errors
    /// [`Code::Option`] for a dimension out of range, or for prototypes of other samples.
    pub fn build(&self, classes: usize, input: usize, seed: u64) -> Result<ClassVectors> {
        match *self {
            Self::Prototype { ref vectors, .. } => prototypes(vectors, classes, input, seed),
            Self::OneHot {} => Ok(ClassVectors::one_hot(classes)),
            Self::Orthogonal { dim } | Self::Learned { dim } => {
                let work = |dim: usize| classes * dim * classes.min(dim);
                if (1..=MAX_DIM).contains(&dim) && work(dim) <= MAX_WORK {
                    let is_random = self.is_learned() && dim < classes;
                    let make = if is_random { ClassVectors::random } else { ClassVectors::orthogonal };
                    return Ok(make(classes, dim, seed));
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
            Self::Learned { .. } => "learned",
            Self::Prototype { .. } => "prototype",
        }
    }

    /// The same with what is beside the ordinary.
    pub fn described(&self) -> &'static str {
        if self.is_prototype() && self.is_learned() { "learned prototype" } else { self.name() }
    }

    /// Whether they are trained.
    pub fn is_learned(&self) -> bool {
        matches!(self, Self::Learned { .. } | Self::Prototype { learned: true, .. })
    }

    /// Whether they are training samples, or begin as such.
    pub fn is_prototype(&self) -> bool {
        matches!(self, Self::Prototype { .. })
    }
}

/// Before there are training samples, random values stand for them: sizes follow from these, and nothing else.
fn prototypes(vectors: &[f32], classes: usize, input: usize, seed: u64) -> Result<ClassVectors> {
    let values = classes.saturating_mul(input);
    if values > MAX_PROTOTYPES {
        return Err(Error::new(Code::Option, "prototypes of so many classes are too large")
            .expected(format!("at most {MAX_PROTOTYPES} values in all"))
            .received(format!("{classes} classes of samples of {input} values"))
            .hint("use smaller images, or embedding {\"type\": \"orthogonal\", \"dim\": 20}"));
    }
    if vectors.is_empty() {
        return Ok(ClassVectors::random(classes, input, seed));
    }
    if vectors.len() != values || !vectors.iter().all(|value| value.is_finite()) {
        return Err(Error::new(Code::Option, "option embedding.vectors does not fit the model")
            .expected(format!("{values} finite values, {input} for each of {classes} classes"))
            .received(format!("{} values", vectors.len()))
            .hint("leave vectors out: training finds the prototypes"));
    }
    Ok(ClassVectors::of_rows(classes, vectors.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let refused = |classes, dim| EmbeddingConfig::Orthogonal { dim }.build(classes, 9, 0).unwrap_err();
        assert_eq!(refused(10, 0).expected, "1 to 4096 for 10 classes");
        assert_eq!(refused(10, 5000).received, "5000");
        assert_eq!(refused(1 << 16, 65).expected, "1 to 64 for 65536 classes");
        // The product of the greatest numbers does not fit.
        assert_eq!(refused(1 << 16, usize::MAX).code, Code::Option);
    }

    #[test]
    fn prototypes_have_the_values_of_samples() {
        let named: EmbeddingConfig = serde_json::from_str(r#"{"type":"prototype"}"#).unwrap();
        assert_eq!(serde_json::to_string(&named).unwrap(), r#"{"type":"prototype"}"#);
        assert_eq!((named.build(3, 5, 0).unwrap().classes(), named.build(3, 5, 0).unwrap().width()), (3, 5));
        let vectors: Vec<f32> = (0..6_u8).map(|value| f32::from(value) / 255.0).collect();
        let found = EmbeddingConfig::Prototype { vectors: vectors.clone(), learned: false };
        let json = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<EmbeddingConfig>(&json).unwrap(), found);
        assert_eq!(found.build(2, 3, 0).unwrap(), ClassVectors::of_rows(2, vectors.into()));
        let refused = |embedding: &EmbeddingConfig, classes, input| embedding.build(classes, input, 0).unwrap_err();
        assert_eq!(refused(&found, 3, 3).expected, "9 finite values, 3 for each of 3 classes");
        assert_eq!(
            refused(&EmbeddingConfig::Prototype { vectors: vec![f32::NAN; 6], learned: false }, 2, 3).code,
            Code::Option
        );
        assert!(refused(&named, 1000, 224 * 224 * 3).hint.contains("orthogonal"));
        assert_eq!(refused(&named, usize::MAX, 4).code, Code::Option);
    }
}
