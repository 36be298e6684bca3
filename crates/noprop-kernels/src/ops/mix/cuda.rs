//! Launches of the kernels in `cuda.cu`.

use super::Mix;
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;

#[repr(C)]
#[derive(Clone, Copy)]
struct MixArguments {
    y: RowsOf,
    z: RowsOf,
    estimate: RowsOf,
    dy: RowsOf,
    state: RowsOf,
    gradients: RowsOf,
    slot: u32,
    len: u32,
    of_estimate: u32,
    unused: u32,
}

// SAFETY: mirrors the struct in cuda.cu, without padding. Each kernel uses only the rows that its launch sets.
unsafe impl Arguments for MixArguments {}

impl MixArguments {
    fn new(op: &Mix, state: DeviceRows) -> Self {
        Self {
            y: RowsOf::NONE,
            z: RowsOf::NONE,
            estimate: RowsOf::NONE,
            dy: RowsOf::NONE,
            state: state.rows(),
            gradients: RowsOf::NONE,
            slot: op.slot.offset as u32,
            len: op.len as u32,
            of_estimate: 0,
            unused: 0,
        }
    }
}

fn values(op: &Mix, on: &Executor<'_>, kernel: &'static str, blocks: usize, arguments: MixArguments) -> Result<()> {
    let grid = [ceil_div(op.len, 256), blocks as u32, 1];
    on.launch(Launch { kernel, grid, threads: 256, shared: 0, arguments })
}

/// A thread has one value.
pub(super) fn forward(op: &Mix, on: &Executor<'_>, y: DeviceRows, [z, estimate, state]: [DeviceRows; 3]) -> Result<()> {
    let rest = MixArguments::new(op, state);
    let arguments = MixArguments { y: y.rows(), z: z.rows(), estimate: estimate.rows(), ..rest };
    values(op, on, "mix_forward", y.count, arguments)
}

/// A thread has one value.
pub(super) fn backward(
    op: &Mix,
    on: &Executor<'_>,
    dx: DeviceRows,
    [dy, state]: [DeviceRows; 2],
    of_estimate: bool,
) -> Result<()> {
    let rest = MixArguments::new(op, state);
    let arguments = MixArguments { y: dx.rows(), dy: dy.rows(), of_estimate: u32::from(of_estimate), ..rest };
    values(op, on, "mix_backward", dx.count, arguments)
}

/// One block of threads a row.
pub(super) fn backward_share(
    op: &Mix,
    on: &Executor<'_>,
    gradients: DeviceRows,
    [dy, z, estimate, state]: [DeviceRows; 4],
) -> Result<()> {
    let rest = MixArguments::new(op, state);
    let (dy, z, estimate, grid) = (dy.rows(), z.rows(), estimate.rows(), [1, gradients.count as u32, 1]);
    let arguments = MixArguments { gradients: gradients.rows(), dy, z, estimate, ..rest };
    on.launch(Launch { kernel: "mix_backward_share", grid, threads: 256, shared: 4 * 256, arguments })
}
