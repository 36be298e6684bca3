//! A stage of the image pathway: 3×3 convolution, ReLU, pooling or none, dropout.

use super::parameters::Init;
use super::{Layout, LayoutBuilder, Step};
use crate::error::Result;
use crate::ops::conv3x3::{self, Backward, Dims};
use crate::ops::dropout::Dropout;
use crate::tensor::{Buffer, Slot};
use candle_core::Tensor;

/// dropout(pool(relu(conv3×3(x) + bias))), see [`conv3x3`].
#[derive(Debug, Clone)]
pub struct Conv3x3 {
    /// Sizes.
    pub dims: Dims,
    weight: Slot,
    bias: Slot,
}

impl Conv3x3 {
    /// Declares the layer's tensors.
    pub fn declare(builder: &mut LayoutBuilder, name: &str, dims: Dims) {
        let init = Init::FanIn(9 * dims.cin);
        builder.parameter(name, "weight", &[3, 3, dims.cin, dims.cout], init);
        builder.parameter(name, "bias", &[dims.cout], init);
    }

    /// The layer whose tensors `name` declared.
    pub fn new(layout: &Layout, name: &str, dims: Dims) -> Self {
        let slot = |tensor: &str| layout.slot(&format!("params.{name}.{tensor}"));
        Self { dims, weight: slot("weight"), bias: slot("bias") }
    }

    fn op<'a>(&self, step: Step<'a>) -> conv3x3::Conv3x3<'a> {
        let Step { samples, precision, stop, .. } = step;
        conv3x3::Conv3x3 { dims: self.dims, samples, weight: self.weight, bias: self.bias, precision, stop }
    }

    /// y = dropout(pool(relu(conv(x)))).
    pub fn forward(&self, step: Step<'_>, y: &Buffer, x: &Tensor, dropout: Option<Dropout<'_>>) -> Result<()> {
        self.op(step).forward(y, x, step.state, dropout)
    }

    /// Gradients of the parameters and, unless this is a first layer, of x. An optimiser moves the parameters.
    pub fn backward(&self, step: Step<'_>, dx: Option<&Buffer>, backward: Backward<'_>, x: &Tensor) -> Result<()> {
        let op = self.op(step);
        op.backward_weights(step.gradients, x, backward)?;
        dx.map_or(Ok(()), |dx| op.backward_data(dx, backward, step.state))?;
        step.update([self.weight, self.bias])
    }

    /// The same by kernels, by way of da `[K, samples · spread]`, see `ops/conv3x3/spread.rs`.
    pub(crate) fn spread_backward(
        &self,
        step: Step<'_>,
        dx: Option<&Buffer>,
        backward: Backward<'_>,
        x: &Tensor,
        da: &Buffer,
    ) -> Result<()> {
        let op = self.op(step);
        op.spread(da, backward)?;
        op.spread_backward_weights(step.gradients, x, da, backward.scale)?;
        dx.map_or(Ok(()), |dx| op.spread_backward_data(dx, da, backward.scale, step.state))?;
        step.update([self.weight, self.bias])
    }

    /// Multiply-adds of one sample forward; backward takes twice that, a first layer once.
    pub fn multiply_adds(&self) -> usize {
        self.dims.multiply_adds()
    }
}
