//! Launches of the kernels in `cuda.cu`.

use super::Conv;
use crate::cuda::product::{NO_ROWS, check_size};
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;

#[repr(C)]
#[derive(Clone, Copy)]
struct ConvArguments {
    x: RowsOf,
    y: RowsOf,
    dx: RowsOf,
    weight: RowsOf,
    bias: RowsOf,
    d_weight: RowsOf,
    d_bias: RowsOf,
    samples: u32,
    height: u32,
    width: u32,
    cin: u32,
    cout: u32,
    kernel: u32,
    stride: u32,
    pad: u32,
    out_height: u32,
    out_width: u32,
}

// SAFETY: mirrors the struct in cuda.cu, without padding. Each kernel reads only the rows that its launch sets.
unsafe impl Arguments for ConvArguments {}

const THREADS: u32 = 256;
/// Columns of dw of a block of threads.
const COLUMNS: usize = 32;

impl ConvArguments {
    /// Sizes, and no rows.
    fn of(op: &Conv<'_>) -> Result<Self> {
        let d = &op.dims;
        check_size("conv", &[op.samples * d.input(), op.samples * d.output(), d.weights()])?;
        Ok(Self {
            x: NO_ROWS,
            y: NO_ROWS,
            dx: NO_ROWS,
            weight: NO_ROWS,
            bias: NO_ROWS,
            d_weight: NO_ROWS,
            d_bias: NO_ROWS,
            samples: op.samples as u32,
            height: d.height as u32,
            width: d.width as u32,
            cin: d.cin as u32,
            cout: d.cout as u32,
            kernel: d.kernel as u32,
            stride: d.stride as u32,
            pad: d.pad() as u32,
            out_height: d.out_height() as u32,
            out_width: d.out_width() as u32,
        })
    }

    fn launch(self, on: &Executor<'_>, kernel: &str, (grid, blocks): (u32, usize), shared: u32) -> Result<()> {
        on.launch(Launch { kernel, grid: [grid, blocks as u32, 1], threads: THREADS, shared, arguments: self })
    }
}

pub(super) fn forward(op: &Conv<'_>, on: &Executor<'_>, y: DeviceRows, [x, state]: [DeviceRows; 2]) -> Result<()> {
    let bias = op.bias.map_or(NO_ROWS, |bias| state.from(bias.offset));
    let weight = state.from(op.weight.offset);
    let arguments = ConvArguments { x: x.rows(), y: y.rows(), weight, bias, ..ConvArguments::of(op)? };
    let grid = ceil_div(op.samples * op.dims.output(), THREADS as usize);
    arguments.launch(on, "conv_forward", (grid, y.count), 0)
}

pub(super) fn backward_data(
    op: &Conv<'_>,
    on: &Executor<'_>,
    dx: DeviceRows,
    [dy, state]: [DeviceRows; 2],
) -> Result<()> {
    let weight = state.from(op.weight.offset);
    let arguments = ConvArguments { dx: dx.rows(), y: dy.rows(), weight, ..ConvArguments::of(op)? };
    let grid = ceil_div(op.samples * op.dims.input(), THREADS as usize);
    arguments.launch(on, "conv_backward_data", (grid, dx.count), 0)
}

pub(super) fn backward_weights(
    op: &Conv<'_>,
    on: &Executor<'_>,
    gradients: DeviceRows,
    [x, dy]: [DeviceRows; 2],
) -> Result<()> {
    let d_bias = op.bias.map_or(NO_ROWS, |bias| gradients.from(bias.offset));
    let d_weight = gradients.from(op.weight.offset);
    let arguments = ConvArguments { x: x.rows(), y: dy.rows(), d_weight, d_bias, ..ConvArguments::of(op)? };
    let rows = op.dims.patch() + usize::from(op.bias.is_some());
    let grid = ceil_div(rows * op.dims.cout.div_ceil(COLUMNS), 1);
    arguments.launch(on, "conv_backward_weights", (grid, gradients.count), 4 * THREADS)
}
