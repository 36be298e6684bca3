//! The operations of a training step, one folder each: `mod.rs` states shapes and dispatches, `reference.rs` is the
//! plain definition, `cpu.rs` the fast path that is tested against it.
//!
//! A [`BlockOp`] writes one destination, a [`Buffer`](crate::tensor::Buffer), and reads any number of other tensors. Where a device
//! does several of them at once, a `DeviceOp` says all that it writes. Every tensor has a leading
//! dimension K, the blocks that run together; a source whose K is 1 is shared by all of them. `f32` takes the fast path,
//! `f64` the reference, so a whole block can be checked by finite differences in double precision.

// Loops over indices are what the compiler unrolls into registers; see `tile`.
#![allow(clippy::needless_range_loop)]

pub mod activation;
pub mod adamw;
pub mod add;
pub mod attention;
pub mod batch;
pub mod batch_norm;
pub mod conv;
pub mod conv3x3;
pub mod copy_columns;
pub mod dropout;
pub mod embed;
pub mod forward_forward;
pub mod layer_norm;
pub mod linear;
pub mod mix;
pub mod mul;
pub mod multiply;
pub mod patches;
pub mod pool;
pub mod positions;
pub mod profile;
pub mod relu;
pub mod sampler;
pub mod simd;
pub mod softmax;
pub mod squared_error;
pub mod time_features;

mod apply;
mod cut;
mod device_op;
mod exp;
mod heights;
mod scratch;
mod sums;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tile;
mod transpose;

pub use apply::{BlockOp, apply};
pub use cut::Cut;
pub use device_op::{DeviceOp, launch, on_device};
