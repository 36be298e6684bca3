//! y of one product.

use super::{Linear, cpu, fused_forward, reference};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::ops::{BlockOp, apply};
use crate::tensor::{Buffer, Real};
use candle_core::Tensor;

impl Linear {
    /// y = x · weight + bias, or y += x · weight without a bias.
    pub fn forward(&self, y: &Buffer, x: &Tensor, state: &Tensor) -> Result<()> {
        apply(&Forward(self), y, [x, state])
    }
}

struct Forward<'a>(&'a Linear);

impl BlockOp<2> for Forward<'_> {
    const NAME: &'static str = "linear-forward";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [x, state]: [&[T]; 2]) -> Result<()> {
        let op = self.0;
        op.check(x.len(), y.len())?;
        op.precision.check_kernels()?;
        let (x, y) = (&x[..op.samples * op.inputs], &mut y[..op.samples * op.outputs]);
        let (weight, bias) = (op.weight.of(state), op.bias.map(|bias| bias.of(state)));
        if let (Some(y), Some(x), Some(weight)) = (T::f32s_mut(y), T::f32s(x), T::f32s(weight)) {
            return cpu::forward(op, y, x, (weight, bias.and_then(T::f32s)));
        }
        if let Some(bias) = bias {
            y.chunks_exact_mut(op.outputs).for_each(|row| row.copy_from_slice(bias));
        }
        reference::add_product(op, y, x, weight);
        Ok(())
    }
    fn launch(&self, on: &Executor<'_>, y: DeviceRows, [x, state]: [DeviceRows; 2]) -> Result<()> {
        self.0.check(x.len, y.len)?;
        fused_forward::linear(self.0, on, y, [x, state])
    }
}
