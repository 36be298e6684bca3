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
//! | `launch.rs`, `rows.rs` | what a launch is, the tensors it works on |
//! | `engine.rs` | a card or the emulation, as training and inference see it |
//! | `recording.rs`, `repeated.rs` | what must not happen while a step is recorded; when it is recorded |
//! | `context.rs`, `step.rs` | what all operations of a step share, and what they read from device memory |
//! | `epoch.cu`, `epoch.rs` | the beginning and end of a training step, and what a run reads back after an epoch |
//! | `reduce.cuh` | sums in a fixed order |
//! | `parity.rs` | every kernel against the plain reference in double precision |

mod context;
#[cfg(feature = "emulation")]
mod emulation;
mod engine;
pub(crate) mod epoch;
#[cfg(feature = "cuda")]
pub mod gpu;
mod launch;
pub mod parity;
pub(crate) mod product;
pub(crate) mod recording;
mod repeated;
mod rows;
mod step;
#[cfg(all(test, feature = "emulation"))]
mod tile;

pub use context::Context;
#[cfg(all(test, feature = "emulation"))]
pub(crate) use emulation::not_launched;
#[cfg(all(any(test, feature = "testing"), feature = "emulation"))]
pub use emulation::{launches_of, listed_of, strides};
pub use engine::{Engine, Mark, Recorded, out_of_memory};
pub use epoch::{AllFinite, EpochTensors, Outcome, PARTS};
pub use launch::{Arguments, Executor, Launch, ceil_div};
pub use recording::refuse as refuse_while_recording;
pub use repeated::Repeated;
pub use rows::{Address, DeviceRows, RowsOf, address_of};
pub use step::{DeviceStep, StepTensors, StepValues};

use crate::ops::multiply::Precision;

/// What products and convolutions on a device multiply. Sums are always f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Multiply {
    /// f32 factors on the ordinary units.
    #[default]
    F32,
    /// Factors rounded to TF32 (10 bits) on tensor cores.
    Tf32,
    /// Factors rounded to bf16 (7 bits) on tensor cores.
    Bf16,
}

impl From<Precision> for Multiply {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::Tf32 => Self::Tf32,
            Precision::Bf16 => Self::Bf16,
        }
    }
}

impl Multiply {
    /// The suffix of the kernels' names.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        }
    }
}
