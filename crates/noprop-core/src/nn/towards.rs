//! What becomes of the gradient of a fully connected layer's input: it goes on at once through what has made the input.

use super::{BatchNorm, Step};
use crate::error::Result;
use crate::ops::dense::Written;
use crate::ops::dense_backward::{DenseBackward, Gradients};
use crate::ops::linear::Linear;
use crate::tensor::Buffer;
use candle_core::Tensor;

/// Each is one launch on a device, or two for a product that is split in depth.
#[derive(Debug, Clone, Copy)]
pub enum Towards<'a> {
    /// Nothing: it is not needed.
    Nothing,
    /// It is kept as dx.
    Input(&'a Buffer),
    /// A ReLU, and perhaps a dropout of this scale, has made the input: dx is the gradient of what came into the ReLU.
    Relu(&'a Buffer, f64),
    /// A batch norm has made the input.
    Norm {
        /// The norm, whose parameters get their gradients. An optimiser moves them.
        norm: &'a BatchNorm,
        /// What its forward pass wrote.
        written: Written<'a>,
        /// The gradient of the input itself.
        dx: &'a Buffer,
        /// Added to dx: the gradient by another way that leads on from the input.
        skip: Option<&'a Tensor>,
        /// The gradient of what was normalised.
        d_product: &'a Buffer,
    },
}

impl Towards<'_> {
    /// Goes there from the gradient dy of the output of `layer`, whose input is x.
    pub(super) fn go(&self, step: Step<'_>, layer: &Linear, dy: &Tensor, x: &Tensor) -> Result<()> {
        match *self {
            Towards::Nothing => Ok(()),
            Towards::Input(dx) => layer.backward_data(dx, dy, step.state),
            Towards::Relu(dx, scale) => layer.backward_data_to_relu(dx, dy, step.state, x, scale),
            Towards::Norm { norm, written, dx, skip, d_product } => {
                let to = Gradients { dx, d_product, parameters: step.gradients };
                let op = DenseBackward { layer, norm: &norm.op(step.samples) };
                op.run(to, dy, skip, written, step.state)?;
                step.update(norm.parameters())
            }
        }
    }
}
