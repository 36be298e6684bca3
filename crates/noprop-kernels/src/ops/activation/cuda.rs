//! Launches of the kernels in `cuda.cu`.

use super::{Activation, GELU_CUBE, GELU_SLOPE, Kind};
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;

#[repr(C)]
#[derive(Clone, Copy)]
struct ActivationArguments {
    to: RowsOf,
    dy: RowsOf,
    x: RowsOf,
    linear: f32,
    cubic: f32,
    len: u32,
}

// SAFETY: mirrors the struct in cuda.cu; padding only at its end. The forward kernel does not read `dy`.
unsafe impl Arguments for ActivationArguments {}

/// A thread has one value.
fn launch(op: &Activation, on: &Executor<'_>, kernel: &str, blocks: usize, [to, dy, x]: [RowsOf; 3]) -> Result<()> {
    let (linear, cubic) = match op.kind {
        Kind::Gelu => (GELU_SLOPE as f32, (GELU_SLOPE * GELU_CUBE) as f32),
        Kind::Silu => (1.0, 0.0),
    };
    on.launch(Launch {
        kernel,
        grid: [ceil_div(op.len, 256), blocks as u32, 1],
        threads: 256,
        shared: 0,
        arguments: ActivationArguments { to, dy, x, linear, cubic, len: op.len as u32 },
    })
}

pub(super) fn forward(op: &Activation, on: &Executor<'_>, y: DeviceRows, x: DeviceRows) -> Result<()> {
    launch(op, on, "activation_forward", y.count, [y.rows(), x.rows(), x.rows()])
}

pub(super) fn backward(
    op: &Activation,
    on: &Executor<'_>,
    dx: DeviceRows,
    dy: DeviceRows,
    x: DeviceRows,
) -> Result<()> {
    launch(op, on, "activation_backward", dx.count, [dx.rows(), dy.rows(), x.rows()])
}
