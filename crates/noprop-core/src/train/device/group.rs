//! Jobs that are at the same step, stacked on a device, and what is read back of them.

use super::{DeviceData, Stack};
use crate::cuda::{Engine, Mark, Outcome};
use crate::error::Result;
use crate::tensor::StopFlag;
use crate::train::Plan;
use crate::train::job::BlockJob;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Work that is queued at most, so that a stop is heard in time.
const QUEUED: Duration = Duration::from_millis(25);
/// Parts in which it is queued: while the device works on one the host queues the next, so the device never runs dry.
const PARTS: usize = 2;

/// A device with the data of a run.
pub(super) struct DeviceTrainer<'a> {
    plan: &'a Plan,
    engine: &'a Engine,
    data: DeviceData,
    /// The buffers of the last group, for the next one of its size.
    stack: Option<Stack>,
    pace: Pace,
}

impl<'a> DeviceTrainer<'a> {
    pub(super) fn new(plan: &'a Plan, engine: &'a Engine) -> Result<Self> {
        // A checkpoint is written as soon as one is due.
        let longest = (QUEUED / PARTS as u32).min(Duration::from_secs_f64(plan.options.checkpoint_seconds));
        let data = DeviceData::upload(engine, &plan.data)?;
        Ok(Self { plan, engine, data, stack: None, pace: Pace { longest, steps: 1 } })
    }

    /// Uploads jobs that are at the same step.
    pub(super) fn load<'j>(&mut self, jobs: impl Iterator<Item = &'j BlockJob>) -> Result<Group<'_, 'a>> {
        let jobs: Vec<_> = jobs.collect();
        let blocks: Vec<_> = jobs.iter().map(|job| job.progress.block).collect();
        let states = jobs.iter().map(|job| job.state()).collect::<Result<Vec<_>>>()?;
        // Those of another size are given back first: there may not be room for both.
        let is_head = self.plan.model.head_of(blocks[0]).is_some();
        let kept = self.stack.take().filter(|stack| (stack.stacked(), stack.is_head()) == (blocks.len(), is_head));
        let mut stack = match kept {
            Some(stack) => stack,
            None => Stack::new(self.plan, self.engine, blocks.len(), is_head)?,
        };
        stack.load(self.plan, self.engine, &blocks, &states)?;
        let step = jobs[0].progress.step;
        let (queued, seconds, since) = (VecDeque::new(), 0.0, Instant::now());
        let mut group = Group { trainer: self, stack, step, done: step, queued, seconds, since };
        group.begin_epoch()?;
        Ok(group)
    }
}

/// Jobs on the device. What the jobs themselves know is of the last time that it was read back.
pub(super) struct Group<'l, 'a> {
    trainer: &'l mut DeviceTrainer<'a>,
    stack: Stack,
    /// Steps that the device was asked for.
    pub(super) step: u64,
    /// Steps that it has surely done.
    pub(super) done: u64,
    /// Where parts of its queue end: after which step, and the place. The device has not been seen there yet.
    queued: VecDeque<(u64, Mark)>,
    /// Time of the steps whose losses have not been read yet.
    seconds: f64,
    /// When the device was last seen at the end of a part, or began.
    since: Instant,
}

impl Group<'_, '_> {
    /// Jobs in it.
    pub(super) fn jobs(&self) -> usize {
        self.stack.stacked()
    }

    /// Readies the epoch that the next step belongs to.
    pub(super) fn begin_epoch(&mut self) -> Result<()> {
        let (plan, per_epoch) = (self.trainer.plan, self.trainer.plan.steps_per_epoch());
        self.stack.begin_epoch(plan, (self.step / per_epoch) as usize, (self.step % per_epoch) as usize)
    }

    /// Queues the next part of the steps towards `limit`, which lies in the running epoch or at its end, and waits until no
    /// more are queued than may be. Nothing is read back. The first flag interrupts it, after the second one nothing more is
    /// queued.
    pub(super) fn advance(&mut self, limit: u64, [stop, ending]: [&StopFlag; 2]) -> Result<()> {
        if self.queued.is_empty() {
            self.since = Instant::now();
        }
        let trainer = &mut *self.trainer;
        let end = limit.min(self.step + trainer.pace.steps);
        while self.step < end && !ending.is_stopped() {
            stop.check()?;
            self.stack.step(trainer.plan, trainer.engine, &trainer.data, self.step, stop)?;
            self.step += 1;
        }
        self.queued.push_back((self.step, trainer.engine.mark()?));
        self.wait_for_all_but(PARTS - 1)
    }

    /// Waits until the device has at most so many parts before it.
    fn wait_for_all_but(&mut self, parts: usize) -> Result<()> {
        while self.queued.len() > parts
            && let Some((step, mark)) = self.queued.pop_front()
        {
            self.trainer.engine.wait(&mark)?;
            let took = self.since.elapsed();
            self.since += took;
            self.seconds += took.as_secs_f64();
            self.trainer.pace.learn(step - self.done, took);
            self.done = step;
        }
        Ok(())
    }

    /// Makes what the host has to make for the next epoch, while the device is busy with this one.
    pub(super) fn prepare_next_epoch(&mut self) -> Result<()> {
        let plan = self.trainer.plan;
        self.stack.prepare(plan, (self.step / plan.steps_per_epoch()) as usize)
    }

    /// Waits for the device and reads the losses that the jobs do not know yet. Returns whether each block's state consists
    /// of finite numbers.
    ///
    /// # Errors
    /// [`crate::Code::Diverged`] naming the first block whose loss is not a finite number.
    pub(super) fn collect<'j>(&mut self, jobs: impl Iterator<Item = &'j mut BlockJob>) -> Result<Vec<bool>> {
        self.wait_for_all_but(0)?;
        let plan = self.trainer.plan;
        let seconds = std::mem::take(&mut self.seconds) / self.stack.stacked() as f64;
        let Outcome { losses, finite } = self.stack.outcome(self.trainer.engine)?;
        for (job, losses) in jobs.zip(losses) {
            job.progress.seconds += seconds;
            while job.progress.step < self.step {
                let loss = f64::from(losses[(job.progress.step % plan.steps_per_epoch()) as usize]);
                job.progress.count(plan, loss)?;
            }
        }
        Ok(finite)
    }

    /// Reads the state of the job in row `row`.
    pub(super) fn save(&self, row: usize, job: &mut BlockJob) -> Result<()> {
        job.set_state(self.stack.state(self.trainer.engine, row)?)
    }

    /// Leaves the buffers to the next group.
    pub(super) fn leave(self) {
        self.trainer.stack = Some(self.stack);
    }
}

/// How many steps take about as long as may be queued.
struct Pace {
    longest: Duration,
    steps: u64,
}

impl Pace {
    /// At most doubles, since the first steps tell little.
    fn learn(&mut self, steps: u64, took: Duration) {
        let fits = self.longest.as_secs_f64() * steps as f64 / took.as_secs_f64().max(1e-9);
        self.steps = (fits as u64).clamp(1, 2 * self.steps);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_as_long_as_may_be() {
        let mut pace = Pace { longest: Duration::from_millis(20), steps: 1 };
        for expected in [2, 4, 8, 16, 20, 20] {
            pace.learn(pace.steps, Duration::from_millis(pace.steps));
            assert_eq!(pace.steps, expected);
        }
        pace.learn(20, Duration::from_secs(1));
        assert_eq!(pace.steps, 1);
        let mut none = Pace { longest: Duration::ZERO, steps: 1 };
        none.learn(1, Duration::from_millis(1));
        assert_eq!(none.steps, 1);
    }
}
