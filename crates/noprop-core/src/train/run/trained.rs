//! What a run has trained, also where it was told to end before some of its blocks had begun.

use crate::config::CheckedConfig;
use crate::error::{Code, Error, Result};
use crate::storage::WeightStore;
use crate::train::plan::Plan;
use std::collections::BTreeSet;

/// What a run has trained.
pub struct Trained {
    /// The configuration of the weights. It is the planned one, or, where blocks had not begun and the model cannot have them as they
    /// were, that of the first blocks alone.
    pub model: CheckedConfig,
    /// The weights of its jobs. Of a run of some blocks (`onlyBlocks`, `retrain`, `append`) theirs alone.
    pub weights: WeightStore,
    /// The jobs (from 1) that were trained.
    pub jobs: Vec<usize>,
}

impl Plan {
    /// The model that the jobs which have begun are, if the others never do.
    ///
    /// # Errors
    /// [`Code::Cancelled`] where they are none.
    pub(super) fn model_of(&self, begun: &BTreeSet<usize>) -> Result<CheckedConfig> {
        let (model, options) = (&self.model, &self.options);
        let jobs = options.jobs(model.jobs());
        let waiting: Vec<_> = jobs.iter().copied().filter(|job| !begun.contains(job)).collect();
        // Parts need not be whole, and blocks that have weights keep them.
        let is_spared = options.append.is_none() && (options.only_blocks.is_some() || self.from.is_some());
        if waiting.is_empty() || is_spared {
            return Ok(model.clone());
        }
        let blocks: Vec<_> = waiting.iter().filter(|job| model.head_of(**job).is_none()).collect();
        // The first blocks of a chain are one by themselves.
        let is_chain = model.config.method.has_schedule();
        let is_cut = |first: usize| is_chain && begun.iter().all(|job| *job < first);
        if let Some(first) = blocks.first().filter(|first| !is_cut(***first)) {
            let (which, method) = (if is_chain { "the first" } else { "all" }, model.config.method.name());
            return Err(Error::new(
                Code::Cancelled,
                format!("the run was stopped before block {first} had begun, so there is no whole model"),
            )
            .expected(format!("{which} blocks in flight when a run of {method} is stopped"))
            .received(format!("{} that wait", blocks.len()))
            .hint("train all blocks at once (inFlight), or keep a checkpoint and resume the run"));
        }
        model.of_first(model.config.blocks - blocks.len(), blocks.len() == waiting.len())
    }

    /// What a run with this plan has trained that ended with the `jobs`, whose weights are in `store`.
    ///
    /// # Errors
    /// Those of reading and writing weights.
    pub(super) fn trained(&self, jobs: BTreeSet<usize>, store: WeightStore) -> Result<Trained> {
        let model = self.model_of(&jobs)?;
        let mut weights = store;
        if model.jobs() != self.model.jobs() {
            let shorter = WeightStore::temporary_of(&model.weights_of_jobs())?;
            for job in &jobs {
                shorter.write(*job, &weights.read(*job)?)?;
            }
            weights = shorter;
        }
        if let (Some(from), None) = (&self.from, &self.options.only_blocks) {
            for job in (1..=model.jobs()).filter(|job| !jobs.contains(job)) {
                weights.write(job, &from.weights(job)?)?;
            }
        }
        Ok(Trained { model, weights, jobs: jobs.into_iter().collect() })
    }
}
