//! The gradients of a stage on a device: the gradient da of the convolution's own output is spread out once, behind dropout,
//! ReLU and pooling, and is then a plain factor of two products.
//!
//! da `[K, samples · conv height · conv width · padded]`: channels rounded up to fours, of which those beyond `cout` are 0. It
//! leaves out the factor of the dropout, and holds what products multiply: in bf16 half of the buffer, as words of two values. So only kernels read what kernels wrote.
//! The references here, for comparisons, have it in plain values.

use super::{Backward, Conv3x3, Dims, cuda, reference};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::ops::{BlockOp, apply};
use crate::tensor::{Buffer, Real, Slot, check};
use candle_core::Tensor;

impl Conv3x3<'_> {
    /// da from dy, but for the factor of the dropout.
    pub fn spread(&self, da: &Buffer, backward: Backward<'_>) -> Result<()> {
        apply(&Spread(self), da, [backward.dy, backward.y])
    }

    /// dx from da; `scale` is the factor of the dropout.
    pub fn spread_backward_data(&self, dx: &Buffer, da: &Tensor, scale: f64, state: &Tensor) -> Result<()> {
        apply(&BackwardData(self, scale), dx, [da, state])
    }

    /// The weight's and the bias's gradients from da, into their slots of `gradients`.
    pub fn spread_backward_weights(&self, gradients: &Buffer, x: &Tensor, da: &Tensor, scale: f64) -> Result<()> {
        apply(&BackwardWeights(self, scale), gradients, [x, da])
    }

    fn check_spread(&self, da: usize) -> Result<()> {
        check(da >= self.samples * self.dims.spread(), "spread gradient of conv3x3")
    }
}

struct Spread<'a>(&'a Conv3x3<'a>);

impl BlockOp<2> for Spread<'_> {
    const NAME: &'static str = "conv3x3-spread";
    fn block<T: Real>(&self, _: usize, da: &mut [T], [dy, y]: [&[T]; 2]) -> Result<()> {
        let Self(op) = self;
        op.check(op.samples * op.dims.input(), y.len(), dy.len())?;
        op.check_spread(da.len())?;
        let plain = op.gradient(dy, y, 1.0).of_batch();
        da[..op.samples * op.dims.spread()].fill(T::zero());
        each(&op.dims, op.samples, |at, spread| da[spread] = plain[at]);
        Ok(())
    }
    fn launch(&self, on: &Executor<'_>, da: DeviceRows, [dy, y]: [DeviceRows; 2]) -> Result<()> {
        self.0.check(self.0.samples * self.0.dims.input(), y.len, dy.len)?;
        self.0.check_spread(da.len)?;
        cuda::spread(self.0, on, da, [dy, y])
    }
}

struct BackwardData<'a>(&'a Conv3x3<'a>, f64);

impl BlockOp<2> for BackwardData<'_> {
    const NAME: &'static str = "conv3x3-spread-backward-data";
    fn block<T: Real>(&self, _: usize, dx: &mut [T], [da, state]: [&[T]; 2]) -> Result<()> {
        let Self(op, scale) = self;
        op.check_spread(da.len())?;
        let dx = &mut dx[..op.samples * op.dims.input()];
        reference::backward_data(op, dx, &plain(op, da, *scale), op.weight.of(state));
        Ok(())
    }
    fn launch(&self, on: &Executor<'_>, dx: DeviceRows, [da, state]: [DeviceRows; 2]) -> Result<()> {
        self.0.check_spread(da.len)?;
        check(dx.len >= self.0.samples * self.0.dims.input(), "conv3x3 activations")?;
        cuda::backward_data((self.0, self.1), on, dx, [da, state])
    }
}

struct BackwardWeights<'a>(&'a Conv3x3<'a>, f64);

impl BlockOp<2> for BackwardWeights<'_> {
    const NAME: &'static str = "conv3x3-spread-backward-weights";
    fn block<T: Real>(&self, _: usize, gradients: &mut [T], [x, da]: [&[T]; 2]) -> Result<()> {
        let Self(op, scale) = self;
        op.check_spread(da.len())?;
        let (x, da) = (&x[..op.samples * op.dims.input()], plain(op, da, *scale));
        let [dw, db] = Slot::both_of_mut([op.weight, op.bias], gradients);
        db.fill(T::zero());
        da.chunks_exact(op.dims.cout).for_each(|pixel| db.iter_mut().zip(pixel).for_each(|(db, da)| *db += *da));
        reference::backward_weights(op, dw, x, &da);
        Ok(())
    }
    fn launch(&self, on: &Executor<'_>, gradients: DeviceRows, [x, da]: [DeviceRows; 2]) -> Result<()> {
        self.0.check_spread(da.len)?;
        check(x.len >= self.0.samples * self.0.dims.input(), "conv3x3 activations")?;
        cuda::backward_weights((self.0, self.1), on, gradients, [x, da])
    }
}

/// The gradient of the convolution's used output `[samples, conv height, conv width, cout]`.
fn plain<T: Real>(op: &Conv3x3<'_>, da: &[T], scale: f64) -> Vec<T> {
    let mut plain = vec![T::zero(); op.samples * op.dims.convolved()];
    each(&op.dims, op.samples, |at, spread| plain[at] = da[spread] * T::of(scale));
    plain
}

/// Calls visit(place in the plain gradient, place in the spread one) for every value.
fn each(d: &Dims, samples: usize, mut visit: impl FnMut(usize, usize)) {
    for pixel in 0..samples * d.conv_height() * d.conv_width() {
        (0..d.cout).for_each(|channel| visit(pixel * d.cout + channel, pixel * d.padded() + channel));
    }
}
