//! Shares of the classes by the classes' embeddings, and the gradient: a product of rows with a small matrix or its transpose. It is little beside a
//! net's layers.

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
    /// Whether the source has `width` values a sample, and the result one a class.
    pub is_transposed: bool,
}

impl Embed {
    /// Writes the product of `from` with the embeddings `[1, classes · width]`, which all blocks share.
    pub fn forward(&self, to: &Buffer, from: &Tensor, embeddings: &Tensor) -> Result<()> {
        apply(self, to, [from, embeddings])
    }

    /// Values of a row of the source, and of the result.
    fn sizes(&self) -> (usize, usize) {
        if self.is_transposed { (self.width, self.classes) } else { (self.classes, self.width) }
    }

    fn check(&self, to: usize, from: usize, embeddings: usize) -> Result<()> {
        let (inputs, outputs) = self.sizes();
        check(from >= self.samples * inputs && to >= self.samples * outputs, "embeddings")?;
        check(embeddings == self.classes * self.width, "rows of embeddings")
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
