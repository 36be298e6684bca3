//! The optimisers as users name them.

use crate::error::{Code, Error};
use crate::ops::adamw::Rule;
use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// What moves parameters by their gradients. JSON has its name, or an object with `type`.
// Without braces serde would pass over a momentum.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Optimizer {
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019; the paper's for NoProp-DT).
    Adamw {},
    /// Adam whose weight decay is a part of the gradients, as of an L2 penalty (Kingma & Ba 2015; the paper's for NoProp-CT and FM).
    Adam {},
    /// Stochastic gradient descent with Nesterov's momentum, weight decay being a part of the gradients (as PyTorch has it).
    Sgd {
        /// How much of the last movement goes on, 0 to below 1. Default 0.9.
        #[serde(default = "default_momentum")]
        momentum: f64,
    },
}

fn default_momentum() -> f64 {
    0.9
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Adamw {}
    }
}

impl Optimizer {
    /// As options name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adamw {} => "adamw",
            Self::Adam {} => "adam",
            Self::Sgd { .. } => "sgd",
        }
    }

    /// How parameters move by it.
    pub(crate) fn rule(self) -> Rule {
        match self {
            Self::Adamw {} => Rule::AdamW,
            Self::Adam {} => Rule::Adam,
            Self::Sgd { momentum } => Rule::Sgd { momentum, nesterov: true },
        }
    }

    /// # Errors
    /// [`Code::Option`](crate::Code::Option) for a momentum out of its range.
    pub(crate) fn check(self) -> crate::Result<()> {
        match self {
            Self::Sgd { momentum } if !(0.0..1.0).contains(&momentum) => {
                Err(out_of_range("optimizer.momentum", "0 to below 1", momentum))
            }
            _ => Ok(()),
        }
    }

    /// Whether nothing else was asked for.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

fn out_of_range(name: &str, expected: &str, received: f64) -> Error {
    Error::new(Code::Option, format!("option {name} is out of range")).expected(expected).received(received.to_string())
}

impl Serialize for Optimizer {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Sgd { .. } => Self::serialize(self, to),
            _ => to.serialize_str(self.name()),
        }
    }
}

impl<'de> Deserialize<'de> for Optimizer {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct NameOrObject;
        impl<'de> Visitor<'de> for NameOrObject {
            type Value = Optimizer;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an optimiser, or an object with its type")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Optimizer, E> {
                Optimizer::deserialize(MapDeserializer::new(std::iter::once(("type", name))))
            }
            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Optimizer, M::Error> {
                Optimizer::deserialize(MapAccessDeserializer::new(map))
            }
        }
        from.deserialize_any(NameOrObject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FitOptions, from_json};

    #[test]
    fn a_name_and_an_object_are_one_and_the_default_is_not_written() {
        for json in [r#"{"optimizer":"adam"}"#, r#"{"optimizer":{"type":"adam"}}"#] {
            let options: FitOptions = from_json(json).unwrap();
            assert_eq!(options.optimizer, Optimizer::Adam {});
            assert_eq!(serde_json::to_value(&options).unwrap()["optimizer"], "adam");
        }
        for json in [r#"{"optimizer":"sgd"}"#, r#"{"optimizer":{"type":"sgd","momentum":0.9}}"#] {
            let options: FitOptions = from_json(json).unwrap();
            assert_eq!(options.optimizer, Optimizer::Sgd { momentum: 0.9 });
            let written = serde_json::to_value(&options).unwrap()["optimizer"].clone();
            assert_eq!(written, serde_json::json!({ "type": "sgd", "momentum": 0.9 }));
        }
        assert_eq!(serde_json::to_value(FitOptions::default()).unwrap().get("optimizer"), None);
        let error = from_json::<FitOptions>(r#"{"optimizer":"rmsprop"}"#).unwrap_err();
        assert_eq!((&error.what[..], &error.expected[..]), ("unknown optimizer 'rmsprop'", "adamw, adam or sgd"));
    }

    #[test]
    fn a_momentum_belongs_to_sgd() {
        for name in ["adam", "adamw"] {
            let json = format!(r#"{{"optimizer":{{"type":"{name}","momentum":0.5}}}}"#);
            let error = from_json::<FitOptions>(&json).unwrap_err();
            assert_eq!(error.what, format!("option optimizer.momentum does not apply to optimizer '{name}'"));
            assert_eq!(error.hint, "option optimizer.momentum is one of optimizer sgd");
        }
    }
}
