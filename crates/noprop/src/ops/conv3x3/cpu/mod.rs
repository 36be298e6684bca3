//! Direct, register-blocked kernels: no im2col, no padding, one thread.
//!
//! All three directions hold a tile of `P` rows × 2 vectors of channels in registers and walk the summed dimension:
//! each step loads 2 vectors, broadcasts `P` scalars and does `2P` multiply-adds. With 32 registers (AVX-512, NEON)
//! 13 × 2 accumulators + 2 vectors + 1 broadcast fit; with 16 (AVX2) 6 × 2 + 2 + 1. `tile!` picks the compiled `P`.

mod backward_data;
mod backward_weights;
mod forward;
mod tile;

pub use backward_data::backward_data;
pub use backward_weights::{backward_bias, backward_weights};
pub use forward::forward_relu;
