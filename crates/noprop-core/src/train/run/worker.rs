//! What a thread does with a job: a slice of its steps, and what becomes of it.

use super::queue::{EarlyEnd, InFlight};
use super::shared::{Next, Shared};
use crate::error::{Code, Error, Result};
use crate::model::BlockReport;
use crate::train::checkpoint::Saved;
use crate::train::job::{BlockJob, Progress};
use crate::train::plan::Plan;
use crate::train::progress::{End, Event, Failure};
use candle_core::Device;
use serde_json::json;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Time after which a thread looks whether another job waits, if it has not come to the end of a window of steps before.
const SLICE: Duration = Duration::from_millis(200);
impl Shared {
    /// A thread's life.
    pub(super) fn work(&self, index: usize) {
        while let Some(next) = self.take() {
            let mut in_flight = match next {
                Next::Job(in_flight) => in_flight,
                Next::Help(seat) => {
                    seat.help(|| self.wants_back());
                    continue;
                }
            };
            if self.ending.is_stopped() {
                self.keep(in_flight);
                self.let_go();
                continue;
            }
            let slice = AssertUnwindSafe(|| {
                self.crew.team(index).lead(|| {
                    self.invite();
                    self.slice(&mut in_flight)
                })
            });
            let outcome = catch_unwind(slice);
            if let Some(false) = self.settle(in_flight.block, outcome) {
                self.put(in_flight);
            }
            self.let_go();
        }
    }

    /// Writes a job to the checkpoint, between two steps and at the end of the run.
    pub(in crate::train) fn keep(&self, mut in_flight: InFlight) {
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
    pub(in crate::train) fn settle<R>(&self, block: usize, outcome: std::thread::Result<Result<R>>) -> Option<R> {
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
    pub(in crate::train) fn begin(&self, in_flight: &mut InFlight) -> Result<bool> {
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
    fn slice(&self, in_flight: &mut InFlight) -> Result<bool> {
        if !self.begin(in_flight)? {
            return Ok(true);
        }
        let (plan, block, mut trainer) = (&self.plan, in_flight.block, self.trainer()?);
        let began = Instant::now();
        let mut failure = Ok(());
        let (progress, checkpoint) = (&mut in_flight.progress, &mut in_flight.checkpoint);
        let (started, first_step, kept) = (in_flight.started, in_flight.first_step, &mut in_flight.kept);
        let Some(job) = &mut in_flight.job else { return Ok(true) };
        job.run(plan, &mut trainer, &self.stop, |job, _| {
            let step = job.progress.step;
            if step.is_multiple_of(plan.steps_per_epoch()) {
                failure = self.epoch_ended(job);
            }
            if progress.is_due() {
                (self.observer)(progress_event(
                    plan,
                    job,
                    step,
                    (started.elapsed().as_secs_f64(), first_step),
                    self.crew.at_work(),
                ));
            }
            if let Some(directory) = &self.checkpoint
                && failure.is_ok()
                && checkpoint.is_due()
            {
                failure = directory.save_running(job);
                if failure.is_ok() {
                    *kept = step;
                    (self.observer)(Event::Checkpoint { block, step });
                }
            }
            let is_over = step.is_multiple_of(plan.window()) || began.elapsed() >= SLICE;
            let is_ending = self.ending.is_stopped() || self.wrapping_up.is_stopped();
            failure.is_err() || is_ending || (is_over && self.waiting.load(Ordering::Relaxed) > 0)
        })?;
        self.spare(trainer);
        failure?;
        if job.is_finished(plan) {
            self.finish_job(job)?;
        } else if self.wrapping_up.is_stopped() {
            self.wrap_up_job(in_flight)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Ends a job with the weights that it has; its state goes into the checkpoint.
    pub(in crate::train) fn wrap_up_job(&self, in_flight: &mut InFlight) -> Result<()> {
        self.save(in_flight)?;
        let job = in_flight.begun()?;
        let weights = job.weights_so_far(&self.plan)?;
        let progress = Progress { ended: Some(End::Stopped), ..job.progress.clone() };
        self.publish(&progress, &weights, false)
    }

    /// Keeps the weights of a job whose steps are all done.
    pub(in crate::train) fn finish_job(&self, job: &BlockJob) -> Result<()> {
        let weights = job.weights(&self.plan)?;
        if let Some(checkpoint) = &self.checkpoint {
            checkpoint.save_finished(&self.plan, job, &weights)?;
        }
        self.publish(&job.progress, &weights, false)?;
        self.ended_early(job)
    }

    fn publish(&self, progress: &Progress, weights: &[f32], resumed: bool) -> Result<()> {
        self.store.write(progress.block, weights)?;
        let (block, epochs, reason) = (progress.block, progress.losses.len(), progress.ended.unwrap_or_default());
        let mut queue = self.queue();
        queue.ended.insert(block);
        if reason != End::Epochs {
            queue.early.push(EarlyEnd { block, epochs, reason });
        }
        let event = Event::Block {
            block: progress.block,
            loss: progress.losses.last().copied().unwrap_or_default(),
            losses: progress.losses.clone(),
            validation: progress.validation.clone(),
            best_epoch: progress.best_epoch(&self.plan),
            reason,
            seconds: progress.seconds,
            resumed,
        };
        if self.plan.options.only_blocks.is_some() {
            let stopped = reason == End::Stopped;
            let early = (reason != End::Epochs).then(|| json!(EarlyEnd { block, epochs, reason }));
            queue.reports.insert(block, BlockReport { block, epochs, stopped, early, event: json!(event) });
        }
        drop(queue);
        (self.observer)(event);
        Ok(())
    }
}

/// Of a block that has made `step` steps, of which the job knows at least those before the running epoch. It has made those
/// from `first_step` on in so many `seconds`.
pub(in crate::train) fn progress_event(
    plan: &Plan,
    job: &BlockJob,
    step: u64,
    (seconds, first_step): (f64, u64),
    (jobs, threads): (usize, usize),
) -> Event {
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
        jobs,
        threads,
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text =
        panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    Error::new(Code::Internal, "a block job panicked")
        .received(text.unwrap_or_default())
        .hint("this is a defect of noprop; please report it with the command that led here")
}
