//! Launch of the kernel in `cuda.cu`.

use super::Add;
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;

#[repr(C)]
#[derive(Clone, Copy)]
struct AddArguments {
    y: RowsOf,
    x: RowsOf,
    len: u32,
}

// SAFETY: mirrors the struct in cuda.cu; padding only at its end.
unsafe impl Arguments for AddArguments {}

/// A thread adds one value.
pub(super) fn forward(op: &Add, on: &Executor<'_>, y: DeviceRows, x: DeviceRows) -> Result<()> {
    on.launch(Launch {
        kernel: "add",
        grid: [ceil_div(op.len, 256), y.count as u32, 1],
        threads: 256,
        shared: 0,
        arguments: AddArguments { y: y.rows(), x: x.rows(), len: op.len as u32 },
    })
}
