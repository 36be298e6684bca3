//! A device's thread: takes waiting jobs that are at the same step, steps them together, and tells what becomes of them.
//!
//! Jobs arrive one by one and a block that was interrupted may be anywhere, so a group changes: at the end of an epoch, or
//! where another job waits, everybody is put back and those who are furthest behind are taken. None of this changes a bit of any
//! block.

use super::group::{DeviceTrainer, Group};
use crate::cuda::Engine;
use crate::error::Result;
use crate::train::job::{BlockJob, Every};
use crate::train::progress::Event;
use crate::train::run::{InFlight, PROGRESS, Shared, progress_event};
use crate::train::trainer::diverged;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Time after which no further job is waited for.
const QUIET: Duration = Duration::from_millis(20);
/// Time between two progress events of a block is at least so long for each block that emits them.
const PROGRESS_EACH: Duration = Duration::from_millis(5);

impl Shared {
    /// The life of the thread of device `index`.
    pub(in crate::train) fn work_on(&self, index: usize) {
        let engine = &self.plan.engines[index];
        let mut trainer = None;
        while let Some(jobs) = self.take_group() {
            if self.ending.is_stopped() {
                jobs.into_iter().for_each(|job| self.keep(job));
                continue;
            }
            // Whom an error is about.
            let block = Cell::new(jobs[0].block);
            let outcome = catch_unwind(AssertUnwindSafe(|| self.run_group(engine, &mut trainer, jobs, &block)));
            self.settle(block.get(), outcome);
        }
    }

    /// Waiting jobs, those furthest behind first, as many as this device is to step together; `None` once the run is closed and nothing
    /// waits. Waits a moment for all that are to come.
    fn take_group(&self) -> Option<Vec<InFlight>> {
        let share = self.plan.options.in_flight.unwrap_or(1).div_ceil(self.plan.engines.len());
        let mut queue = self.queue();
        loop {
            if self.stop.is_stopped() {
                return None;
            }
            let waiting = queue.jobs.len();
            if waiting == 0 {
                if queue.closed {
                    return None;
                }
                queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            if waiting < share && !queue.closed {
                let (after, wait) = self.wake.wait_timeout(queue, QUIET).unwrap_or_else(PoisonError::into_inner);
                queue = after;
                if queue.jobs.len() != waiting || !wait.timed_out() {
                    continue;
                }
            }
            queue.jobs.sort_by_key(|job| (job.step(), job.block));
            let taken: Vec<_> = queue.jobs.drain(..share.min(waiting)).collect();
            self.waiting.fetch_sub(taken.len(), Ordering::Relaxed);
            if !queue.jobs.is_empty() {
                self.wake.notify_all();
            }
            return Some(taken);
        }
    }

    /// The step of the nearest waiting job that is further than `step`.
    fn meeting(&self, step: u64) -> Option<u64> {
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.queue().jobs.iter().map(InFlight::step).filter(|other| *other > step).min()
    }

    /// Steps those of `jobs` that are furthest behind until they are finished or others wait, and puts all back that are not done.
    fn run_group<'a>(
        &'a self,
        engine: &'a Engine,
        trainer: &mut Option<DeviceTrainer<'a>>,
        jobs: Vec<InFlight>,
        block: &Cell<usize>,
    ) -> Result<()> {
        let mut jobs = self.ready(jobs, block)?;
        if jobs.is_empty() {
            return Ok(());
        }
        block.set(jobs[0].block);
        let trainer = match trainer {
            Some(trainer) => trainer,
            empty => empty.insert(DeviceTrainer::new(&self.plan, engine)?),
        };
        let mut group = trainer.load(jobs.iter().filter_map(|job| job.job.as_ref()))?;
        let is_finished = self.step_together(&mut group, &mut jobs, block)?;
        for (row, in_flight) in jobs.iter_mut().enumerate() {
            block.set(in_flight.block);
            let job = in_flight.begun()?;
            group.save(row, job)?;
            if is_finished {
                self.finish_job(job)?;
            }
        }
        group.leave();
        if is_finished {
            return Ok(());
        }
        for mut job in jobs {
            if self.wrapping_up.is_stopped() {
                block.set(job.block);
                self.wrap_up_job(&mut job)?;
            } else {
                self.put(job);
            }
        }
        Ok(())
    }

