//! A run: worker threads that share the block jobs in flight.
//!
//! Each thread takes the waiting job that is least far, runs a slice of it and puts it back. So all jobs in flight advance
//! together on however many threads there are, share their batches, and end together, whether or not their number divides by
//! that of the threads. Who runs which slice when changes no bit of any block.
//!
//! A layer moves its parameters in its own backward pass, so in the middle of a step a state is torn. A run without a checkpoint
//! is stopped in the middle of steps. One with a checkpoint ends the steps that it is in, and then writes every block in flight.

use super::checkpoint::{Checkpoint, Saved};
use super::job::{BlockJob, Every};
use super::lane::Lane;
use super::plan::Plan;
use super::progress::{Event, Failure, Observer};
use crate::error::{Code, Error, Result};
use crate::storage::WeightStore;
use crate::tensor::StopFlag;
use crate::threads::refused;
use candle_core::Device;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time after which a thread looks whether another job waits, if it has not come to the end of a window of steps before.
const SLICE: Duration = Duration::from_millis(200);
/// Time between two progress events of a block.
pub(super) const PROGRESS: Duration = Duration::from_millis(100);

/// A run with its threads.
pub struct Training {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

pub(super) struct Shared {
    pub(super) plan: Plan,
    /// Interrupts threads in the middle of their steps.
    pub(super) stop: StopFlag,
    /// Ends threads between two steps: what waits is written to the checkpoint instead of being run.
    pub(super) ending: StopFlag,
    /// Why a block that was in flight at the end could not be written; the first such error.
    not_kept: Mutex<Option<Error>>,
    queue: Mutex<Queue>,
    pub(super) wake: Condvar,
    /// Jobs that wait for a thread.
    pub(super) waiting: AtomicUsize,
    pub(super) observer: Observer,
    pub(super) checkpoint: Option<Checkpoint>,
    store: WeightStore,
}

#[derive(Default)]
pub(super) struct Queue {
    pub(super) jobs: Vec<InFlight>,
    /// Blocks that have been put in flight, also those that have ended.
    started: BTreeSet<usize>,
    pub(super) closed: bool,
    finished: usize,
}

/// A job with what its events need.
pub(super) struct InFlight {
    pub(super) block: usize,
    /// `None` until a thread first takes it: its buffers are made there.
    pub(super) job: Option<BlockJob>,
    progress: Every,
    pub(super) checkpoint: Every,
    pub(super) started: Instant,
    /// Step at which this process took the job up.
    pub(super) first_step: u64,
    /// Step of the state that the checkpoint holds; 0 while it holds none.
    pub(super) kept: u64,
}

impl InFlight {
    /// The job, once [`Shared::begin`] has begun it.
    pub(super) fn begun(&mut self) -> Result<&mut BlockJob> {
        self.job.as_mut().ok_or_else(|| Error::new(Code::Internal, "a job that has not started"))
    }

    pub(super) fn step(&self) -> u64 {
        self.job.as_ref().map_or(0, |job| job.progress.step)
    }
}

impl Training {
    /// Opens the checkpoint if the plan has one, and starts the threads.
    ///
    /// # Errors
    /// See [`Checkpoint::open`] and [`WeightStore::temporary`]; [`Code::Threads`].
    pub fn start(plan: Plan, observer: Observer) -> Result<Self> {
        let options = &plan.options;
        let checkpoint =
            options.checkpoint.as_ref().map(|path| Checkpoint::open(path, &plan, options.resume)).transpose()?;
        let store = WeightStore::temporary(plan.model.config.blocks, plan.model.layout.weights())?;
        // One thread for each device, or as many as were asked for on the processor.
        let devices = plan.engines.len();
        let threads = if devices > 0 { devices } else { options.threads.unwrap_or(1) };
        let shared = Arc::new(Shared {
            plan,
            stop: StopFlag::new(),
            ending: StopFlag::new(),
            not_kept: Mutex::default(),
            queue: Mutex::default(),
            wake: Condvar::new(),
            waiting: AtomicUsize::new(0),
            observer,
            checkpoint,
            store,
        });
        let mut training = Self { shared, threads: Vec::new() };
        for lane in 0..threads {
            let shared = training.shared.clone();
            let thread = std::thread::Builder::new().name(format!("noprop-lane-{lane}")).spawn(move || {
                if devices > 0 {
                    return shared.work_on(lane);
                }
                shared.work();
            });
            training.threads.push(thread.map_err(|error| refused(&error).expected(format!("{threads} threads")))?);
        }
        Ok(training)
    }

