//! Shares of the classes by the classes' embeddings, and the gradients: a product of rows with a small matrix or its transpose, and that of two
//! sides of rows. It is little beside a net's layers.

mod cuda;
mod parity;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use parity::parity;

use super::{BlockOp, apply};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::tensor::{Buffer, Real, check};
use candle_core::Tensor;

/// A product of `[samples, classes]` with the embeddings `[classes, width]`, or of `[samples, width]` with their transpose.
#[derive(Debug, Clone, Copy)]
pub struct Embed {
    /// Samples.
    pub samples: usize,
    /// Rows of the embeddings.
    pub classes: usize,
    /// Values of an embedding.
    pub width: usize,
    /// Where the embeddings begin: 0 where they are alone, their place in a state and in gradients where they are trained.
    pub offset: usize,
    /// Whether the source has `width` values a sample, and the result one a class.
    pub is_transposed: bool,
}

impl Embed {
    /// Writes the product of `from` with the embeddings: `[1, classes · width]`, which all blocks share, or each block's state.
    pub fn forward(&self, to: &Buffer, from: &Tensor, embeddings: &Tensor) -> Result<()> {
        apply(self, to, [from, embeddings])
    }

    /// The gradient of the embeddings, sharesᵀ · dy of shares `[samples, classes]` and dy `[samples, width]`: written, or added to what other
    /// products with the same embeddings have left there.
    pub fn backward_rows(&self, gradients: &Buffer, shares: &Tensor, dy: &Tensor, add: bool) -> Result<()> {
        apply(&BackwardRows(self, add), gradients, [shares, dy])
    }

    /// Values of a row of the source, and of the result.
    fn sizes(&self) -> (usize, usize) {
        if self.is_transposed { (self.width, self.classes) } else { (self.classes, self.width) }
    }

    fn check(&self, to: usize, from: usize, embeddings: usize) -> Result<()> {
        let (inputs, outputs) = self.sizes();
        check(from >= self.samples * inputs && to >= self.samples * outputs, "embeddings")?;
        self.check_rows(embeddings)
    }

    fn check_rows(&self, embeddings: usize) -> Result<()> {
        check(embeddings >= self.offset + self.classes * self.width, "rows of embeddings")
    }
}

impl BlockOp<2> for Embed {
    const NAME: &'static str = "embed";
    fn block<T: Real>(&self, _: usize, to: &mut [T], [from, embeddings]: [&[T]; 2]) -> Result<()> {
        self.check(to.len(), from.len(), embeddings.len())?;
        reference::forward(self, to, from, embeddings);
        Ok(())
    }
    fn launch(&self, on: &Executor<'_>, to: DeviceRows, [from, embeddings]: [DeviceRows; 2]) -> Result<()> {
        self.check(to.len, from.len, embeddings.len)?;
        cuda::forward(self, on, to, [from, embeddings])
    }
}

struct BackwardRows<'a>(&'a Embed, bool);

impl BackwardRows<'_> {
    fn check(&self, gradients: usize, shares: usize, dy: usize) -> Result<()> {
        let Embed { samples, classes, width, .. } = *self.0;
        check(shares >= samples * classes && dy >= samples * width, "the gradient of embeddings")?;
        self.0.check_rows(gradients)
    }
}

impl BlockOp<2> for BackwardRows<'_> {
    const NAME: &'static str = "embed-backward-rows";
    fn block<T: Real>(&self, _: usize, gradients: &mut [T], [shares, dy]: [&[T]; 2]) -> Result<()> {
        self.check(gradients.len(), shares.len(), dy.len())?;
        reference::backward_rows(self.0, gradients, shares, dy, self.1);
        Ok(())
    }
    fn launch(&self, on: &Executor<'_>, gradients: DeviceRows, [shares, dy]: [DeviceRows; 2]) -> Result<()> {
        self.check(gradients.len, shares.len, dy.len)?;
        cuda::backward_rows(self.0, on, gradients, [shares, dy], self.1)
    }
}
