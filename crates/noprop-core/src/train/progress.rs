//! What a run tells its observer. Blocks and epochs are counted from 1.

use super::validation::Score;
use crate::error::Error;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize};

/// Something that happened to a block.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// Where a block is now. May be left out when others follow.
    Progress {
        /// The block.
        block: usize,
        /// The epoch it is in.
        epoch: usize,
        /// Epochs in all.
        epochs: usize,
        /// Steps done.
        step: u64,
        /// Steps in all.
        steps: u64,
        /// Mean loss of the epoch so far, as far as it is known. A device is asked at the end of an epoch and for a
        /// checkpoint alone: before that it is the loss of the last epoch, and `None` in the first.
        loss: Option<f64>,
        /// Samples of this block per second since it started or resumed, waiting included.
        samples_per_second: f64,
        /// Seconds until this block is done at that rate.
        seconds_left: f64,
        /// Blocks that the run trains at this moment.
        jobs: usize,
        /// Threads that work on them. On devices, one for each.
        threads: usize,
    },
    /// A block finished an epoch.
    Epoch {
        /// The block.
        block: usize,
        /// The epoch.
        epoch: usize,
        /// Mean over the samples of ‖û − u_y‖².
        loss: f64,
        /// The same on the validation samples, if they were looked at after this epoch.
        #[serde(skip_serializing_if = "Option::is_none")]
        validation_loss: Option<f64>,
        /// Share of the validation samples whose class the block's estimate says.
        #[serde(skip_serializing_if = "Option::is_none")]
        validation_accuracy: Option<f64>,
    },
    /// All blocks together were measured on the validation samples as they were after the same epoch.
    Chain {
        /// The epoch.
        epoch: usize,
        /// Share of the samples whose class is right.
        accuracy: f64,
        /// Brier score, as an evaluation has it.
        loss: f64,
    },
    /// A block's state is on disk.
    Checkpoint {
        /// The block.
        block: usize,
        /// Steps done.
        step: u64,
    },
    /// A block is trained.
    Block {
        /// The block.
        block: usize,
        /// Loss of its last epoch.
        loss: f64,
        /// Loss of each epoch.
        losses: Vec<f64>,
        /// Its validations.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        validation: Vec<Score>,
        /// The epoch whose weights it has, where these are not its last ones.
        #[serde(skip_serializing_if = "Option::is_none")]
        best_epoch: Option<usize>,
        /// Why it ended.
        reason: End,
        /// Time spent in its steps; of steps that blocks make together on a device, an equal share.
        seconds: f64,
        /// Whether a checkpoint held it already.
        resumed: bool,
    },
    /// A block job ended with an error.
    Failed {
        /// The block.
        block: usize,
        /// Why.
        error: Failure,
    },
}

/// Why a block ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// All epochs are done.
    #[default]
    Epochs,
    /// Its validation loss did not get better.
    EarlyStopping,
    /// The run was told to end with what there was.
    Stopped,
}

/// An error as an event carries it.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure(pub Error);

impl Serialize for Failure {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Error { code, what, expected, received, hint } = &self.0;
        let mut fields = serializer.serialize_struct("Error", 5)?;
        fields.serialize_field("code", code.as_str())?;
        fields.serialize_field("what", what)?;
        fields.serialize_field("expected", expected)?;
        fields.serialize_field("received", received)?;
        fields.serialize_field("hint", hint)?;
        fields.end()
    }
}

/// Takes events, from any thread, in the order in which each block emits them. Must return quickly.
pub type Observer = Box<dyn Fn(Event) + Send + Sync>;
