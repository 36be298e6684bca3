//! What a user configures, checked in one place. JSON names are camelCase; an unknown name is an error.
//!
//! | file | what it holds |
//! |---|---|
//! | `model.rs` | what a model is: blocks, net, schedule, classes |
//! | `fit.rs` | how it is trained |
//! | `append.rs` | blocks that are trained behind those of a model |
//! | `class_weights.rs` | how much the samples of a class count |
//! | `classifier.rs` | the classifier that its encoder is cut from |
//! | `encoder.rs` | the encoder of a model whose blocks share features |
//! | `launched.rs` | what kernels see of it |
//! | `early_stopping.rs` | when a block ends before its last epoch |
//! | `refusal.rs` | why options cannot be read from JSON |

mod append;
mod class_weights;
mod classifier;
mod early_stopping;
mod encoder;
mod fit;
mod launched;
mod model;
mod refusal;
mod targets;

pub use crate::method::{HeadConfig, MethodConfig};
pub use crate::ops::multiply::Precision;
pub use append::Append;
pub use class_weights::ClassWeights;
pub use early_stopping::EarlyStopping;
pub use encoder::EncoderConfig;
pub use fit::{FitOptions, threads};
pub(crate) use launched::Launched;
pub use model::{CheckedConfig, EncoderParts, JobParts, ModelConfig};
pub use targets::TargetsConfig;

use crate::error::{Code, Error, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a configuration from JSON.
///
/// ```
/// use noprop_core::config::from_json;
/// use noprop_core::{Code, FitOptions, ModelConfig};
///
/// let model: ModelConfig = from_json(r#"{ "input": [28, 28], "classes": [0, 1], "blocks": 3 }"#)?;
/// assert_eq!(model.blocks, 3);
/// let error = from_json::<FitOptions>(r#"{ "epoch": 2 }"#).unwrap_err();
/// assert_eq!(error.code, Code::Option);
/// # Ok::<(), noprop_core::Error>(())
/// ```
///
/// # Errors
/// [`Code::Option`] naming the unknown option or the bad value.
pub fn from_json<T: DeserializeOwned>(json: &str) -> Result<T> {
    let complaint = |root: &Value| of_value::<T>(root).err();
    let root = value_of(json).map_err(|error| refusal::refused(&complaint, &Value::Null, ".", &error))?;
    of_value(&root).map_err(|(path, message)| refusal::refused(&complaint, &root, &path, &message))
}

fn value_of(json: &str) -> std::result::Result<Value, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

/// As [`from_json`], or the option that serde stopped at ("." for all of them) and what it says. All options come this way, so that the
/// compiler makes one reader of each type.
fn of_value<T: DeserializeOwned>(root: &Value) -> std::result::Result<T, (String, String)> {
    serde_path_to_error::deserialize(root).map_err(|error| (error.path().to_string(), error.into_inner().to_string()))
}

pub(crate) fn out_of_range(name: &str, expected: impl Into<String>, received: impl ToString) -> Error {
    Error::new(Code::Option, format!("option {name} is out of range")).expected(expected).received(received.to_string())
}
