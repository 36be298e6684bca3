//! The closed set of operations. What one does is said in its file in [`spec`].

use super::spec::{self, Spec};
use crate::config::from_json;
use crate::error::{Code, Error, Result};
use serde_json::{Map, Value};

/// Hands all operations to a macro: the name that JSON has, and the type in [`spec`](super::spec).
macro_rules! each_operation {
    ($then:ident) => {
        $then! {
            "linear" => Linear,
            "conv" => Conv,
            "batch-norm" => BatchNorm,
            "layer-norm" => LayerNorm,
            "adaptive-layer-norm" => AdaptiveLayerNorm,
            "relu" => Relu,
            "gelu" => Gelu,
            "silu" => Silu,
            "softmax" => Softmax,
            "max-pool" => MaxPool,
            "mean-pool" => MeanPool,
            "global-pool" => GlobalPool,
            "dropout" => Dropout,
            "add" => Add,
            "multiply" => Multiply,
            "concatenate" => Concatenate,
            "flatten" => Flatten,
            "patches" => Patches,
            "positions" => Positions,
            "attention" => Attention,
            "join-tokens" => JoinTokens,
            "first-token" => FirstToken,
            "time-features" => TimeFeatures,
        }
    };
}
pub(super) use each_operation;

macro_rules! declare {
    ($($name:literal => $op:ident),* $(,)?) => {
        /// An operation with its options.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs, reason = "the type of each says it")]
        pub enum Op {
            /// An input of the net.
            Input,
            Mix(spec::Mix),
            Streams(spec::Streams),
            Goodness(spec::Goodness),
            Neutral(spec::Neutral),
            Embed(spec::Embed),
            $($op(spec::$op)),*
        }

        /// The names of all operations, as JSON has them.
        pub const NAMES: &[&str] = &[$($name),*];

        impl Op {
            /// What it does.
            pub(crate) fn spec(&self) -> &dyn Spec {
                match self {
                    Self::Input => &spec::Input,
                    Self::Mix(spec) => spec,
                    Self::Streams(spec) => spec,
                    Self::Goodness(spec) => spec,
                    Self::Neutral(spec) => spec,
                    Self::Embed(spec) => spec,
                    $(Self::$op(spec) => spec),*
                }
            }

            /// As JSON names it: `batch-norm`.
            pub fn name(&self) -> &'static str {
                match self {
                    Self::Input => "input",
                    Self::Mix(_) => "mix",
                    Self::Streams(_) => "streams",
                    Self::Goodness(_) => "goodness",
                    Self::Neutral(_) => "neutral",
                    Self::Embed(_) => "embed",
                    $(Self::$op(_) => $name),*
                }
            }

            /// The operation of that name with these options.
            fn read(name: &str, options: &str) -> Result<Self> {
                match name {
                    $($name => from_json(options).map(Self::$op),)*
                    _ => Err(Error::new(Code::Option, format!("unknown op '{name}'")).expected(NAMES.join(", "))),
                }
            }
        }
    };
}

each_operation!(declare);

impl Op {
    /// Whether it only changes values one by one, or all of a vector as softmax does, after a layer.
    pub(crate) fn is_activation(&self) -> bool {
        matches!(self, Self::Relu(_) | Self::Gelu(_) | Self::Silu(_) | Self::Softmax(_) | Self::Dropout(_))
    }

    /// Whether it has a loss of its own, and no gradient goes through it.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self, Self::Goodness(_))
    }

    /// The name of a node that was given none.
    pub(crate) fn name_at(&self, index: usize) -> String {
        format!("{}{index}", self.name())
    }

    /// The operation that the fields of a node name, at `place` in what the user wrote.
    ///
    /// # Errors
    /// [`Code::Option`] naming the field.
    pub(crate) fn from_fields(mut fields: Map<String, Value>, place: &str) -> Result<Self> {
        let Some(Value::String(name)) = fields.remove("op") else {
            return Err(Error::new(Code::Option, format!("option {place}.op is missing")).expected(NAMES.join(", ")));
        };
        Self::read(&name, &Value::Object(fields).to_string()).map_err(|mut error| {
            error.what = error.what.replacen("option ", &format!("option {place}."), 1);
            if !error.what.contains(place) {
                error.what = format!("{place}: {}", error.what);
            }
            error
        })
    }
}
