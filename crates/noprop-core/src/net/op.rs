//! The closed set of operations. What one does is said in its file in [`spec`](super::spec).

use super::spec::{self, Spec};
use serde::{Deserialize, Serialize};

/// An operation with its options, as JSON has it: `{ "op": "linear", "units": 64 }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the type of each says it")]
pub enum Op {
    /// An input of the net.
    #[serde(skip)]
    Input,
    Linear(spec::Linear),
    Conv(spec::Conv),
    BatchNorm(spec::BatchNorm),
    Relu(spec::Relu),
    MaxPool(spec::MaxPool),
    Dropout(spec::Dropout),
    Add(spec::Add),
    Softmax(spec::Softmax),
    Flatten(spec::Flatten),
}

impl Op {
    /// What it does.
    pub(crate) fn spec(&self) -> &dyn Spec {
        match self {
            Self::Input => &spec::Input,
            Self::Linear(spec) => spec,
            Self::Conv(spec) => spec,
            Self::BatchNorm(spec) => spec,
            Self::Relu(spec) => spec,
            Self::MaxPool(spec) => spec,
            Self::Dropout(spec) => spec,
            Self::Add(spec) => spec,
            Self::Softmax(spec) => spec,
            Self::Flatten(spec) => spec,
        }
    }

    /// As JSON names it: `batch-norm`.
    pub fn name(&self) -> String {
        let json = serde_json::to_value(self).unwrap_or_default();
        json["op"].as_str().unwrap_or("input").to_owned()
    }

    /// The name of a node that was given none.
    pub(crate) fn name_at(&self, index: usize) -> String {
        format!("{}{index}", self.name())
    }
}
