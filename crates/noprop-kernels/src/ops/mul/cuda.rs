//! Launch of the kernel in `cuda.cu`.

use super::Mul;
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;

#[repr(C)]
#[derive(Clone, Copy)]
struct MulArguments {
    y: RowsOf,
    left: RowsOf,
    right: RowsOf,
    len: u32,
}

// SAFETY: mirrors the struct in cuda.cu; padding only at its end.
unsafe impl Arguments for MulArguments {}

/// A thread multiplies one value.
pub(super) fn forward(op: &Mul, on: &Executor<'_>, y: DeviceRows, a: DeviceRows, b: DeviceRows) -> Result<()> {
    on.launch(Launch {
        kernel: "mul",
        grid: [ceil_div(op.len, 256), y.count as u32, 1],
        threads: 256,
        shared: 0,
        arguments: MulArguments { y: y.rows(), left: a.rows(), right: b.rows(), len: op.len as u32 },
    })
}
