//! Launches of the kernels in `cuda.cu`. Training is one kernel forward and one backward, since a block of threads has all
//! samples of its columns.

use super::{BatchNorm, EPSILON, MOMENTUM};
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;
use crate::ops::Slot;

#[repr(C)]
#[derive(Clone, Copy)]
struct BatchNormArguments {
    x: RowsOf,
    y: RowsOf,
    dx: RowsOf,
    dy: RowsOf,
    mean: RowsOf,
    variance: RowsOf,
    weight: RowsOf,
    bias: RowsOf,
    running_mean: RowsOf,
    running_variance: RowsOf,
    d_weight: RowsOf,
    d_bias: RowsOf,
    unbias: f32,
    momentum: f32,
    epsilon: f32,
    samples: u32,
    width: u32,
    relu: u32,
}

// SAFETY: mirrors the struct in cuda.cu, without padding. Each kernel reads only the rows that its launch sets.
unsafe impl Arguments for BatchNormArguments {}

/// Columns of a block of threads, and all its threads.
const COLUMNS: usize = 32;
const THREADS: u32 = 256;

impl BatchNormArguments {
    /// Nothing but sizes.
    fn of(op: &BatchNorm) -> Self {
        let none = RowsOf { data: 0, stride: 0 };
        Self {
            x: none,
            y: none,
            dx: none,
            dy: none,
            mean: none,
            variance: none,
            weight: none,
            bias: none,
            running_mean: none,
            running_variance: none,
            d_weight: none,
            d_bias: none,
            unbias: op.unbias() as f32,
            momentum: MOMENTUM as f32,
            epsilon: EPSILON as f32,
            samples: op.samples as u32,
            width: op.width as u32,
            relu: u32::from(op.relu),
        }
    }

    fn with_statistics(self, op: &BatchNorm, statistics: DeviceRows) -> Self {
        Self { mean: statistics.rows(), variance: statistics.from(op.width), ..self }
    }

    fn with_state(self, op: &BatchNorm, state: DeviceRows) -> Self {
        let slot = |slot: Slot| state.from(slot.offset);
        Self {
            weight: slot(op.weight),
            bias: slot(op.bias),
            running_mean: slot(op.running_mean),
            running_variance: slot(op.running_variance),
            ..self
        }
    }

    /// A block of threads for each 32 columns of each of the `blocks` that run together.
    fn launch_columns(self, on: &Executor<'_>, kernel: &str, blocks: usize) -> Result<()> {
        let grid = [ceil_div(self.width as usize, COLUMNS), blocks as u32, 1];
        on.launch(Launch { kernel, grid, threads: THREADS, shared: 4 * THREADS, arguments: self })
    }
}

/// Writes y, `statistics` and the running statistics in `state`.
pub(super) fn training(
    op: &BatchNorm,
    on: &Executor<'_>,
    y: DeviceRows,
    [x, statistics, state]: [DeviceRows; 3],
) -> Result<()> {
    let arguments = BatchNormArguments { x: x.rows(), y: y.rows(), ..BatchNormArguments::of(op) };
    arguments.with_statistics(op, statistics).with_state(op, state).launch_columns(on, "batch_norm_training", y.count)
}

/// A thread normalises one value.
pub(super) fn evaluation(op: &BatchNorm, on: &Executor<'_>, y: DeviceRows, [x, state]: [DeviceRows; 2]) -> Result<()> {
    let arguments = BatchNormArguments { x: x.rows(), y: y.rows(), ..BatchNormArguments::of(op) };
    on.launch(Launch {
        kernel: "batch_norm_evaluation",
        grid: [ceil_div(op.len(), THREADS as usize), y.count as u32, 1],
        threads: THREADS,
        shared: 0,
        arguments: arguments.with_state(op, state),
    })
}

/// Writes dx and the parameters' gradients in `gradients`.
pub(super) fn backward(
    op: &BatchNorm,
    on: &Executor<'_>,
    dx: DeviceRows,
    [dy, y, x, statistics, state, gradients]: [DeviceRows; 6],
) -> Result<()> {
    let arguments = BatchNormArguments {
        x: x.rows(),
        y: y.rows(),
        dx: dx.rows(),
        dy: dy.rows(),
        d_weight: gradients.from(op.weight.offset),
        d_bias: gradients.from(op.bias.offset),
        ..BatchNormArguments::of(op)
    };
    arguments.with_statistics(op, statistics).with_state(op, state).launch_columns(on, "batch_norm_backward", dx.count)
}
