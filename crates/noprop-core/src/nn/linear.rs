//! Fully connected layer on one input or on two that count as concatenated.

use super::parameters::Init;
use super::{Layout, LayoutBuilder, Step, Towards};
use crate::error::Result;
use crate::ops::dense::Dense;
use crate::ops::linear;
use crate::tensor::{Buffer, Slot};
use candle_core::Tensor;

/// y = x · weight + bias, see [`linear`]. `N` inputs lie side by side, each with rows of the weight of its own.
#[derive(Debug, Clone)]
pub struct Linear<const N: usize = 1> {
    inputs: [usize; N],
    outputs: usize,
    weight: Slot,
    bias: Slot,
}

impl<const N: usize> Linear<N> {
    /// Declares the layer's tensors.
    pub fn declare(builder: &mut LayoutBuilder, name: &str, inputs: [usize; N], outputs: usize) {
        let fan_in = inputs.iter().sum();
        builder.parameter(name, "weight", &[fan_in, outputs], Init::FanIn(fan_in));
        builder.parameter(name, "bias", &[outputs], Init::FanIn(fan_in));
    }

    /// The layer whose tensors `name` declared.
    pub fn new(layout: &Layout, name: &str, inputs: [usize; N], outputs: usize) -> Self {
        let slot = |tensor: &str| layout.slot(&format!("params.{name}.{tensor}"));
        Self { inputs, outputs, weight: slot("weight"), bias: slot("bias") }
    }

    /// The product of input `part`; the first one brings the bias.
    fn op(&self, step: Step<'_>, part: usize) -> linear::Linear {
        let before: usize = self.inputs[..part].iter().sum();
        let Step { samples, precision, .. } = step;
        let (inputs, outputs) = (self.inputs[part], self.outputs);
        let weight = self.weight.part(before * outputs, inputs * outputs);
        linear::Linear { samples, inputs, outputs, weight, bias: (part == 0).then_some(self.bias), precision }
    }

    /// The products of all inputs.
    pub(super) fn dense(&self, step: Step<'_>) -> Dense<N> {
        Dense { products: std::array::from_fn(|part| self.op(step, part)) }
    }

    /// y = Σ_i x_i · weight_i + bias.
    pub fn forward(&self, step: Step<'_>, y: &Buffer, x: [&Tensor; N]) -> Result<()> {
        step.stop.check()?;
        self.dense(step).forward(false, y, x, step.state)
    }

    /// y = max(Σ_i x_i · weight_i + bias, 0).
    pub fn forward_relu(&self, step: Step<'_>, y: &Buffer, x: [&Tensor; N]) -> Result<()> {
        step.stop.check()?;
        self.dense(step).forward(true, y, x, step.state)
    }

    /// What is made of the gradients of the inputs, and the gradients of the parameters; an optimiser moves these, which comes
    /// last.
    pub fn backward(&self, step: Step<'_>, towards: [Towards<'_>; N], dy: &Tensor, x: [&Tensor; N]) -> Result<()> {
        (0..N).try_for_each(|part| {
            step.stop.check()?;
            let op = self.op(step, part);
            towards[part].go(step, &op, dy, x[part])?;
            match step.optimiser {
                Some(optimiser) => op.update(optimiser, step.state, x[part], dy),
                None => op.backward_weights(step.gradients, x[part], dy),
            }
        })
    }

    /// Multiply-adds of one sample forward.
    pub fn multiply_adds(&self) -> usize {
        self.inputs.iter().sum::<usize>() * self.outputs
    }
}
