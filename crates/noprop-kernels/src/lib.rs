//! The operations of [noprop-core](https://docs.rs/noprop-core): tensors' buffers, kernels for AVX-512, AVX2, NEON and CUDA,
//! counter-based random numbers. It knows no nets, no data sets and no training runs.
//!
//! | module | what it holds |
//! |---|---|
//! | [`math`] | mathematical functions that do not depend on the system's library |
//! | [`memory`], [`threads`] | what the system may refuse, as errors |
//! | [`ops`] | the operations of a training step, each with a plain reference and a fast path |
//! | [`cuda`], [`parity`] | launching kernels on GPUs or on their emulation; every kernel against the reference |
//! | [`peak`] | the measured peaks of arithmetic and memory of this processor |
//! | [`team`] | several threads on one operation |
//! | [`tensor`] | buffers, rows, slots and element types of operations |
//! | [`rng`] | counter-based random numbers |
//! | [`device`] | where kernels run: the processor or GPUs |
//! | [`error`] | the error type with its stable codes |
//!
//! Most users want `noprop-core`, which re-exports what they need.

pub mod cuda;
pub mod device;
pub mod error;
pub mod math;
pub mod memory;
pub mod ops;
pub mod parity;
pub mod peak;
pub mod rng;
pub mod team;
pub mod tensor;
pub mod threads;

pub use error::{Code, Error, Result};