    /// What the run works on.
    pub fn plan(&self) -> &Plan {
        &self.shared.plan
    }

    /// Puts a block (from 1) in flight. Its end arrives as [`Event::Block`] or [`Event::Failed`].
    ///
    /// # Errors
    /// [`Code::Option`] when there is no such block or it has been started before.
    pub fn start_block(&self, block: usize) -> Result<()> {
        let blocks = self.plan().model.config.blocks;
        if !(1..=blocks).contains(&block) {
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
        let in_flight = InFlight {
            block,
            job: None,
            progress: Every::new(PROGRESS),
            checkpoint: Every::new(period),
            started: Instant::now(),
            first_step: 0,
            kept: 0,
        };
        self.shared.put(in_flight);
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

    /// Waits for the threads and hands over the weights of all blocks.
    ///
    /// # Errors
    /// [`Code::NotTrained`] when a block is missing.
    pub fn finish(mut self) -> Result<WeightStore> {
        self.join();
        let shared = self.shared.clone();
        drop(self);
        let finished = shared.queue().finished;
        let blocks = shared.plan.model.config.blocks;
        if finished != blocks {
            return Err(Error::new(Code::NotTrained, "not every block is trained")
                .expected(format!("{blocks} blocks"))
                .received(format!("{finished} blocks")));
        }
        Arc::into_inner(shared)
            .map(|shared| shared.store)
            .ok_or_else(|| Error::new(Code::Internal, "a thread still holds the run"))
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

impl Shared {
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.queue().closed = true;
        self.wake.notify_all();
    }

    /// Ends the run: between two steps where what is in flight can be kept, else at once.
    fn end(&self) {
        if self.checkpoint.is_some() { self.ending.stop() } else { self.stop.stop() }
    }

    pub(super) fn put(&self, job: InFlight) {
        self.queue().jobs.push(job);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// The waiting job that is least far, or `None` once the run is closed and nothing waits.
    fn take(&self) -> Option<InFlight> {
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

    /// A thread's life.
    fn work(&self) {
        let mut lane = None;
        while let Some(mut in_flight) = self.take() {
            if self.ending.is_stopped() {
                self.keep(in_flight);
                continue;
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| self.slice(&mut lane, &mut in_flight)));
            if let Some(false) = self.settle(in_flight.block, outcome) {
                self.put(in_flight);
            }
        }
    }

    /// Writes a job to the checkpoint, between two steps and at the end of the run.
    pub(super) fn keep(&self, mut in_flight: InFlight) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.save(&mut in_flight)));
        if let Err(error) = outcome.unwrap_or_else(|panic| Err(panicked(&*panic))) {
            self.not_kept.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }

    /// Writes a job to the checkpoint unless that has it as it is.
    fn save(&self, in_flight: &mut InFlight) -> Result<()> {
        let (Some(checkpoint), Some(job)) = (&self.checkpoint, &in_flight.job) else { return Ok(()) };
        if job.progress.step != in_flight.kept {
            checkpoint.save_running(job)?;
            in_flight.kept = job.progress.step;
            (self.observer)(Event::Checkpoint { block: in_flight.block, step: in_flight.kept });
        }
        Ok(())
    }

    /// What a thread's work on `block` came to; an error ends the run.
    pub(super) fn settle<R>(&self, block: usize, outcome: std::thread::Result<Result<R>>) -> Option<R> {
        match outcome.unwrap_or_else(|panic| Err(panicked(&*panic))) {
            Ok(result) => return Some(result),
            Err(error) if error.code == Code::Cancelled => {}
            Err(error) => {
                self.end();
                self.wake.notify_all();
                (self.observer)(Event::Failed { block, error: Failure(error) });
            }
        }
        None
    }

    /// Begins a job that has not begun, from its checkpoint if there is one. Returns whether there is anything left to do.
    pub(super) fn begin(&self, in_flight: &mut InFlight) -> Result<bool> {
        if in_flight.job.is_some() {
            return Ok(true);
        }
        let (plan, block, device) = (&self.plan, in_flight.block, &Device::Cpu);
        let saved = self.checkpoint.as_ref().map(|checkpoint| checkpoint.load(plan, block, device)).transpose()?;
        let job = match saved.flatten() {
            Some(Saved::Finished(progress, weights)) => {
                self.publish(&progress, &weights, true)?;
                return Ok(false);
            }
            Some(Saved::Running(job)) => job,
            None => BlockJob::start(plan, block, device)?,
        };
        (in_flight.first_step, in_flight.kept) = (job.progress.step, job.progress.step);
        in_flight.job = Some(job);
        Ok(true)
    }

    /// Runs a job for a while. Returns whether it is finished.
    fn slice(&self, lane: &mut Option<Lane>, in_flight: &mut InFlight) -> Result<bool> {
        if !self.begin(in_flight)? {
            return Ok(true);
        }
        let (plan, block) = (&self.plan, in_flight.block);
        let lane = match lane {
            Some(lane) => lane,
            empty => empty.insert(Lane::new(plan, &Device::Cpu)?),
        };
        let began = Instant::now();
        let mut failure = Ok(());
        let (progress, checkpoint) = (&mut in_flight.progress, &mut in_flight.checkpoint);
        let (started, first_step, kept) = (in_flight.started, in_flight.first_step, &mut in_flight.kept);
        let Some(job) = &mut in_flight.job else { return Ok(true) };
        job.run(plan, lane, &self.stop, |job, _| {
            let step = job.progress.step;
            if step.is_multiple_of(plan.steps_per_epoch()) {
                self.epoch_ended(job);
            }
            if progress.is_due() {
                (self.observer)(progress_event(plan, job, step, (started.elapsed().as_secs_f64(), first_step)));
            }
            if let Some(directory) = &self.checkpoint
                && checkpoint.is_due()
            {
                failure = directory.save_running(job);
                if failure.is_ok() {
                    *kept = step;
                    (self.observer)(Event::Checkpoint { block, step });
                }
            }
            let is_over = step.is_multiple_of(plan.window()) || began.elapsed() >= SLICE;
            failure.is_err() || self.ending.is_stopped() || (is_over && self.waiting.load(Ordering::Relaxed) > 0)
        })?;
        failure?;
        if !job.is_finished(plan) {
            return Ok(false);
        }
        self.finish_job(job)?;
        Ok(true)
    }

    /// Tells of the epoch that the job has just ended.
    pub(super) fn epoch_ended(&self, job: &BlockJob) {
        let losses = &job.progress.losses;
        if let Some(loss) = losses.last() {
            (self.observer)(Event::Epoch { block: job.progress.block, epoch: losses.len(), loss: *loss });
        }
    }

    /// Keeps the weights of a job whose steps are all done.
    pub(super) fn finish_job(&self, job: &BlockJob) -> Result<()> {
        let weights = job.weights(&self.plan)?;
        if let Some(checkpoint) = &self.checkpoint {
            checkpoint.save_finished(&job.progress, &weights)?;
        }
        self.publish(&job.progress, &weights, false)
    }

    fn publish(&self, progress: &super::job::Progress, weights: &[f32], resumed: bool) -> Result<()> {
        self.store.write(progress.block, weights)?;
        self.queue().finished += 1;
        (self.observer)(Event::Block {
            block: progress.block,
            loss: progress.losses.last().copied().unwrap_or_default(),
            losses: progress.losses.clone(),
            seconds: progress.seconds,
            resumed,
        });
        Ok(())
    }
}

/// Of a block that has made `step` steps, of which the job knows at least those before the running epoch. It has made those
/// from `first_step` on in so many `seconds`.
pub(super) fn progress_event(plan: &Plan, job: &BlockJob, step: u64, (seconds, first_step): (f64, u64)) -> Event {
    let progress = &job.progress;
    let per_epoch = plan.steps_per_epoch();
    let mean = progress.loss_sum / progress.loss_samples as f64;
    let steps = plan.steps();
    let step_seconds = seconds / (step - first_step).max(1) as f64;
    Event::Progress {
        block: progress.block,
        epoch: ((step - 1) / per_epoch) as usize + 1,
        epochs: plan.options.epochs,
        step,
        steps,
        loss: if progress.loss_samples > 0 { Some(mean) } else { progress.losses.last().copied() },
        samples_per_second: plan.data.samples() as f64 / (step_seconds * per_epoch as f64),
        seconds_left: step_seconds * (steps - step) as f64,
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text =
        panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    Error::new(Code::Internal, "a block job panicked")
        .received(text.unwrap_or_default())
        .hint("this is a defect of noprop; please report it with the command that led here")
}
