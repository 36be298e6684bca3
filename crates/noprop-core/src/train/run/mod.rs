//! A run: worker threads that share the block jobs in flight.
//!
//! Each thread takes the waiting job that is furthest behind, runs a slice of it and puts it back. So all jobs in flight advance
//! together on however many threads there are, share their batches, and end together, whether or not their number divides by
//! that of the threads. A thread that finds no job helps with the operations of another's ([`crate::team`]). Who runs which slice
//! when, with whose help, changes no bit of any block.
//!
//! A layer moves its parameters in its own backward pass, so in the middle of a step a state is torn. A run without a checkpoint
//! is stopped in the middle of steps. One with a checkpoint ends the steps that it is in, and then writes every block in flight.
//!
//! | file | what it holds |
//! |---|---|
//! | `queue.rs` | the jobs in flight |
//! | `shared.rs` | what the threads share, and how jobs go from one to another |
//! | `trained.rs` | what comes out |
//! | `watch.rs` | what is told of epochs, and how the whole is measured |
//! | `worker.rs` | what a thread does with a job |

mod queue;
mod shared;
mod trained;
mod watch;
mod worker;

pub use queue::EarlyEnd;
pub(super) use queue::InFlight;
pub(super) use shared::Shared;
pub use trained::Trained;
pub(super) use worker::progress_event;

use super::checkpoint::Checkpoint;
use super::plan::Plan;
use super::progress::Observer;
use crate::device::DeviceId;
use crate::error::{Code, Error, Result};
use crate::model::BlockReport;
use crate::storage::WeightStore;
use crate::tensor::StopFlag;
use crate::threads::refused;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Time between two progress events of a block.
pub(super) const PROGRESS: Duration = Duration::from_millis(100);

/// A run with its threads.
pub struct Training {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Training {
    /// Opens the checkpoint if the plan has one, and starts the threads.
    ///
    /// # Errors
    /// See [`Checkpoint::open`] and [`WeightStore::temporary`]; [`Code::Threads`].
    pub fn start(plan: Plan, observer: Observer) -> Result<Self> {
        plan.check_validation()?;
        let options = &plan.options;
        let checkpoint =
            options.checkpoint.as_ref().map(|path| Checkpoint::open(path, &plan, options.resume)).transpose()?;
        let store = WeightStore::temporary_of(&plan.model.weights_of_jobs())?;
        // One thread for each device, or as many as were asked for on the processor.
        let devices = plan.engines.len();
        let threads = if devices > 0 { devices } else { options.threads.unwrap_or(1) };
        let chain = watch::chain(&plan);
        let shared = Arc::new(Shared::new(plan, observer, (checkpoint, store), chain, threads));
        let mut training = Self { shared, threads: Vec::new() };
        for index in 0..threads {
            let shared = training.shared.clone();
            let thread = std::thread::Builder::new().name(format!("noprop-train-{index}")).spawn(move || {
                if DeviceId::BUILT && devices > 0 {
                    return shared.work_on(index);
                }
                shared.work(index);
            });
            training.threads.push(thread.map_err(|error| refused(&error).expected(format!("{threads} threads")))?);
        }
        Ok(training)
    }

    /// What the run works on.
    pub fn plan(&self) -> &Plan {
        &self.shared.plan
    }

    /// Puts a block (from 1) in flight. Its end arrives as [`Event::Block`](super::Event::Block) or
    /// [`Event::Failed`](super::Event::Failed).
    ///
    /// # Errors
    /// [`Code::Option`] when there is no such block or it has been started before.
    pub fn start_block(&self, block: usize) -> Result<()> {
        let blocks = self.plan().model.jobs();
        let is_other = self.plan().options.only_blocks.as_ref().is_some_and(|only| !only.contains(&block));
        if !(1..=blocks).contains(&block) || is_other {
            return Err(Error::new(Code::Option, "there is no such block")
                .expected(format!("1 to {blocks}"))
                .received(block.to_string()));
        }
        if !self.shared.queue().started.insert(block) {
            return Err(Error::new(Code::Option, format!("block {block} has been started already"))
                .expected("each block once in a run")
                .received(block.to_string()));
        }
        let period = Duration::from_secs_f64(self.plan().options.checkpoint_seconds);
        self.shared.put(InFlight::new(block, PROGRESS, period));
        Ok(())
    }

    /// The flag that interrupts the run's threads, within the time of a few samples; nothing is written then.
    pub fn stop_flag(&self) -> StopFlag {
        self.shared.stop.clone()
    }

    /// Asks all threads to stop; returns at once. Without a checkpoint they do within the time of a few samples. With one, each
    /// ends the step that it is in, and then the states of all blocks in flight are written; [`close`](Self::close) waits for it.
    pub fn stop(&self) {
        self.shared.end();
        self.shared.close();
    }

    /// Asks every block in flight to end after the step that it is in, with the weights that it has then (or those of its best
    /// validation, where it is to end with them); returns at once. Each ends with [`Event::Block`](super::Event::Block). A
    /// checkpoint keeps their states, so that the run can be resumed as if it had been stopped. No other is to be started.
    ///
    /// # Errors
    /// [`Code::Cancelled`] where those that have been started are no model; nothing has changed then.
    pub fn wrap_up(&self) -> Result<()> {
        self.plan().model_of(&self.shared.queue().started)?;
        self.shared.wrapping_up.stop();
        self.shared.wake.notify_all();
        Ok(())
    }

    /// The blocks that have ended before their last epoch, in their order.
    pub fn early_ends(&self) -> Vec<EarlyEnd> {
        let mut ends = self.shared.queue().early.clone();
        ends.sort_by_key(|end| end.block);
        ends
    }

    /// What is known of the blocks that have ended, in their order.
    pub fn reports(&self) -> Vec<BlockReport> {
        self.shared.queue().reports.values().cloned().collect()
    }

    /// Stops as [`stop`](Self::stop) does, and waits until nothing runs and what is to be kept is kept.
    ///
    /// # Errors
    /// That of the first block in flight that could not be written to the checkpoint.
    pub fn close(mut self) -> Result<()> {
        self.stop();
        self.join();
        let error = self.shared.not_kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        error.map_or(Ok(()), Err)
    }

    /// Waits for the threads and hands over what they have trained: all blocks, or, after [`wrap_up`](Self::wrap_up), those that had begun.
    ///
    /// # Errors
    /// [`Code::NotTrained`] when a block is missing.
    pub fn finish(mut self) -> Result<Trained> {
        self.join();
        let shared = self.shared.clone();
        drop(self);
        let ended = std::mem::take(&mut shared.queue().ended);
        let expected = match shared.wrapping_up.is_stopped() {
            true => shared.queue().started.len(),
            false => shared.plan.options.jobs(shared.plan.model.jobs()).len(),
        };
        if ended.len() != expected {
            return Err(Error::new(Code::NotTrained, "not every block is trained")
                .expected(format!("{expected} blocks"))
                .received(format!("{} blocks", ended.len())));
        }
        let shared =
            Arc::into_inner(shared).ok_or_else(|| Error::new(Code::Internal, "a thread still holds the run"))?;
        shared.plan.trained(ended, shared.store)
    }

    fn join(&mut self) {
        self.shared.close();
        for thread in self.threads.drain(..) {
            // A panic has already become an event.
            let _ = thread.join();
        }
    }
}

/// Interrupts what still runs, without writing anything.
impl Drop for Training {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.shared.stop.stop();
            self.join();
        }
    }
}
