//! How much the samples of each class count in the loss.

use super::append::numbers;
use super::out_of_range;
use crate::error::{Code, Error, Result};
use serde::de::{SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Greatest weight.
const MOST: f64 = 1e6;

/// Factors of the losses of samples by their classes.
#[derive(Debug, Clone, PartialEq)]
pub enum ClassWeights {
    /// samples / (classes · samples of the class): all classes count alike, and the mean over the samples is 1.
    Balanced,
    /// One a class, in their order.
    Each(Vec<f64>),
}

const BALANCED: &str = "balanced";

impl Serialize for ClassWeights {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Balanced => to.serialize_str(BALANCED),
            Self::Each(weights) => weights.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for ClassWeights {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct NameOrList;
        impl<'de> Visitor<'de> for NameOrList {
            type Value = ClassWeights;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("'balanced', or a list of numbers")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> std::result::Result<ClassWeights, E> {
                match name {
                    BALANCED => Ok(ClassWeights::Balanced),
                    _ => Err(E::invalid_value(Unexpected::Str(name), &self)),
                }
            }
            fn visit_seq<S: SeqAccess<'de>>(self, list: S) -> std::result::Result<ClassWeights, S::Error> {
                numbers(list).map(ClassWeights::Each)
            }
        }
        from.deserialize_any(NameOrList)
    }
}

impl ClassWeights {
    /// The factor of each of so many classes, for training samples of these classes.
    ///
    /// # Errors
    /// [`Code::Option`] for another number of factors, or one out of its range.
    pub(crate) fn factors(&self, of_samples: &[u32], classes: usize) -> Result<Vec<f64>> {
        let weights = match self {
            Self::Balanced => {
                let mut counts = vec![0_usize; classes];
                of_samples.iter().for_each(|class| counts[*class as usize] += 1);
                // A class without a sample needs none.
                let weight = |count: usize| of_samples.len() as f64 / (classes * count.max(1)) as f64;
                return Ok(counts.into_iter().map(weight).collect());
            }
            Self::Each(weights) => weights,
        };
        if weights.len() != classes {
            return Err(Error::new(Code::Option, "option classWeights has the wrong number of values")
                .expected(format!("{classes} numbers, one for each class in their order, or 'balanced'"))
                .received(format!("{} numbers", weights.len())));
        }
        if let Some(bad) = weights.iter().find(|weight| !(0.0..=MOST).contains(*weight)) {
            return Err(out_of_range("classWeights", format!("0 to {MOST} for each class"), bad));
        }
        if weights.iter().all(|weight| *weight == 0.0) {
            return Err(out_of_range("classWeights", "at least one class that counts", "0 for every class"));
        }
        Ok(weights.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_json;

    #[test]
    fn balanced_classes_count_alike() {
        let balanced: ClassWeights = from_json(r#""balanced""#).unwrap();
        let classes = [0, 0, 0, 0, 0, 0, 2, 2, 3];
        // scikit-learn: compute_class_weight('balanced', classes=[0, 2, 3], y=…) of three classes is 0.5, 1.5, 3.
        assert_eq!(balanced.factors(&classes, 4).unwrap(), [0.375, 2.25, 1.125, 2.25]);
        let sum: f64 = classes.iter().map(|class| [0.375, 0.0, 1.125, 2.25][*class as usize]).sum();
        assert_eq!(sum, 6.75);
    }

    #[test]
    fn bad_weights_are_refused() {
        let each: ClassWeights = from_json("[1, 0.5, 0]").unwrap();
        assert_eq!(each.factors(&[0], 3).unwrap(), [1.0, 0.5, 0.0]);
        for (weights, text) in [
            (vec![1.0, 2.0], "wrong number"),
            (vec![1.0, 2.0, -1.0], "out of range"),
            (vec![1.0, f64::NAN, 1.0], "out of range"),
            (vec![0.0; 3], "out of range"),
        ] {
            let error = ClassWeights::Each(weights).factors(&[0], 3).unwrap_err();
            assert!(error.code == Code::Option && error.what.contains(text), "{error}");
        }
        assert!(from_json::<ClassWeights>(r#""even""#).is_err());
    }
}
