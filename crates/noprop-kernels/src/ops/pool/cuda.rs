//! Launches of the kernels in `cuda.cu`.

use super::{GlobalMean, Kind, Pool};
use crate::cuda::product::{NO_ROWS, check_size};
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;

#[repr(C)]
#[derive(Clone, Copy)]
struct PoolArguments {
    x: RowsOf,
    dx: RowsOf,
    y: RowsOf,
    dy: RowsOf,
    samples: u32,
    height: u32,
    width: u32,
    channels: u32,
    mean: u32,
}

// SAFETY: mirrors the struct in cuda.cu; padding only at its end. Each kernel reads only the rows that its launch sets.
unsafe impl Arguments for PoolArguments {}

impl PoolArguments {
    fn new(op: &Pool) -> Result<Self> {
        check_size("pool", &[op.input_len()])?;
        Ok(Self {
            x: NO_ROWS,
            dx: NO_ROWS,
            y: NO_ROWS,
            dy: NO_ROWS,
            samples: op.samples as u32,
            height: op.height as u32,
            width: op.width as u32,
            channels: op.channels as u32,
            mean: u32::from(op.kind == Kind::Mean),
        })
    }
}

/// A thread for each of `values` of each of the `blocks` that run together.
fn launch<A: Arguments>(on: &Executor<'_>, kernel: &str, values: usize, blocks: usize, arguments: A) -> Result<()> {
    let grid = [ceil_div(values, 256), blocks as u32, 1];
    on.launch(Launch { kernel, grid, threads: 256, shared: 0, arguments })
}

pub(super) fn forward(op: &Pool, on: &Executor<'_>, y: DeviceRows, x: DeviceRows) -> Result<()> {
    let arguments = PoolArguments { x: x.rows(), y: y.rows(), ..PoolArguments::new(op)? };
    launch(on, "pool_forward", op.output_len(), y.count, arguments)
}

pub(super) fn backward(op: &Pool, on: &Executor<'_>, dx: DeviceRows, [dy, x, y]: [DeviceRows; 3]) -> Result<()> {
    let (dx, count) = (dx.rows(), dx.count);
    let arguments = PoolArguments { x: x.rows(), dx, y: y.rows(), dy: dy.rows(), ..PoolArguments::new(op)? };
    launch(on, "pool_backward", op.input_len(), count, arguments)
}

#[repr(C)]
#[derive(Clone, Copy)]
struct GlobalMeanArguments {
    x: RowsOf,
    y: RowsOf,
    samples: u32,
    positions: u32,
    channels: u32,
}

// SAFETY: mirrors the struct in cuda.cu; padding only at its end.
unsafe impl Arguments for GlobalMeanArguments {}

impl GlobalMeanArguments {
    fn new(op: &GlobalMean, [x, y]: [RowsOf; 2]) -> Result<Self> {
        check_size("global mean", &[op.samples * op.positions * op.channels])?;
        let (samples, positions, channels) = (op.samples as u32, op.positions as u32, op.channels as u32);
        Ok(Self { x, y, samples, positions, channels })
    }
}

pub(super) fn global_forward(op: &GlobalMean, on: &Executor<'_>, y: DeviceRows, x: DeviceRows) -> Result<()> {
    let arguments = GlobalMeanArguments::new(op, [x.rows(), y.rows()])?;
    launch(on, "global_mean_forward", op.samples * op.channels, y.count, arguments)
}

pub(super) fn global_backward(op: &GlobalMean, on: &Executor<'_>, dx: DeviceRows, dy: DeviceRows) -> Result<()> {
    let arguments = GlobalMeanArguments::new(op, [dx.rows(), dy.rows()])?;
    launch(on, "global_mean_backward", op.samples * op.positions * op.channels, dx.count, arguments)
}
