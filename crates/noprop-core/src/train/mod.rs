//! Training: a block job is (block, data, seed, epochs) → weights, and nothing else decides its result.

mod backlog;
pub mod batch;
pub mod batches;
mod cache;
mod chain;
pub mod checkpoint;
mod device;
pub mod early_stopping;
pub mod estimate;
pub mod job;
mod judge;
mod ode;
pub mod plan;
pub mod progress;
pub mod rate_search;
pub mod run;
#[cfg(test)]
mod tests;
pub mod trainer;
pub mod validation;
pub(crate) mod values;

pub use backlog::{Backlog, MOST_EPOCHS};
pub use batches::Batch;
pub(crate) use device::{DeviceData, Stack, floor};
pub use estimate::{Estimate, estimate};
pub use job::BlockJob;
pub use plan::Plan;
pub use progress::{End, Event, Observer};
pub use rate_search::{RateSearch, find_learning_rate};
pub use run::{Trained, Training};
pub use trainer::Trainer;
pub use validation::{MeasureChain, Score, Validation};
