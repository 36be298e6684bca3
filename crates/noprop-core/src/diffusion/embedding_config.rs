//! The embeddings of the classes as users name them.

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
    /// `dim` values that are trained with the nets, which are then one job. They begin as orthogonal rows where there is room for them, else
    /// as random ones.
    Learned {
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
    /// The embeddings of so many classes, or how they begin. All that is random in them follows from the seed.
    ///
    /// # Errors
    /// [`Code::Option`] for a dimension out of range.
    pub fn build(&self, classes: usize, seed: u64) -> Result<ClassVectors> {
        match *self {
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
        }
    }

    /// Whether they are trained.
    pub fn is_learned(&self) -> bool {
        matches!(self, Self::Learned { .. })
    }
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
        let refused = |classes, dim| EmbeddingConfig::Orthogonal { dim }.build(classes, 0).unwrap_err();
        assert_eq!(refused(10, 0).expected, "1 to 4096 for 10 classes");
        assert_eq!(refused(10, 5000).received, "5000");
        assert_eq!(refused(1 << 16, 65).expected, "1 to 64 for 65536 classes");
        // The product of the greatest numbers does not fit.
        assert_eq!(refused(1 << 16, usize::MAX).code, Code::Option);
    }
}
