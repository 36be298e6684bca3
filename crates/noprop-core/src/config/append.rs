//! Blocks that are trained behind those of a model.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// How many, or at which levels of noise.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
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

impl<'de> Deserialize<'de> for Append {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct NumberOrList;
        impl<'de> Visitor<'de> for NumberOrList {
            type Value = Append;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of blocks, or a list of signal shares")
            }
            fn visit_u64<E: Error>(self, count: u64) -> Result<Append, E> {
                Ok(Append::Blocks(usize::try_from(count).unwrap_or(usize::MAX)))
            }
            fn visit_seq<S: SeqAccess<'de>>(self, list: S) -> Result<Append, S::Error> {
                numbers(list).map(Append::Levels)
            }
        }
        from.deserialize_any(NumberOrList)
    }
}

/// The numbers of a list.
pub(super) fn numbers<'de, S: SeqAccess<'de>>(mut list: S) -> Result<Vec<f64>, S::Error> {
    let mut values = Vec::new();
    while let Some(value) = list.next_element()? {
        values.push(value);
    }
    Ok(values)
}
