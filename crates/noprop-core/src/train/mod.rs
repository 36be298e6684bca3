//! Training: a block job is (block, data, seed, epochs) → weights, and nothing else decides its result.

mod backlog;
pub mod batch;
pub mod batches;
mod cache;
pub mod checkpoint;
mod device;
pub mod estimate;
pub mod job;
pub mod plan;
pub mod progress;
pub mod run;
#[cfg(test)]
mod tests;
pub mod trainer;
pub(crate) mod values;

pub use backlog::{Backlog, MOST_EPOCHS};
pub use batches::Batch;
pub(crate) use device::{DeviceData, Stack, floor};
pub use estimate::{Estimate, estimate};
pub use job::BlockJob;
pub use plan::Plan;
pub use progress::{Event, Observer};
pub use run::Training;
pub use trainer::Trainer;
