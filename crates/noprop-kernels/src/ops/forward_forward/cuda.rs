//! Launches of the kernels in `cuda.cu`.

use super::goodness::{MOMENTUM, Normalise};
use super::{Goodness, Streams};
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;

#[repr(C)]
#[derive(Clone, Copy)]
struct ForwardForwardArguments {
    to: RowsOf,
    from: RowsOf,
    labels: RowsOf,
    state: RowsOf,
    rows: u32,
    samples: u32,
    width: u32,
    before: u32,
    classes: u32,
    streams: u32,
    means: u32,
    keep: f32,
    share: f32,
    peer: f32,
}

// SAFETY: mirrors the struct in cuda.cu, without padding. Each kernel uses only the rows that its launch sets.
unsafe impl Arguments for ForwardForwardArguments {}

const NONE: ForwardForwardArguments = ForwardForwardArguments {
    to: RowsOf::NONE,
    from: RowsOf::NONE,
    labels: RowsOf::NONE,
    state: RowsOf::NONE,
    rows: 0,
    samples: 0,
    width: 0,
    before: 0,
    classes: 0,
    streams: 0,
    means: 0,
    keep: 0.0,
    share: 0.0,
    peer: 0.0,
};

/// A block of threads has a row.
fn by_rows(on: &Executor<'_>, kernel: &str, jobs: usize, arguments: ForwardForwardArguments) -> Result<()> {
    on.launch(Launch { kernel, grid: [arguments.rows, jobs as u32, 1], threads: 256, shared: 4 * 256, arguments })
}

pub(super) fn streams(op: &Streams, on: &Executor<'_>, y: DeviceRows, [x, z]: [DeviceRows; 2]) -> Result<()> {
    let arguments = ForwardForwardArguments {
        to: y.rows(),
        from: x.rows(),
        labels: z.rows(),
        rows: op.rows() as u32,
        samples: op.samples as u32,
        width: op.width as u32,
        before: op.before as u32,
        classes: op.classes as u32,
        streams: op.streams as u32,
        ..NONE
    };
    by_rows(on, "forward_forward_streams", y.count, arguments)
}

pub(super) fn normalise(op: &Normalise, on: &Executor<'_>, y: DeviceRows, a: DeviceRows) -> Result<()> {
    let (rows, width) = (op.rows as u32, op.width as u32);
    let arguments = ForwardForwardArguments { to: y.rows(), from: a.rows(), rows, width, ..NONE };
    by_rows(on, "forward_forward_normalise", y.count, arguments)
}

/// A thread has a mean.
pub(super) fn means(op: &Goodness, on: &Executor<'_>, state: DeviceRows, a: DeviceRows) -> Result<()> {
    let arguments = ForwardForwardArguments {
        to: state.rows(),
        from: a.rows(),
        samples: op.samples as u32,
        width: op.width as u32,
        means: op.means.offset as u32,
        keep: MOMENTUM as f32,
        share: ((1.0 - MOMENTUM) / op.samples as f64) as f32,
        ..NONE
    };
    let grid = [ceil_div(op.width, 256), state.count as u32, 1];
    on.launch(Launch { kernel: "forward_forward_means", grid, threads: 256, shared: 0, arguments })
}

pub(super) fn backward(op: &Goodness, on: &Executor<'_>, da: DeviceRows, [a, state]: [DeviceRows; 2]) -> Result<()> {
    let arguments = ForwardForwardArguments {
        to: da.rows(),
        from: a.rows(),
        state: state.rows(),
        rows: op.judged() as u32,
        samples: op.samples as u32,
        width: op.width as u32,
        means: op.means.offset as u32,
        peer: op.peer_factor() as f32,
        ..NONE
    };
    by_rows(on, "forward_forward_loss", da.count, arguments)
}
