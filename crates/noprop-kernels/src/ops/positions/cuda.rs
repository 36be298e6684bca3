//! Launches of the kernels in `cuda.cu`.

use super::Positions;
use crate::cuda::product::check_size;
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;

#[repr(C)]
#[derive(Clone, Copy)]
struct PositionsArguments {
    samples_of: RowsOf,
    parameter: RowsOf,
    samples: u32,
    len: u32,
}

// SAFETY: mirrors the struct in cuda.cu, without padding.
unsafe impl Arguments for PositionsArguments {}

/// `threads` threads for each of the `blocks` that run together.
fn launch(
    op: &Positions,
    on: &Executor<'_>,
    (kernel, threads, blocks): (&str, usize, usize),
    [samples_of, parameter]: [RowsOf; 2],
) -> Result<()> {
    check_size("positions", &[op.samples * op.len])?;
    let (samples, len) = (op.samples as u32, op.len as u32);
    on.launch(Launch {
        kernel,
        grid: [ceil_div(threads, 256), blocks as u32, 1],
        threads: 256,
        shared: 0,
        arguments: PositionsArguments { samples_of, parameter, samples, len },
    })
}

/// A thread has one value of y.
pub(super) fn forward(op: &Positions, on: &Executor<'_>, y: DeviceRows, state: DeviceRows) -> Result<()> {
    let rows = [y.rows(), state.from(op.parameter.offset)];
    launch(op, on, ("positions_forward", op.samples * op.len, y.count), rows)
}

/// A thread has one value of the vector.
pub(super) fn backward_weights(op: &Positions, on: &Executor<'_>, gradients: DeviceRows, dy: DeviceRows) -> Result<()> {
    let rows = [dy.rows(), gradients.from(op.parameter.offset)];
    launch(op, on, ("positions_backward_weights", op.len, gradients.count), rows)
}
