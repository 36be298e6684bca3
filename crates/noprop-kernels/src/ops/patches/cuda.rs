//! Launches of the kernels in `cuda.cu`.

use super::Patches;
use crate::cuda::product::check_size;
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;

#[repr(C)]
#[derive(Clone, Copy)]
struct PatchesArguments {
    to: RowsOf,
    from: RowsOf,
    len: u32,
    height: u32,
    width: u32,
    channels: u32,
    patch: u32,
}

// SAFETY: mirrors the struct in cuda.cu; padding only at its end.
unsafe impl Arguments for PatchesArguments {}

/// A thread moves one value.
fn launch(op: &Patches, on: &Executor<'_>, kernel: &str, to: DeviceRows, from: DeviceRows) -> Result<()> {
    check_size("patches", &[op.len()])?;
    on.launch(Launch {
        kernel,
        grid: [ceil_div(op.len(), 256), to.count as u32, 1],
        threads: 256,
        shared: 0,
        arguments: PatchesArguments {
            to: to.rows(),
            from: from.rows(),
            len: op.len() as u32,
            height: op.height as u32,
            width: op.width as u32,
            channels: op.channels as u32,
            patch: op.patch as u32,
        },
    })
}

pub(super) fn forward(op: &Patches, on: &Executor<'_>, y: DeviceRows, x: DeviceRows) -> Result<()> {
    launch(op, on, "patches_forward", y, x)
}

pub(super) fn backward(op: &Patches, on: &Executor<'_>, dx: DeviceRows, dy: DeviceRows) -> Result<()> {
    launch(op, on, "patches_backward", dx, dy)
}
