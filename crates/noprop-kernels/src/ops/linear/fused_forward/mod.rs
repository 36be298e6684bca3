//! Fully connected layer on one input or on two side by side, with what follows it: batch normalisation, ReLU.
//!
//! | tensor | shape |
//! |---|---|
//! | inputs | `[samples, inputs]` each |
//! | weight | `[Σ inputs, outputs]`, the rows of the first input before those of the second |
//! | bias, product, y | `[outputs]`, `[samples, outputs]`, `[samples, outputs]` |
//!
//! On the processor these are the operations [`Linear`], [`BatchNorm`] and [`Relu`], one after the other: they are the
//! definition. On a device they are one launch, or two where the product is split in depth or the batch is larger than a tile
//! (`cuda.rs`).

mod cuda;
mod parity;
#[cfg(all(test, feature = "emulation"))]
mod tests;

pub(crate) use parity::parity;

use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::linear::Linear;
use crate::ops::relu::Relu;
use crate::ops::{DeviceOp, launch, on_device};
use crate::tensor::{Buffer, Slot, check};
use candle_core::Tensor;

/// The products of a layer's `N` inputs, one or two.
#[derive(Debug, Clone, Copy)]
pub struct Dense<const N: usize = 1> {
    /// That of each input. The first brings the bias; the weight of the second lies behind its own.
    pub products: [Linear; N],
}

/// What a forward pass of training saves for the backward pass: the product with its bias, y, and the batch's statistics `[mean | variance]`.
#[derive(Debug, Clone, Copy)]
pub struct Saved<'a> {
    /// What is normalised.
    pub product: &'a Buffer,
    /// Output.
    pub y: &'a Buffer,
    /// Mean and biased variance.
    pub statistics: &'a Buffer,
}

impl<const N: usize> Dense<N> {
    /// y = Σ input · weight + bias, then max(y, 0) if `relu`.
    pub fn forward(&self, relu: bool, y: &Buffer, inputs: [&Tensor; N], state: &Tensor) -> Result<()> {
        if on_device(y) {
            return launch(&Forward { layer: self.with_two_inputs()?, relu }, [y], [inputs[0], inputs[N - 1], state]);
        }
        self.products(y, inputs, state)?;
        if relu { Relu { len: self.samples() * self.outputs() }.forward(y) } else { Ok(()) }
    }

    /// The same, normalised by the batch's statistics; moves the running ones in `state`.
    pub fn training(&self, norm: &BatchNorm, state: &Buffer, to: Saved<'_>, inputs: [&Tensor; N]) -> Result<()> {
        self.check_norm(norm)?;
        let Saved { product, y, statistics } = to;
        if on_device(y) {
            let training = Training { layer: self.with_two_inputs()?, norm };
            return launch(&training, [y, product, statistics, state], [inputs[0], inputs[N - 1]]);
        }
        self.products(product, inputs, state)?;
        norm.training(state, [y, statistics], product)
    }

    /// The same, normalised by the running statistics. `product` is room for what is normalised, which a device leaves alone.
    pub fn evaluation(
        &self,
        norm: &BatchNorm,
        state: &Tensor,
        [product, y]: [&Buffer; 2],
        inputs: [&Tensor; N],
    ) -> Result<()> {
        self.check_norm(norm)?;
        if on_device(y) {
            return launch(
                &Evaluation { layer: self.with_two_inputs()?, norm },
                [y],
                [inputs[0], inputs[N - 1], state],
            );
        }
        self.products(product, inputs, state)?;
        norm.forward_evaluation(y, product, state)
    }

    /// y = Σ input · weight + bias
    fn products(&self, y: &Buffer, inputs: [&Tensor; N], state: &Tensor) -> Result<()> {
        self.products.iter().zip(inputs).try_for_each(|(product, input)| product.forward(y, input, state))
    }

    fn samples(&self) -> usize {
        self.products[0].samples
    }

    fn outputs(&self) -> usize {
        self.products[0].outputs
    }

    fn check_norm(&self, norm: &BatchNorm) -> Result<()> {
        let fits = norm.samples == self.samples() && norm.width == self.outputs();
        check(fits && self.products[0].bias.is_some(), "the norm of a dense layer")
    }

    /// The same layer for kernels, which take two inputs: a layer of one has the same again, 0 wide.
    fn with_two_inputs(&self) -> Result<Dense<2>> {
        let first = self.products[0];
        let end = first.weight.offset + first.weight.len;
        let empty = Linear { inputs: 0, bias: None, weight: Slot { offset: end, len: 0 }, ..first };
        let second = if N == 1 { empty } else { self.products[N - 1] };
        let beside = second.samples == first.samples && second.outputs == first.outputs && second.weight.offset == end;
        check(N <= 2 && beside && second.bias.is_none(), "the inputs of a dense layer")?;
        Ok(Dense { products: [first, second] })
    }
}

/// The forward pass of one [`Linear`] on a device.
pub(super) fn linear(op: &Linear, on: &Executor<'_>, y: DeviceRows, [x, state]: [DeviceRows; 2]) -> Result<()> {
    let layer = Dense { products: [*op] }.with_two_inputs()?;
    cuda::forward(&layer, on, y, [x, x], state, cuda::After::relu(false))
}

impl Dense<2> {
    /// Whether the rows hold what the kernels reach.
    fn check_device(&self, y: DeviceRows, inputs: [DeviceRows; 2], state: DeviceRows) -> Result<()> {
        let [first, second] = &self.products;
        first.check(inputs[0].len, y.len)?;
        second.check(inputs[1].len, y.len)?;
        let end = second.weight.offset + second.weight.len;
        let end = first.bias.map_or(end, |bias| end.max(bias.offset + bias.len));
        check(end <= state.len, "dense state")
    }
}

struct Forward {
    layer: Dense<2>,
    relu: bool,
}

impl DeviceOp<1, 3> for Forward {
    const NAME: &'static str = "dense-forward";
    fn launch(&self, on: &Executor<'_>, [y]: [DeviceRows; 1], [first, second, state]: [DeviceRows; 3]) -> Result<()> {
        self.layer.check_device(y, [first, second], state)?;
        cuda::forward(&self.layer, on, y, [first, second], state, cuda::After::relu(self.relu))
    }
}

struct Evaluation<'a> {
    layer: Dense<2>,
    norm: &'a BatchNorm,
}

impl DeviceOp<1, 3> for Evaluation<'_> {
    const NAME: &'static str = "dense-evaluation";
    fn launch(&self, on: &Executor<'_>, [y]: [DeviceRows; 1], [first, second, state]: [DeviceRows; 3]) -> Result<()> {
        self.layer.check_device(y, [first, second], state)?;
        self.norm.check_device(&[y], &[state], &[])?;
        cuda::forward(&self.layer, on, y, [first, second], state, cuda::After::running(self.norm, state))
    }
}

/// In the state it writes the running statistics.
struct Training<'a> {
    layer: Dense<2>,
    norm: &'a BatchNorm,
}

impl DeviceOp<4, 2> for Training<'_> {
    const NAME: &'static str = "dense-training";
    fn launch(&self, on: &Executor<'_>, writes: [DeviceRows; 4], inputs: [DeviceRows; 2]) -> Result<()> {
        let [y, product, statistics, state] = writes;
        self.layer.check_device(y, inputs, state)?;
        self.norm.check_device(&[y, product], &[state], &[statistics])?;
        cuda::training(&self.layer, self.norm, on, cuda::To { product, y, statistics }, inputs, state)
    }
}
