//! Launches of the kernels in `cuda.cu`.

use super::Relu;
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;

#[repr(C)]
#[derive(Clone, Copy)]
struct ReluArguments {
    y: RowsOf,
    dy: RowsOf,
    scale: f32,
    len: u32,
}

// SAFETY: mirrors the struct in cuda.cu, without padding. The forward kernel does not read `dy`.
unsafe impl Arguments for ReluArguments {}

/// A thread has one value.
fn launch(op: &Relu, on: &Executor<'_>, kernel: &str, blocks: usize, [y, dy]: [RowsOf; 2], scale: f64) -> Result<()> {
    on.launch(Launch {
        kernel,
        grid: [ceil_div(op.len, 256), blocks as u32, 1],
        threads: 256,
        shared: 0,
        arguments: ReluArguments { y, dy, scale: scale as f32, len: op.len as u32 },
    })
}

pub(super) fn forward(op: &Relu, on: &Executor<'_>, y: DeviceRows) -> Result<()> {
    launch(op, on, "relu_forward", y.count, [y.rows(); 2], 1.0)
}

pub(super) fn backward(op: &Relu, on: &Executor<'_>, dy: DeviceRows, y: DeviceRows, scale: f64) -> Result<()> {
    launch(op, on, "relu_backward", dy.count, [y.rows(), dy.rows()], scale)
}
