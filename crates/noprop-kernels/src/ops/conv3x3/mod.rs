//! One stage of an image pathway: 3×3 convolution without padding (the paper's blocks), ReLU, 2×2 maximum pooling or none,
//! dropout. Stride 1, NHWC activations, weights `[3, 3, cin, cout]`.
//!
//! | | shape of one block |
//! |---|---|
//! | x | `[samples, height, width, cin]` |
//! | y | `[values \| winners]`: both `[samples, rows, columns, cout]`, winners only with pooling |
//! | weight, bias | `[3, 3, cin, cout]`, `[cout]`, inside a flat buffer |
//!
//! Pooling leaves out a last odd row and column; their convolution is never computed. A winner says which value of its window
//! (0 to 3, row by row, the first of equals) the maximum was. The gradient reads ReLU and dropout off y: where y is 0, none
//! passes. So the convolution's own output is never stored.
//!
//! A device takes the gradients another way, by `spread`. Two fast paths on the processor: `direct` for any width, `winograd` with 2.25 times fewer multiplications where all channels fill
//! whole panels of vectors.

mod cuda;
mod direct;
mod parity;
mod pool;
mod reference;
mod spread;
#[cfg(test)]
mod tests;
mod winograd;

pub(crate) use parity::parity;

use super::dropout::Dropout;
use super::multiply::Precision;
use super::{BlockOp, apply};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::team::{Cost, share_rows};
use crate::tensor::{Buffer, Real, Slot, StopFlag, check};
use candle_core::Tensor;
use pool::Gradient;

/// The size of one sample's input, the widths, and whether pooling follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dims {
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Channels of the input.
    pub cin: usize,
    /// Channels of the output.
    pub cout: usize,
    /// Whether 2×2 maximum pooling follows.
    pub pool: bool,
}

impl Dims {
    /// Rows of the convolution that are used.
    pub fn conv_height(&self) -> usize {
        self.used(self.height)
    }
    /// Columns of the convolution that are used.
    pub fn conv_width(&self) -> usize {
        self.used(self.width)
    }
    fn used(&self, side: usize) -> usize {
        if self.pool { (side - 2) / 2 * 2 } else { side - 2 }
    }
    /// Rows of the output.
    pub fn out_height(&self) -> usize {
        self.conv_height() / self.stride()
    }
    /// Columns of the output.
    pub fn out_width(&self) -> usize {
        self.conv_width() / self.stride()
    }
    fn stride(&self) -> usize {
        if self.pool { 2 } else { 1 }
    }
    /// Values of one sample's input.
    pub fn input(&self) -> usize {
        self.height * self.width * self.cin
    }
    /// Used values of one sample's convolution.
    pub fn convolved(&self) -> usize {
        self.conv_height() * self.conv_width() * self.cout
    }
    /// Channels of the gradient that is spread out, see [`spread`].
    pub(crate) fn padded(&self) -> usize {
        self.cout.next_multiple_of(4)
    }
    /// Values of one sample's gradient that is spread out.
    pub fn spread(&self) -> usize {
        self.conv_height() * self.conv_width() * self.padded()
    }
    /// Values of one sample's output.
    pub fn output(&self) -> usize {
        self.out_height() * self.out_width() * self.cout
    }
    /// What y holds of one sample: its output and, with pooling, as many winners.
    pub fn stored(&self) -> usize {
        self.output() * if self.pool { 2 } else { 1 }
    }
    /// Number of weights.
    pub fn weights(&self) -> usize {
        9 * self.cin * self.cout
    }
    /// Multiply-adds of one sample, one direction, by the definition: used outputs × 9 · `cin`.
    pub fn multiply_adds(&self) -> usize {
        self.conv_height() * self.conv_width() * self.weights()
    }
}

/// What the three directions share.
#[derive(Debug, Clone)]
pub struct Conv3x3<'a> {
    /// Sizes.
    pub dims: Dims,
    /// Samples in this batch.
    pub samples: usize,
    /// Where the weight lies in the flat buffer (state or gradients).
    pub weight: Slot,
    /// Where the bias lies.
    pub bias: Slot,
    /// What factors are rounded to, in Winograd's kernels behind the transforms. Biases are added as they are.
    pub precision: Precision,
    /// Polled between samples.
    pub stop: &'a StopFlag,
}

