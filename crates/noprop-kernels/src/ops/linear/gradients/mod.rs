//! The gradients of one product: of its input, of weight and bias.

mod cuda;

use super::{Linear, cpu, reference, sum_rows};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::ops::adamw::AdamW;
use crate::ops::relu::Relu;
use crate::ops::{BlockOp, DeviceOp, apply, launch, on_device};
use crate::tensor::{Buffer, Real};
use candle_core::Tensor;

impl Linear {
    /// dx = dy · weightᵀ.
    pub fn backward_data(&self, dx: &Buffer, dy: &Tensor, state: &Tensor) -> Result<()> {
        apply(&BackwardData(self), dx, [dy, state])
    }

    /// The same through the ReLU that has made x, and perhaps a dropout: see [`Relu::backward`].
    pub fn backward_data_to_relu(
        &self,
        dx: &Buffer,
        dy: &Tensor,
        state: &Tensor,
        x: &Tensor,
        scale: f64,
    ) -> Result<()> {
        if on_device(dx) {
            return launch(&BackwardDataToRelu(self, scale), [dx], [dy, state, x]);
        }
        self.backward_data(dx, dy, state)?;
        Relu { len: self.samples * self.inputs }.backward(dx, x, scale)
    }

    /// Writes xᵀ · dy and, with a bias, Σ dy into their slots of `gradients`.
    pub fn backward_weights(&self, gradients: &Buffer, x: &Tensor, dy: &Tensor) -> Result<()> {
        apply(&BackwardWeights(self), gradients, [x, dy])
    }

    /// Moves weight and bias in `state` as [`Self::backward_weights`] and then [`AdamW::step`] would, bit for bit, but stores
    /// no gradients.
    pub fn update(&self, optimiser: &AdamW, state: &Buffer, x: &Tensor, dy: &Tensor) -> Result<()> {
        apply(&Update(self, optimiser), state, [x, dy])
    }
}

struct BackwardData<'a>(&'a Linear);

impl BlockOp<2> for BackwardData<'_> {
    const NAME: &'static str = "linear-backward-data";
    fn block<T: Real>(&self, _: usize, dx: &mut [T], [dy, state]: [&[T]; 2]) -> Result<()> {
        let op = self.0;
        op.check(dx.len(), dy.len())?;
        op.precision.check_kernels()?;
        let (dx, dy) = (&mut dx[..op.samples * op.inputs], &dy[..op.samples * op.outputs]);
        let weight = op.weight.of(state);
        match (T::f32s_mut(dx), T::f32s(dy), T::f32s(weight)) {
            (Some(dx), Some(dy), Some(weight)) => cpu::backward_data(op, dx, dy, weight),
            _ => {
                reference::backward_data(op, dx, dy, weight);
                Ok(())
            }
        }
    }
    fn launch(&self, on: &Executor<'_>, dx: DeviceRows, [dy, state]: [DeviceRows; 2]) -> Result<()> {
        self.0.check(dx.len, dy.len)?;
        cuda::backward_data(self.0, on, dx, [dy, state], (None, 1.0))
    }
}

/// What [`Linear::backward_data_to_relu`] launches.
struct BackwardDataToRelu<'a>(&'a Linear, f64);

impl DeviceOp<1, 3> for BackwardDataToRelu<'_> {
    const NAME: &'static str = "linear-backward-data-to-relu";
    fn launch(&self, on: &Executor<'_>, [dx]: [DeviceRows; 1], [dy, state, x]: [DeviceRows; 3]) -> Result<()> {
        self.0.check(dx.len, dy.len)?;
        self.0.check(x.len, dy.len)?;
        cuda::backward_data(self.0, on, dx, [dy, state], (Some(x), self.1))
    }
}

struct BackwardWeights<'a>(&'a Linear);

impl BlockOp<2> for BackwardWeights<'_> {
    const NAME: &'static str = "linear-backward-weights";
    fn block<T: Real>(&self, _: usize, gradients: &mut [T], [x, dy]: [&[T]; 2]) -> Result<()> {
        let op = self.0;
        op.check(x.len(), dy.len())?;
        op.precision.check_kernels()?;
        let (x, dy) = (&x[..op.samples * op.inputs], &dy[..op.samples * op.outputs]);
        let dw = op.weight.of_mut(gradients);
        match (T::f32s_mut(dw), T::f32s(x), T::f32s(dy)) {
            (Some(dw), Some(x), Some(dy)) => cpu::backward_weights(op, dw, x, dy)?,
            _ => reference::backward_weights(op, dw, x, dy),
        }
        if let Some(bias) = op.bias {
            let db = bias.of_mut(gradients);
            sum_rows(db, dy)?;
        }
        Ok(())
    }
    fn launch(&self, on: &Executor<'_>, gradients: DeviceRows, [x, dy]: [DeviceRows; 2]) -> Result<()> {
        self.0.check(x.len, dy.len)?;
        cuda::backward_weights(self.0, on, gradients, [x, dy])
    }
}

struct Update<'a>(&'a Linear, &'a AdamW);

impl BlockOp<2> for Update<'_> {
    const NAME: &'static str = "linear-update";
    fn block<T: Real>(&self, _: usize, state: &mut [T], [x, dy]: [&[T]; 2]) -> Result<()> {
        let Self(op, optimiser) = self;
        op.check(x.len(), dy.len())?;
        op.precision.check_kernels()?;
        let (x, dy) = (&x[..op.samples * op.inputs], &dy[..op.samples * op.outputs]);
        let mut state = optimiser.split(state)?;
        if let ([Some(parameters), Some(first), Some(second)], Some(x), Some(dy)) =
            (state.each_mut().map(|part| T::f32s_mut(part)), T::f32s(x), T::f32s(dy))
        {
            return cpu::update(op, optimiser, [parameters, first, second], x, dy);
        }
        let mut gradient = vec![T::zero(); op.weight.len];
        reference::backward_weights(op, &mut gradient, x, dy);
        optimiser.update(&mut state, op.weight, &gradient)?;
        if let Some(bias) = op.bias {
            sum_rows(&mut gradient[..op.outputs], dy)?;
            optimiser.update(&mut state, bias, &gradient[..op.outputs])?;
        }
        Ok(())
    }
}
