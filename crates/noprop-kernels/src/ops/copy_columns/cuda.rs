//! Launch of the kernel in `cuda.cu`.

use super::CopyColumns;
use crate::cuda::product::check_size;
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;

#[repr(C)]
#[derive(Clone, Copy)]
struct CopyColumnsArguments {
    y: RowsOf,
    x: RowsOf,
    rows: u32,
    width: u32,
    from_stride: u32,
    to_stride: u32,
    add: u32,
}

// SAFETY: mirrors the struct in cuda.cu; padding only at its end.
unsafe impl Arguments for CopyColumnsArguments {}

/// A thread has one value.
pub(super) fn copy(op: &CopyColumns, on: &Executor<'_>, y: DeviceRows, x: DeviceRows) -> Result<()> {
    let CopyColumns { rows, width, from_stride, to_stride, .. } = *op;
    check_size("copy-columns", &[rows * width, rows * from_stride, rows * to_stride])?;
    on.launch(Launch {
        kernel: "copy_columns",
        grid: [ceil_div(rows * width, 256), y.count as u32, 1],
        threads: 256,
        shared: 0,
        arguments: CopyColumnsArguments {
            y: y.from(op.to_offset),
            x: x.from(op.from_offset),
            rows: rows as u32,
            width: width as u32,
            from_stride: from_stride as u32,
            to_stride: to_stride as u32,
            add: op.add.into(),
        },
    })
}
