//! Files: atomic writes, the safetensors container, and the store that holds the weights of trained blocks.

pub mod atomic;
pub mod container;
pub mod weights;

pub use atomic::probe_output;
pub use weights::WeightStore;
