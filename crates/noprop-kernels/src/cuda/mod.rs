//! Launching CUDA kernels, on a card or on their emulation.
//!
//! The kernels lie beside the operations, `ops/<op>/cuda.cu`, with their launch geometry in `ops/<op>/cuda.rs`; [`parity`]
//! compares them with the reference. One launch serves all K blocks that run together.
//!
//! | file | what it holds |
//! |---|---|
//! | `prelude.cuh`, `philox.cuh`, `all.cu` | what kernels share, and the one translation unit of all |
//! | `emulation.h`, `emulation.rs`, `emulation.cu` | the same kernels compiled for the processor, and its tests |
//! | `gpu.rs` | the same kernels on candle's stream (feature `cuda`) |
//! | `tile.cuh`, `factor.cuh`, `mover.cuh`, `product.cuh`, `product.cu`, `product.rs` | products on tensor cores, which linear layers and convolutions are |
//! | `launch.rs`, `executor.rs` | what a launch is, and what runs it |
//! | `address.rs`, `rows.rs` | where tensors lie, and their rows |
//! | `engine.rs` | a card or the emulation, as training and inference see it |
//! | `recording.rs`, `repeated.rs` | what must not happen while a step is recorded; when it is recorded |
//! | `context.rs`, `step.rs`, `multiply.rs` | what all operations of a step share, and what they read from device memory |
//! | `epoch.cu`, `epoch.rs` | the beginning and end of a training step, and what a run reads back after an epoch |
//! | `reduce.cuh` | sums in a fixed order |
//! | `parity.rs` | every kernel against the plain reference in double precision |

// Types and launches are compiled always, so that every build checks them. Where there is no card and no emulation nothing makes an
// executor, and what only they would call is not used.
#![cfg_attr(not(device), allow(dead_code))]

mod address;
mod context;
#[cfg(feature = "emulation")]
mod emulation;
mod engine;
pub(crate) mod epoch;
mod executor;
#[cfg(feature = "cuda")]
pub mod gpu;
mod launch;
mod multiply;
pub mod parity;
pub(crate) mod product;
pub(crate) mod recording;
mod repeated;
mod rows;
mod step;
#[cfg(all(test, feature = "emulation"))]
mod tile;

#[cfg(feature = "cuda")]
pub(crate) use address::on_card;
pub use address::{Address, address_of};
pub use context::Context;
#[cfg(all(test, feature = "emulation"))]
pub(crate) use emulation::not_launched;
#[cfg(all(any(test, feature = "testing"), feature = "emulation"))]
pub use emulation::{launches_of, listed_of, strides};
pub use engine::{Engine, Mark, Recorded, out_of_memory};
pub use epoch::{AllFinite, EpochTensors, Outcome, PARTS};
pub use executor::Executor;
pub use launch::{Arguments, Launch, ceil_div};
pub use multiply::Multiply;
pub use recording::refuse as refuse_while_recording;
pub use repeated::Repeated;
pub use rows::{DeviceRows, RowsOf};
pub use step::{DeviceStep, StepTensors, StepValues};