/// What the gradients are computed from: dy of y, y as the forward pass left it, and 1 / (1 − p) of its dropout.
#[derive(Debug, Clone, Copy)]
pub struct Backward<'a> {
    /// `[K, samples · output]`.
    pub dy: &'a Tensor,
    /// `[K, samples · stored]`.
    pub y: &'a Tensor,
    /// Factor of the values that dropout kept.
    pub scale: f64,
}

impl Conv3x3<'_> {
    fn check(&self, x: usize, y: usize, dy: usize) -> Result<()> {
        let d = &self.dims;
        check(d.height >= 3 && d.width >= 3 && d.output() > 0, "conv3x3 needs inputs that leave an output")?;
        check(x >= self.samples * d.input() && dy >= self.samples * d.output(), "conv3x3 activations")?;
        check(y >= self.samples * d.stored() && (!d.pool || y.is_multiple_of(2)), "conv3x3 output")?;
        check(self.weight.len == d.weights() && self.bias.len == d.cout, "conv3x3 parameters")
    }

    /// y = dropout(pool(relu(x * weight + bias))).
    pub fn forward(&self, y: &Buffer, x: &Tensor, state: &Tensor, dropout: Option<Dropout<'_>>) -> Result<()> {
        apply(&Forward(self, dropout), y, [x, state])
    }

    /// dx from dy.
    pub fn backward_data(&self, dx: &Buffer, backward: Backward<'_>, state: &Tensor) -> Result<()> {
        apply(&BackwardData(self, backward.scale), dx, [backward.dy, backward.y, state])
    }

    /// Writes the weight's and the bias's gradients into their slots of `gradients`.
    pub fn backward_weights(&self, gradients: &Buffer, x: &Tensor, backward: Backward<'_>) -> Result<()> {
        apply(&BackwardWeights(self, backward.scale), gradients, [x, backward.dy, backward.y])
    }

    /// The same for a part of the batch.
    fn of_samples(&self, samples: usize) -> Self {
        Self { samples, ..self.clone() }
    }

    /// Of one direction.
    fn cost(&self) -> Cost {
        let Dims { pool, .. } = self.dims;
        let values = self.dims.input() + self.dims.output() * if pool { 3 } else { 2 };
        let multiply_adds = self.samples * self.dims.multiply_adds();
        Cost { multiply_adds, ..Cost::of_values(self.samples * values) }
    }

    /// Values and winners of y; winners are empty without pooling.
    fn parts<'y, T>(&self, y: &'y [T]) -> (&'y [T], &'y [T]) {
        let (values, winners) = if self.dims.pool { y.split_at(y.len() / 2) } else { (y, &y[..0]) };
        let used = self.samples * self.dims.output();
        (&values[..used], &winners[..used.min(winners.len())])
    }

    fn gradient<'g, T: Real>(&self, dy: &'g [T], y: &'g [T], scale: f64) -> Gradient<'g, T> {
        let (y, winners) = self.parts(y);
        Gradient { dims: self.dims, dy: &dy[..y.len()], y, winners, scale: T::of(scale) }
    }
}

struct Forward<'a>(&'a Conv3x3<'a>, Option<Dropout<'a>>);

impl BlockOp<2> for Forward<'_> {
    const NAME: &'static str = "conv3x3-forward";
    fn block<T: Real>(&self, k: usize, y: &mut [T], [x, state]: [&[T]; 2]) -> Result<()> {
        let Self(op, dropout) = self;
        op.check(x.len(), y.len(), y.len())?;
        op.precision.check_kernels()?;
        let dropout = dropout.as_ref().map(|dropout| dropout.of_block(k)).transpose()?;
        let x = &x[..op.samples * op.dims.input()];
        let (weight, bias) = (op.weight.of(state), op.bias.of(state));
        let half = if op.dims.pool { y.len() / 2 } else { y.len() };
        let (y, winners) = y.split_at_mut(half);
        match (T::f32s_mut(y), T::f32s_mut(winners), T::f32s(x), T::f32s(weight), T::f32s(bias)) {
            (Some(y), Some(winners), Some(x), Some(weight), Some(bias)) => {
                Run { op, dropout, y, winners, x, weight, bias }.share()
            }
            _ => {
                reference::forward(op, y, winners, x, weight, bias);
                if let Some(dropout) = dropout {
                    for (sample, y) in y.chunks_exact_mut(op.dims.output()).take(op.samples).enumerate() {
                        dropout.apply(sample, y);
                    }
                }
                Ok(())
            }
        }
    }
    fn launch(&self, on: &Executor<'_>, y: DeviceRows, [x, state]: [DeviceRows; 2]) -> Result<()> {
        self.0.check(x.len, y.len, y.len)?;
        cuda::forward((self.0, self.1.as_ref()), on, y, [x, state])
    }
}

