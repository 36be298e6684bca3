//! What is told of epochs, and how all blocks together are measured while they train.

use super::shared::Shared;
use crate::error::Result;
use crate::train::chain::{Chain, Complete};
use crate::train::job::BlockJob;
use crate::train::plan::Plan;
use crate::train::progress::Event;
use crate::train::validation::Measured;
use std::sync::{Mutex, PoisonError};

/// What gathers the blocks of a run, where they are all in flight (else they are never at the same epoch) and are measured each by itself.
pub(super) fn chain(plan: &Plan) -> Option<Mutex<Chain>> {
    let blocks = plan.model.jobs();
    let together = plan.options.in_flight.is_some_and(|in_flight| in_flight >= blocks);
    let measured = plan.validation.as_ref().map(|validation| validation.measured);
    (together && measured == Some(Measured::Estimates)).then(|| Mutex::new(Chain::new(blocks)))
}

impl Shared {
    /// Tells of the epoch that the job has just ended, and measures all blocks if it was the last of them to do so.
    pub(in crate::train) fn epoch_ended(&self, job: &BlockJob) -> Result<()> {
        let (block, epoch) = (job.progress.block, job.progress.losses.len());
        let Some(loss) = job.progress.losses.last().copied() else { return Ok(()) };
        let score = job.progress.validation.last().filter(|score| score.epoch == epoch);
        let (validation_loss, validation_accuracy) = (score.map(|score| score.loss), score.map(|score| score.accuracy));
        (self.observer)(Event::Epoch { block, epoch, loss, validation_loss, validation_accuracy });
        let measured = self.plan.validation.as_ref().map(|validation| validation.measured);
        if let (Some(Measured::Model), Some(score)) = (measured, score)
            && epoch < self.plan.options.epochs
        {
            let (accuracy, loss) = (score.accuracy, score.loss);
            (self.observer)(Event::Chain { epoch, accuracy, loss });
        }
        let is_measured = score.is_some() || self.plan.is_head_measured(block, epoch);
        let (Some(chain), true) = (&self.chain, is_measured) else { return Ok(()) };
        // After the last epoch the whole is evaluated anyway.
        if epoch == self.plan.options.epochs {
            return Ok(());
        }
        let weights = job.weights_now(&self.plan)?;
        let complete = chain.lock().unwrap_or_else(PoisonError::into_inner).put(block, epoch, weights);
        complete.into_iter().try_for_each(|complete| self.measure(complete))
    }

    /// Hands in the weights of a block that has ended before its last epoch.
    pub(super) fn ended_early(&self, job: &BlockJob) -> Result<()> {
        let (Some(chain), true) = (&self.chain, job.progress.ended.is_some()) else { return Ok(()) };
        let (block, epoch, weights) = (job.progress.block, job.progress.losses.len(), job.weights_now(&self.plan)?);
        let complete = chain.lock().unwrap_or_else(PoisonError::into_inner).end(block, epoch, weights);
        complete.into_iter().try_for_each(|complete| self.measure(complete))
    }

    fn measure(&self, (epoch, weights): Complete) -> Result<()> {
        let Some(validation) = &self.plan.validation else { return Ok(()) };
        if let Some((accuracy, loss)) = validation.of_model(&self.plan.model, weights, &self.stop)? {
            (self.observer)(Event::Chain { epoch, accuracy, loss });
        }
        Ok(())
    }
}
