//! What the threads of a run share, and how jobs go from one to another.

use super::queue::{InFlight, Queue};
use crate::error::Error;
use crate::storage::WeightStore;
use crate::tensor::StopFlag;
use crate::train::chain::Chain;
use crate::train::checkpoint::Checkpoint;
use crate::train::plan::Plan;
use crate::train::progress::Observer;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What the threads of a run share.
pub(in crate::train) struct Shared {
    pub(in crate::train) plan: Plan,
    /// Interrupts threads in the middle of their steps.
    pub(in crate::train) stop: StopFlag,
    /// Ends threads between two steps: what waits is written to the checkpoint instead of being run.
    pub(in crate::train) ending: StopFlag,
    /// Ends each block after the step that it is in, with the weights that it has.
    pub(in crate::train) wrapping_up: StopFlag,
    /// Why a block that was in flight at the end could not be written; the first such error.
    pub(super) not_kept: Mutex<Option<Error>>,
    pub(super) queue: Mutex<Queue>,
    pub(in crate::train) wake: Condvar,
    /// Jobs that wait for a thread.
    pub(in crate::train) waiting: AtomicUsize,
    pub(in crate::train) observer: Observer,
    pub(in crate::train) checkpoint: Option<Checkpoint>,
    pub(super) store: WeightStore,
    /// What is measured of all blocks together, where they are all in flight.
    pub(super) chain: Option<Mutex<Chain>>,
}

impl Shared {
    pub(in crate::train) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn close(&self) {
        self.queue().closed = true;
        self.wake.notify_all();
    }

    /// Ends the run: between two steps where what is in flight can be kept, else at once.
    pub(super) fn end(&self) {
        if self.checkpoint.is_some() { self.ending.stop() } else { self.stop.stop() }
    }

    pub(in crate::train) fn put(&self, job: InFlight) {
        self.queue().jobs.push(job);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// The waiting job that is furthest behind, or `None` once the run is closed and nothing waits.
    pub(super) fn take(&self) -> Option<InFlight> {
        let mut queue = self.queue();
        loop {
            if self.stop.is_stopped() {
                return None;
            }
            let least = (0..queue.jobs.len()).min_by_key(|index| (queue.jobs[*index].step(), queue.jobs[*index].block));
            if let Some(index) = least {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                return Some(queue.jobs.swap_remove(index));
            }
            if queue.closed {
                return None;
            }
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
