//! What other machines are told of a run before it begins.

use crate::error::json;
use crate::training::run;
use noprop_core::Result;
use noprop_core::model::of_kind;
use noprop_core::train::Plan;
use serde::Serialize;
use serde_json::{Value, json};

/// Most bytes of a header that do not depend on epochs: names of tensors and classes, columns of a table.
const HEADER: u64 = 64 << 20;
/// Most bytes that an epoch adds to a header: its loss and its validation.
const EPOCH: u64 = 256;

/// A run; texts are kept as they are, since JavaScript knows no difference between 0 and 0.0.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    /// Everything that the weights depend on, as JSON.
    run: String,
    /// The kind of device that it is trained on.
    kind: String,
    /// The options on which the weights depend, as JSON.
    options: String,
    epochs: usize,
    batch: usize,
    steps_per_block: u64,
    /// Most bytes of the file of a part of one block.
    part_bytes: u64,
    /// Most bytes of the file of a block's state.
    state_bytes: u64,
}

/// Describes a run as JSON. `kind` is that of other machines, where these are to train it.
pub fn describe(plan: &Plan, kind: Option<String>) -> Result<String> {
    let mut run = of_kind(run(plan));
    if let Some(kind) = kind {
        run["device"] = json!(kind);
    }
    let mut options = json!(plan.options);
    if let Some(options) = options.as_object_mut() {
        for name in ["threads", "inFlight", "device", "checkpoint", "checkpointSeconds", "resume", "onlyBlocks"] {
            options.remove(name);
        }
        options.retain(|_, value| !value.is_null());
    }
    let largest = plan.model.weights_of_jobs().into_iter().max().unwrap_or(0) as u64;
    let header = HEADER + EPOCH * plan.options.epochs as u64;
    json(&Described {
        kind: run["device"].as_str().unwrap_or_default().to_owned(),
        run: run.to_string(),
        options: Value::to_string(&options),
        epochs: plan.options.epochs,
        batch: plan.options.batch.unwrap_or(0),
        steps_per_block: plan.steps(),
        part_bytes: 4 * largest + header,
        // Parameters with both moments, their average, and the best weights so far.
        state_bytes: 5 * 4 * largest + header,
    })
}
