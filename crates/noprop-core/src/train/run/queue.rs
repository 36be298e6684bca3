//! The jobs in flight, and which of them a thread takes.

use crate::error::{Code, Error, Result};
use crate::model::BlockReport;
use crate::train::job::{BlockJob, Every};
use crate::train::progress::End;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// The jobs that wait for a thread, and what is known of the others.
#[derive(Default)]
pub(in crate::train) struct Queue {
    pub(in crate::train) jobs: Vec<InFlight>,
    /// Blocks that have been put in flight, also those that have ended.
    pub(super) started: BTreeSet<usize>,
    pub(in crate::train) closed: bool,
    /// Blocks that have ended, whose weights are in the store.
    pub(super) ended: BTreeSet<usize>,
    /// Blocks that ended before their last epoch.
    pub(super) early: Vec<EarlyEnd>,
    /// Of blocks that have ended, where the model becomes a part.
    pub(super) reports: BTreeMap<usize, BlockReport>,
}

/// A block that ended before its last epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct EarlyEnd {
    /// The block, from 1.
    pub block: usize,
    /// Epochs that it finished.
    pub epochs: usize,
    /// Why it ended.
    pub reason: End,
}

/// A job with what its events need.
pub(in crate::train) struct InFlight {
    pub(in crate::train) block: usize,
    /// `None` until a thread first takes it: its buffers are made there.
    pub(in crate::train) job: Option<BlockJob>,
    pub(super) progress: Every,
    pub(in crate::train) checkpoint: Every,
    pub(in crate::train) started: Instant,
    /// Step at which this process took the job up.
    pub(in crate::train) first_step: u64,
    /// Step of the state that the checkpoint holds; 0 while it holds none.
    pub(in crate::train) kept: u64,
}

impl InFlight {
    /// A block (from 1) that is put in flight now, with these times between its progress events and its checkpoints.
    pub(super) fn new(block: usize, progress: Duration, checkpoint: Duration) -> Self {
        Self {
            block,
            job: None,
            progress: Every::new(progress),
            checkpoint: Every::new(checkpoint),
            started: Instant::now(),
            first_step: 0,
            kept: 0,
        }
    }

    /// The job, once a thread has begun it.
    pub(in crate::train) fn begun(&mut self) -> Result<&mut BlockJob> {
        self.job.as_mut().ok_or_else(|| Error::new(Code::Internal, "a job that has not started"))
    }

    pub(in crate::train) fn step(&self) -> u64 {
        self.job.as_ref().map_or(0, |job| job.progress.step)
    }
}
