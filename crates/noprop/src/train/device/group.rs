//! Jobs that are at the same step, stacked on a device, and what is read back of them.

use super::{DeviceData, Stack};
use crate::cuda::Engine;
use crate::error::Result;
use crate::ops::StopFlag;
use crate::train::Plan;
use crate::train::job::BlockJob;
use std::time::{Duration, Instant};

/// Work that is queued at most, so that a stop is heard in time.
const QUEUED: Duration = Duration::from_millis(25);

/// A device with the data of a run.
pub(super) struct DeviceLane<'a> {
    plan: &'a Plan,
    engine: &'a Engine,
    data: DeviceData,
    /// The buffers of the last group, for the next one of its size.
    stack: Option<Stack>,
    pace: Pace,
}

impl<'a> DeviceLane<'a> {
    pub(super) fn new(plan: &'a Plan, engine: &'a Engine) -> Result<Self> {
        // A checkpoint is written as soon as one is due.
        let longest = QUEUED.min(Duration::from_secs_f64(plan.options.checkpoint_seconds));
        let data = DeviceData::upload(engine, &plan.data)?;
        Ok(Self { plan, engine, data, stack: None, pace: Pace { longest, steps: 1 } })
    }

    /// Uploads jobs that are at the same step.
    pub(super) fn load<'j>(&mut self, jobs: impl Iterator<Item = &'j BlockJob>) -> Result<Group<'_, 'a>> {
        let jobs: Vec<_> = jobs.collect();
        let blocks: Vec<_> = jobs.iter().map(|job| job.progress.block).collect();
        let states = jobs.iter().map(|job| job.state()).collect::<Result<Vec<_>>>()?;
        // Those of another size are given back first: there may not be room for both.
        let kept = self.stack.take().filter(|stack| stack.stacked() == blocks.len());
        let mut stack = match kept {
            Some(stack) => stack,
            None => Stack::new(self.plan, self.engine, blocks.len())?,
        };
        stack.load(self.plan, self.engine, &blocks, &states)?;
        let mut group = Group { lane: self, stack, step: jobs[0].progress.step, seconds: 0.0 };
        group.begin_epoch()?;
        Ok(group)
    }
}

/// Jobs on the device. What the jobs themselves know is of the last time that it was read back.
pub(super) struct Group<'l, 'a> {
    lane: &'l mut DeviceLane<'a>,
    stack: Stack,
    /// Steps done.
    pub(super) step: u64,
    /// Time of the steps whose losses have not been read yet.
    seconds: f64,
}

impl Group<'_, '_> {
    /// Readies the epoch that the next step belongs to.
    pub(super) fn begin_epoch(&mut self) -> Result<()> {
        let (plan, per_epoch) = (self.lane.plan, self.lane.plan.steps_per_epoch());
        self.stack.begin_epoch(plan, (self.step / per_epoch) as usize, (self.step % per_epoch) as usize)
    }

    /// Steps all blocks towards `limit`, which lies in the running epoch or at its end, for about 25 ms.
    pub(super) fn advance(&mut self, limit: u64, stop: &StopFlag) -> Result<()> {
        let (started, lane) = (Instant::now(), &mut *self.lane);
        let first = self.step;
        let end = limit.min(first + lane.pace.steps);
        while self.step < end {
            stop.check()?;
            self.stack.step(lane.plan, lane.engine, &lane.data, self.step, stop)?;
            self.step += 1;
        }
        lane.engine.synchronize()?;
        let took = started.elapsed();
        lane.pace.learn(end - first, took);
        self.seconds += took.as_secs_f64();
        Ok(())
    }

    /// Reads the losses that the jobs do not know yet. Returns the first block whose loss is not a finite number.
    ///
    /// # Errors
    /// [`crate::Code::Diverged`] naming the block.
    pub(super) fn collect<'j>(&mut self, jobs: impl Iterator<Item = &'j mut BlockJob>) -> Result<()> {
        let plan = self.lane.plan;
        let seconds = std::mem::take(&mut self.seconds) / self.stack.stacked() as f64;
        for (job, losses) in jobs.zip(self.stack.losses(self.lane.engine)?) {
            job.progress.seconds += seconds;
            while job.progress.step < self.step {
                let loss = f64::from(losses[(job.progress.step % plan.steps_per_epoch()) as usize]);
                job.progress.count(plan, loss)?;
            }
        }
        Ok(())
    }

    /// Whether each block's state consists of finite numbers.
    pub(super) fn all_finite(&self) -> Result<Vec<bool>> {
        self.stack.all_finite()
    }

    /// Reads the state of the job in row `row`.
    pub(super) fn save(&self, row: usize, job: &mut BlockJob) -> Result<()> {
        job.set_state(self.stack.state(self.lane.engine, row)?)
    }

    /// Leaves the buffers to the next group.
    pub(super) fn leave(self) {
        self.lane.stack = Some(self.stack);
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