/// A forward pass of the fast paths.
struct Run<'a> {
    op: &'a Conv3x3<'a>,
    dropout: Option<super::dropout::OfBlock<'a>>,
    y: &'a mut [f32],
    winners: &'a mut [f32],
    x: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
}

impl Run<'_> {
    /// Runs it on all samples, by as many threads as are there.
    fn share(self) -> Result<()> {
        let Self { op, dropout, y, winners, x, weight, bias } = self;
        let (output, input) = (op.dims.output(), op.dims.input());
        let lens = [output, if op.dims.pool { output } else { 0 }];
        share_rows([y, winners], lens, (op.samples, 1, op.cost()), |range, [y, winners]| {
            let part = op.of_samples(range.len());
            let (dropout, x) = (dropout.map(|dropout| dropout.from(range.start)), &x[range.start * input..]);
            let run = Run { op: &part, dropout, y, winners, x: &x[..range.len() * input], weight, bias };
            if winograd::suits(&op.dims) { winograd::forward(run) } else { direct::forward(run) }
        })
    }
}

struct BackwardData<'a>(&'a Conv3x3<'a>, f64);

impl BlockOp<3> for BackwardData<'_> {
    const NAME: &'static str = "conv3x3-backward-data";
    fn block<T: Real>(&self, _: usize, dx: &mut [T], [dy, y, state]: [&[T]; 3]) -> Result<()> {
        let Self(op, scale) = self;
        op.check(dx.len(), y.len(), dy.len())?;
        op.precision.check_kernels()?;
        let dx = &mut dx[..op.samples * op.dims.input()];
        let (gradient, weight) = (op.gradient(dy, y, *scale), op.weight.of(state));
        match (T::f32s_mut(dx), gradient.f32s(), T::f32s(weight)) {
            (Some(dx), Some(gradient), Some(weight)) => {
                share_rows([dx], [op.dims.input()], (op.samples, 1, op.cost()), |range, [dx]| {
                    let (part, gradient) = (op.of_samples(range.len()), gradient.of_samples(range));
                    match winograd::suits(&op.dims) {
                        true => winograd::backward_data(&part, dx, gradient, weight),
                        false => direct::backward_data(&part, dx, gradient, weight),
                    }
                })
            }
            _ => {
                reference::backward_data(op, dx, &gradient.of_batch(), weight);
                Ok(())
            }
        }
    }
}

struct BackwardWeights<'a>(&'a Conv3x3<'a>, f64);

impl BlockOp<3> for BackwardWeights<'_> {
    const NAME: &'static str = "conv3x3-backward-weights";
    fn block<T: Real>(&self, _: usize, gradients: &mut [T], [x, dy, y]: [&[T]; 3]) -> Result<()> {
        let Self(op, scale) = self;
        op.check(x.len(), y.len(), dy.len())?;
        op.precision.check_kernels()?;
        let (x, gradient) = (&x[..op.samples * op.dims.input()], op.gradient(dy, y, *scale));
        let [dw, db] = Slot::both_of_mut([op.weight, op.bias], gradients);
        match (T::f32s(x), gradient.f32s()) {
            (Some(x), Some(gradient)) => match (T::f32s_mut(dw), T::f32s_mut(db)) {
                (Some(dw), Some(db)) if winograd::suits(&op.dims) => {
                    winograd::backward_weights(op, (dw, db), x, gradient)
                }
                (Some(dw), Some(db)) => direct::backward_weights(op, (dw, db), x, gradient),
                _ => Ok(()),
            },
            _ => {
                pool::sum(&gradient, db);
                reference::backward_weights(op, dw, x, &gradient.of_batch());
                Ok(())
            }
        }
    }
}
