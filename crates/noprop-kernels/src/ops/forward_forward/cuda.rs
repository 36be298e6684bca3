//! Launches of the kernels in `cuda.cu`.

use crate::cuda::{Arguments, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;

/// What the kernels read; see `cuda.cu`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct ForwardForwardArguments {
    pub to: RowsOf,
    pub from: RowsOf,
    pub labels: RowsOf,
    pub state: RowsOf,
    pub rows: u32,
    pub samples: u32,
    pub width: u32,
    pub before: u32,
    pub classes: u32,
    pub streams: u32,
    pub means: u32,
    pub keep: f32,
    pub share: f32,
    pub peer: f32,
}

// SAFETY: mirrors the struct in cuda.cu, without padding. Each kernel uses only the rows that its launch sets.
unsafe impl Arguments for ForwardForwardArguments {}

/// With nothing set.
pub(super) const NONE: ForwardForwardArguments = ForwardForwardArguments {
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

/// Launches a kernel whose blocks of threads have a row each.
pub(super) fn by_rows(on: &Executor<'_>, kernel: &str, jobs: usize, arguments: ForwardForwardArguments) -> Result<()> {
    on.launch(Launch { kernel, grid: [arguments.rows, jobs as u32, 1], threads: 256, shared: 4 * 256, arguments })
}

/// Launches a kernel whose threads have a column each.
pub(super) fn by_columns(
    on: &Executor<'_>,
    kernel: &str,
    jobs: usize,
    arguments: ForwardForwardArguments,
) -> Result<()> {
    let grid = [ceil_div(arguments.width as usize, 256), jobs as u32, 1];
    on.launch(Launch { kernel, grid, threads: 256, shared: 0, arguments })
}
