//! The gradient of a fully connected layer's input, and on through the batch norm, with or without ReLU, that has made this
//! input.
//!
//! | tensor | shape | what it is |
//! |---|---|---|
//! | dy | `[samples, outputs]` | gradient of the layer's output |
//! | dx | `[samples, inputs]` | dy · weightᵀ, and what comes from elsewhere (skip) |
//! | d_product | `[samples, inputs]` | gradient of what was normalised |
//!
//! The definition are the operations [`Linear`], [`Add`] and [`BatchNorm`], one after the other. On a device they are one launch
//! where a block of threads can have all samples of some columns.

mod cuda;
mod parity;
#[cfg(all(test, feature = "emulation"))]
mod tests;

pub(crate) use parity::parity;

use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::ops::add::Add;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::linear::{Linear, Saved};
use crate::ops::{DeviceOp, launch, on_device};
use crate::tensor::{Buffer, check};
use candle_core::Tensor;

/// A layer behind a batch norm.
#[derive(Debug, Clone, Copy)]
pub struct DenseBackward<'a> {
    /// The layer, or what it does with this input if it has several.
    pub layer: &'a Linear,
    /// What has made its input.
    pub norm: &'a BatchNorm,
}

/// Where gradients go.
#[derive(Debug, Clone, Copy)]
pub struct GradientBuffers<'a> {
    /// That of the layer's input.
    pub dx: &'a Buffer,
    /// That of what was normalised.
    pub d_product: &'a Buffer,
    /// `[K, parameters]`: those of the norm's scale and shift.
    pub parameters: &'a Buffer,
}

impl DenseBackward<'_> {
    /// `saved` is what the forward pass of the norm left; `skip` is added to dx.
    pub fn run(
        &self,
        to: GradientBuffers<'_>,
        dy: &Tensor,
        skip: Option<&Tensor>,
        saved: Saved<'_>,
        state: &Tensor,
    ) -> Result<()> {
        let Self { layer, norm } = self;
        let GradientBuffers { dx, d_product, parameters } = to;
        let Saved { product, y, statistics } = saved;
        check(norm.samples == layer.samples && norm.width == layer.inputs, "the norm before a dense layer")?;
        if on_device(d_product) && cuda::serves(layer) {
            let fused = ThroughNorm { op: self, skips: skip.is_some() };
            let reads: [&Tensor; 6] = [dy, skip.unwrap_or(dy), product, y, statistics, state];
            return launch(&fused, [d_product, dx, parameters], reads);
        }
        layer.backward_data(dx, dy, state)?;
        if let Some(skip) = skip {
            Add { len: layer.samples * layer.inputs }.forward(dx, skip)?;
        }
        norm.backward(d_product, parameters, [dx, y, product, statistics, state])
    }
}

/// What is launched.
struct ThroughNorm<'a> {
    op: &'a DenseBackward<'a>,
    skips: bool,
}

impl DeviceOp<3, 6> for ThroughNorm<'_> {
    const NAME: &'static str = "dense-backward";
    fn launch(&self, on: &Executor<'_>, writes: [DeviceRows; 3], reads: [DeviceRows; 6]) -> Result<()> {
        let ([d_product, dx, parameters], [dy, skip, product, y, statistics, state]) = (writes, reads);
        let DenseBackward { layer, norm } = self.op;
        layer.check(dx.len, dy.len)?;
        norm.check_device(&[d_product, dx, product, y], &[state], &[statistics])?;
        norm.check_gradients(parameters)?;
        check(layer.weight.offset + layer.weight.len <= state.len, "dense state")?;
        check(!self.skips || skip.len >= layer.samples * layer.inputs, "dense skip")?;
        let skip = self.skips.then_some(skip);
        let norm_of = cuda::Norm { op: norm, product, y, statistics, d_product, gradients: parameters };
        cuda::launch(layer, on, norm_of, cuda::Factors { dy, state }, dx, skip)
    }
}
