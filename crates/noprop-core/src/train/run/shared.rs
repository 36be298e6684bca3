//! What the threads of a run share, and how jobs go from one to another.

use super::queue::{InFlight, Queue};
use crate::error::{Error, Result};
use crate::storage::WeightStore;
use crate::team::{Crew, Seat};
use crate::tensor::StopFlag;
use crate::train::Trainer;
use crate::train::chain::Chain;
use crate::train::checkpoint::Checkpoint;
use crate::train::plan::Plan;
use crate::train::progress::Observer;
use candle_core::Device;
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
    /// The teams of the threads; none on devices.
    pub(in crate::train) crew: Crew,
    /// Threads that wait for a job or for a team to help.
    idle: AtomicUsize,
    /// Threads that have a job.
    running: AtomicUsize,
    /// Those that no slice uses just now: never more than there were jobs in flight, whichever threads ran them.
    trainers: Mutex<Vec<Trainer>>,
}

/// What a thread does next.
#[allow(clippy::large_enum_variant, reason = "it lives for a moment; a box would be an allocation for each slice")]
pub(super) enum Next {
    /// A job of its own.
    Job(InFlight),
    /// Help another thread's.
    Help(Seat),
}

impl Shared {
    pub(super) fn new(
        plan: Plan,
        observer: Observer,
        (checkpoint, store): (Option<Checkpoint>, WeightStore),
        chain: Option<Mutex<Chain>>,
        threads: usize,
    ) -> Self {
        Self {
            plan,
            stop: StopFlag::new(),
            ending: StopFlag::new(),
            wrapping_up: StopFlag::new(),
            not_kept: Mutex::default(),
            queue: Mutex::default(),
            wake: Condvar::new(),
            waiting: AtomicUsize::new(0),
            observer,
            checkpoint,
            store,
            chain,
            crew: Crew::new(threads),
            idle: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            trainers: Mutex::default(),
        }
    }

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
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.wake.notify_one();
        self.crew.call_back();
    }

    /// Buffers for a slice. They are given back by [`spare`](Self::spare).
    pub(super) fn trainer(&self) -> Result<Trainer> {
        let spare = self.trainers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.map_or_else(|| Trainer::new(&self.plan, &Device::Cpu), Ok)
    }

    pub(super) fn spare(&self, trainer: Trainer) {
        self.trainers.lock().unwrap_or_else(PoisonError::into_inner).push(trainer);
    }

    /// Ends what began with [`take`](Self::take) of a job, which has been put back or is over.
    pub(super) fn let_go(&self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.invite();
    }

    /// Tells idle threads that there is a team to help, or that one has room again.
    pub(super) fn invite(&self) {
        if self.idle.load(Ordering::SeqCst) > 0 {
            drop(self.queue());
            self.wake.notify_all();
        }
    }

    /// Whether a helper should look for a job of its own.
    pub(super) fn wants_back(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// The waiting job that is furthest behind, or a team that can use help while none waits; `None` once the run is closed and
    /// no job is left.
    pub(super) fn take(&self) -> Option<Next> {
        let mut queue = self.queue();
        loop {
            if self.stop.is_stopped() {
                return None;
            }
            let least = (0..queue.jobs.len()).min_by_key(|index| (queue.jobs[*index].step(), queue.jobs[*index].block));
            if let Some(index) = least {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                self.running.fetch_add(1, Ordering::SeqCst);
                return Some(Next::Job(queue.jobs.swap_remove(index)));
            }
            // Counted before the look at the teams: whoever leads one later sees this thread.
            self.idle.fetch_add(1, Ordering::SeqCst);
            let seat = self.crew.seat();
            let is_over = queue.closed && self.running.load(Ordering::SeqCst) == 0;
            if seat.is_none() && !is_over {
                queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
                self.idle.fetch_sub(1, Ordering::SeqCst);
                continue;
            }
            self.idle.fetch_sub(1, Ordering::SeqCst);
            return seat.map(Next::Help);
        }
    }
}
