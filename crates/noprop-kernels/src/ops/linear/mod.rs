//! Fully connected layer: x `[samples, inputs]`, y `[samples, outputs]`, weight `[inputs, outputs]`, bias `[outputs]`.
//!
//! The weight may be a range of rows of a larger one: a layer on concatenated inputs is two products into one y.
//!
//! | file | what it holds |
//! |---|---|
//! | `forward.rs` | y of one product |
//! | `gradients/` | the gradients of one product: of its input, weight and bias |
//! | `fused_forward/` | one or two products with what follows them, batch norm and ReLU; a kernel on a device |
//! | `fused_backward/` | the gradient of the input, and on through the batch norm before it; a kernel on a device |
//! | `reference.rs`, `cpu.rs`, `row.rs` | the definition; register tiles; products of a single row |
//! | `tiles.rs`, `columns.cuh` | which blocks of threads make a product on a device |

pub(crate) mod cpu;
mod forward;
mod fused_backward;
mod fused_forward;
mod gradients;
mod parity;
mod reference;
mod row;
#[cfg(test)]
mod tests;
mod tiles;

pub use fused_backward::{DenseBackward, GradientBuffers};
pub use fused_forward::{Dense, Saved};

use super::multiply::Precision;
use crate::cuda::parity::Parity;
use crate::error::Result;
use crate::ops::simd::vectorize;
use crate::team::{Cost, share_columns};
use crate::tensor::{Real, Slot, check};

/// What the three directions share.
#[derive(Debug, Clone, Copy)]
pub struct Linear {
    /// Samples in this batch.
    pub samples: usize,
    /// Width of x.
    pub inputs: usize,
    /// Width of y.
    pub outputs: usize,
    /// Where the weight lies in the flat buffer (state or gradients).
    pub weight: Slot,
    /// Where the bias lies; `None` adds to what y holds already.
    pub bias: Option<Slot>,
    /// What factors are rounded to. Biases are added as they are.
    pub precision: Precision,
}

impl Linear {
    pub(super) fn check(&self, x: usize, y: usize) -> Result<()> {
        check(x >= self.samples * self.inputs && y >= self.samples * self.outputs, "linear activations")?;
        check(self.weight.len == self.inputs * self.outputs, "linear weight")?;
        check(self.bias.is_none_or(|bias| bias.len == self.outputs), "linear bias")
    }

    /// Multiply-adds of one sample, one direction.
    pub fn multiply_adds(&self) -> usize {
        self.inputs * self.outputs
    }
}

/// sums = Σ rows, in order: the gradient of a bias.
pub(crate) fn sum_rows<T: Real>(sums: &mut [T], rows: &[T]) -> Result<()> {
    let width = sums.len();
    share_columns([sums], Cost::of_values(rows.len()), |first, [sums]| {
        vectorize(
            #[inline(always)]
            || reference::sum_rows((width, first), sums, rows),
        );
        Ok(())
    })
}

/// The kernels of products and their gradients against the reference.
pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    parity::parity(parity)
}

/// Those of a product with what follows it.
pub(crate) fn forward_parity(parity: &mut Parity) -> Result<()> {
    fused_forward::parity(parity)
}

/// Those of a gradient on through a norm.
pub(crate) fn backward_parity(parity: &mut Parity) -> Result<()> {
    fused_backward::parity(parity)
}