    /// Begins jobs or reads them from the checkpoint. Returns those that are furthest behind and puts the others back. Heads have other tensors than
    /// blocks, and come after them.
    fn ready(&self, jobs: Vec<InFlight>, block: &Cell<usize>) -> Result<Vec<InFlight>> {
        let mut begun = Vec::with_capacity(jobs.len());
        for mut job in jobs {
            block.set(job.block);
            if self.begin(&mut job)? {
                begun.push(job);
            }
        }
        let place = |job: &InFlight| (self.plan.model.head_of(job.block).is_some(), job.step());
        let least = begun.iter().map(place).min();
        let (least, further): (Vec<_>, Vec<_>) = begun.into_iter().partition(|job| Some(place(job)) == least);
        further.into_iter().for_each(|job| self.put(job));
        Ok(least)
    }

    /// Returns whether the jobs are finished; else others wait.
    fn step_together(&self, group: &mut Group<'_, '_>, jobs: &mut [InFlight], block: &Cell<usize>) -> Result<bool> {
        let (plan, per_epoch) = (&self.plan, self.plan.steps_per_epoch());
        let mut progress = Every::new(PROGRESS.max(PROGRESS_EACH * jobs.len() as u32));
        let mut shown = group.step;
        loop {
            if group.step == plan.steps() {
                return Ok(true);
            }
            let end_of_epoch = (group.step / per_epoch + 1) * per_epoch;
            let meeting = self.meeting(group.step);
            group.advance(end_of_epoch.min(meeting.unwrap_or(u64::MAX)), [&self.stop, &self.ending])?;

            let ends_epoch = group.step == end_of_epoch;
            let others_wait = ends_epoch && self.waiting.load(Ordering::Relaxed) > 0 || meeting == Some(group.step);
            // At the end of the run all are put back, and written.
            let others_wait = others_wait || self.ending.is_stopped() || self.wrapping_up.is_stopped();
            let due: Vec<_> = jobs.iter_mut().map(|job| self.checkpoint.is_some() && job.checkpoint.is_due()).collect();
            // Inside of an epoch a checkpoint is the one thing that reads back, and jobs that are put back for others.
            if ends_epoch || others_wait || due.contains(&true) {
                if ends_epoch && group.step < plan.steps() {
                    group.prepare_next_epoch()?;
                }
                let finite = self.collect(group, jobs, block)?;
                if let (true, Some(row)) = (ends_epoch, finite.iter().position(|finite| !finite)) {
                    block.set(jobs[row].block);
                    return Err(diverged(jobs[row].block, group.step - 1).received("weights that are not finite"));
                }
            }
            let shows = group.done > shown && progress.is_due();
            if shows {
                shown = group.done;
            }
            for (row, in_flight) in jobs.iter_mut().enumerate() {
                block.set(in_flight.block);
                self.report(group, row, in_flight, [ends_epoch, shows, due[row]])?;
            }
            if others_wait && group.step < plan.steps() {
                return Ok(false);
            }
            if ends_epoch && group.step < plan.steps() {
                group.begin_epoch()?;
            }
        }
    }

    /// Reads the losses back, and whether the states are finite.
    fn collect(&self, group: &mut Group<'_, '_>, jobs: &mut [InFlight], block: &Cell<usize>) -> Result<Vec<bool>> {
        let jobs = jobs.iter_mut().filter_map(|job| job.job.as_mut()).inspect(|job| block.set(job.progress.block));
        group.collect(jobs)
    }

    /// Tells what happened to one job: the end of an epoch, progress, a checkpoint.
    fn report(
        &self,
        group: &Group<'_, '_>,
        row: usize,
        in_flight: &mut InFlight,
        [epoch, progress, checkpoint]: [bool; 3],
    ) -> Result<()> {
        let (block, started, first_step) = (in_flight.block, in_flight.started, in_flight.first_step);
        let job: &mut BlockJob = in_flight.begun()?;
        if epoch {
            self.epoch_ended(job)?;
        }
        if progress {
            let seconds = started.elapsed().as_secs_f64();
            (self.observer)(progress_event(&self.plan, job, group.done, (seconds, first_step), (group.jobs(), 1)));
        }
        if let (true, Some(directory)) = (checkpoint, &self.checkpoint) {
            group.save(row, job)?;
            directory.save_running(job)?;
            let step = job.progress.step;
            in_flight.kept = step;
            (self.observer)(Event::Checkpoint { block, step });
        }
        Ok(())
    }
}
