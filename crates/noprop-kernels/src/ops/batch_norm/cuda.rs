//! Launches of the kernels in `cuda.cu`. Training is one kernel forward and one backward, since a block of threads has all
//! samples of its columns.

use super::{BatchNorm, EPSILON, MOMENTUM};
use crate::cuda::product::NO_ROWS;
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;
use crate::tensor::Slot;

/// What the kernels of norm.cuh are told.
#[repr(C)]
#[derive(Clone, Copy)]
pub(in crate::ops) struct BatchNormArguments {
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

// SAFETY: mirrors the struct in norm.cuh, without padding. Each kernel reads only the rows that its launch sets.
unsafe impl Arguments for BatchNormArguments {}

/// Columns of a block of threads, all its threads, and the bytes in which these add.
pub(in crate::ops) const COLUMNS: usize = 32;
pub(in crate::ops) const THREADS: u32 = 256;
pub(in crate::ops) const SHARED: u32 = 4 * THREADS;

/// Blocks of threads for whole columns of each of the `blocks` that run together.
pub(in crate::ops) fn columns_grid(width: usize, blocks: usize) -> [u32; 3] {
    [ceil_div(width, COLUMNS), blocks as u32, 1]
}

impl BatchNormArguments {
    /// No norm at all, and perhaps a ReLU.
    pub(in crate::ops) fn none(relu: bool) -> Self {
        Self {
            x: NO_ROWS,
            y: NO_ROWS,
            dx: NO_ROWS,
            dy: NO_ROWS,
            mean: NO_ROWS,
            variance: NO_ROWS,
            weight: NO_ROWS,
            bias: NO_ROWS,
            running_mean: NO_ROWS,
            running_variance: NO_ROWS,
            d_weight: NO_ROWS,
            d_bias: NO_ROWS,
            unbias: 0.0,
            momentum: 0.0,
            epsilon: 0.0,
            samples: 0,
            width: 0,
            relu: u32::from(relu),
        }
    }

    /// Sizes, and what lies in the state.
    pub(in crate::ops) fn of(op: &BatchNorm, state: DeviceRows) -> Self {
        let slot = |slot: Slot| state.from(slot.offset);
        Self {
            weight: slot(op.weight),
            bias: slot(op.bias),
            running_mean: slot(op.running_mean),
            running_variance: slot(op.running_variance),
            unbias: op.unbias() as f32,
            momentum: MOMENTUM as f32,
            epsilon: EPSILON as f32,
            samples: op.samples as u32,
            width: op.width as u32,
            ..Self::none(op.relu)
        }
    }

    /// What is normalised, and where it goes.
    pub(in crate::ops) fn with_values(self, x: DeviceRows, y: DeviceRows) -> Self {
        Self { x: x.rows(), y: y.rows(), ..self }
    }

    /// The batch's statistics, read or written.
    pub(in crate::ops) fn with_statistics(self, op: &BatchNorm, statistics: DeviceRows) -> Self {
        Self { mean: statistics.rows(), variance: statistics.from(op.width), ..self }
    }

    /// Where the gradients of what is normalised and of the parameters go.
    pub(in crate::ops) fn with_gradients(self, op: &BatchNorm, dx: DeviceRows, gradients: DeviceRows) -> Self {
        let (d_weight, d_bias) = (gradients.from(op.weight.offset), gradients.from(op.bias.offset));
        Self { dx: dx.rows(), d_weight, d_bias, ..self }
    }

    /// A block of threads for each 32 columns of each of the `blocks` that run together.
    fn launch_columns(self, on: &Executor<'_>, kernel: &str, blocks: usize) -> Result<()> {
        let grid = columns_grid(self.width as usize, blocks);
        on.launch(Launch { kernel, grid, threads: THREADS, shared: SHARED, arguments: self })
    }
}

/// Writes y, `statistics` and the running statistics in `state`.
pub(in crate::ops) fn training(
    op: &BatchNorm,
    on: &Executor<'_>,
    [y, statistics, state]: [DeviceRows; 3],
    x: DeviceRows,
) -> Result<()> {
    let arguments = BatchNormArguments::of(op, state).with_values(x, y);
    arguments.with_statistics(op, statistics).launch_columns(on, "batch_norm_training", y.count)
}

/// A thread normalises one value.
pub(super) fn evaluation(op: &BatchNorm, on: &Executor<'_>, y: DeviceRows, [x, state]: [DeviceRows; 2]) -> Result<()> {
    on.launch(Launch {
        kernel: "batch_norm_evaluation",
        grid: [ceil_div(op.len(), THREADS as usize), y.count as u32, 1],
        threads: THREADS,
        shared: 0,
        arguments: BatchNormArguments::of(op, state).with_values(x, y),
    })
}

/// Writes dx and the parameters' gradients in `gradients`.
pub(super) fn backward(
    op: &BatchNorm,
    on: &Executor<'_>,
    [dx, gradients]: [DeviceRows; 2],
    [dy, y, x, statistics, state]: [DeviceRows; 5],
) -> Result<()> {
    let arguments = BatchNormArguments {
        dy: dy.rows(),
        ..BatchNormArguments::of(op, state).with_values(x, y).with_gradients(op, dx, gradients)
    };
    arguments.with_statistics(op, statistics).launch_columns(on, "batch_norm_backward", dx.count)
}
