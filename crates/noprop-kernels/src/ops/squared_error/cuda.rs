//! Launches of the kernels in `cuda.cu`.

use super::SquaredError;
use crate::cuda::{Arguments, DeviceRows, DeviceStep, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;

#[repr(C)]
#[derive(Clone, Copy)]
struct SquaredErrorArguments {
    loss: RowsOf,
    gradient: RowsOf,
    estimate: RowsOf,
    step: DeviceStep,
    samples: u32,
    width: u32,
}

// SAFETY: mirrors the struct in cuda.cu, without padding. Each kernel uses only the rows that its launch sets.
unsafe impl Arguments for SquaredErrorArguments {}

impl SquaredErrorArguments {
    fn new(op: &SquaredError<'_>, on: &Executor<'_>, estimate: DeviceRows) -> Result<Self> {
        let (samples, width) = (op.classes.len() as u32, op.width as u32);
        Ok(Self {
            loss: RowsOf::NONE,
            gradient: RowsOf::NONE,
            estimate: estimate.rows(),
            step: on.step()?,
            samples,
            width,
        })
    }
}

/// One block of threads a row.
pub(super) fn forward(op: &SquaredError<'_>, on: &Executor<'_>, loss: DeviceRows, estimate: DeviceRows) -> Result<()> {
    let arguments = SquaredErrorArguments { loss: loss.rows(), ..SquaredErrorArguments::new(op, on, estimate)? };
    let grid = [1, loss.count as u32, 1];
    on.launch(Launch { kernel: "squared_error_forward", grid, threads: 256, shared: 4 * 256, arguments })
}

/// A thread has one value. The weights are those of the running step.
pub(super) fn backward(
    op: &SquaredError<'_>,
    on: &Executor<'_>,
    gradient: DeviceRows,
    estimate: DeviceRows,
) -> Result<()> {
    let rest = SquaredErrorArguments::new(op, on, estimate)?;
    let arguments = SquaredErrorArguments { gradient: gradient.rows(), ..rest };
    let grid = [ceil_div(op.classes.len() * op.width, 256), gradient.count as u32, 1];
    on.launch(Launch { kernel: "squared_error_backward", grid, threads: 256, shared: 0, arguments })
}
