//! Launches of the kernels in `cuda.cu`.

use super::{EPSILON, LayerNorm, ModulatedNorm, Sizes};
use crate::cuda::product::{NO_ROWS, check_size};
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;

#[repr(C)]
#[derive(Clone, Copy)]
struct LayerNormArguments {
    to: RowsOf,
    x: RowsOf,
    dy: RowsOf,
    statistics: RowsOf,
    scale: RowsOf,
    shift: RowsOf,
    epsilon: f32,
    base: f32,
    rows: u32,
    width: u32,
    rows_each: u32,
    stride: u32,
    scaled: u32,
}

// SAFETY: mirrors the struct in cuda.cu; padding only at its end. Each kernel reads only the rows that its launch sets.
unsafe impl Arguments for LayerNormArguments {}

/// What normalised rows are multiplied and moved by, or the gradients of that.
#[derive(Clone, Copy)]
pub(super) struct DeviceScaling {
    scale: RowsOf,
    shift: RowsOf,
    base: f32,
    rows_each: usize,
    stride: usize,
    scaled: bool,
}

impl LayerNorm {
    /// The parameters, or their gradients, in a flat buffer.
    pub(super) fn device_scaling(&self, flat: DeviceRows) -> DeviceScaling {
        let slots = self.affine.map(|affine| [affine.weight, affine.bias].map(|slot| flat.from(slot.offset)));
        let [scale, shift] = slots.unwrap_or([NO_ROWS; 2]);
        DeviceScaling { scale, shift, base: 0.0, rows_each: self.rows.max(1), stride: 0, scaled: slots.is_some() }
    }
}

impl ModulatedNorm {
    /// Scale and shift of the samples, or their gradients.
    pub(super) fn device_scaling(&self, modulation: DeviceRows) -> DeviceScaling {
        let (scale, shift) = (modulation.rows(), modulation.from(self.width.min(modulation.len)));
        DeviceScaling { scale, shift, base: 1.0, rows_each: self.tokens, stride: 2 * self.width, scaled: true }
    }
}

impl LayerNormArguments {
    fn new(sizes: Sizes) -> Result<Self> {
        check_size("layer-norm", &[sizes.len(), 2 * sizes.rows])?;
        Ok(Self {
            to: NO_ROWS,
            x: NO_ROWS,
            dy: NO_ROWS,
            statistics: NO_ROWS,
            scale: NO_ROWS,
            shift: NO_ROWS,
            epsilon: EPSILON as f32,
            base: 0.0,
            rows: sizes.rows as u32,
            width: sizes.width as u32,
            rows_each: 1,
            stride: 0,
            scaled: 0,
        })
    }

    fn scaled_by(self, scaling: DeviceScaling) -> Result<Self> {
        let DeviceScaling { scale, shift, base, rows_each, stride, scaled } = scaling;
        check_size("layer-norm", &[rows_each, stride, self.rows as usize / rows_each * stride])?;
        let (rows_each, stride) = (rows_each as u32, stride as u32);
        Ok(Self { scale, shift, base, rows_each, stride, scaled: scaled.into(), ..self })
    }

    /// A warp for each row.
    fn launch_rows(self, on: &Executor<'_>, kernel: &str, blocks: usize) -> Result<()> {
        let grid = [ceil_div(self.rows as usize, 4), blocks as u32, 1];
        on.launch(Launch { kernel, grid, threads: 128, shared: 0, arguments: self })
    }
}

pub(super) fn statistics(sizes: Sizes, on: &Executor<'_>, statistics: DeviceRows, x: DeviceRows) -> Result<()> {
    let arguments = LayerNormArguments { to: statistics.rows(), x: x.rows(), ..LayerNormArguments::new(sizes)? };
    arguments.launch_rows(on, "layer_norm_statistics", statistics.count)
}

/// A thread has one value.
pub(super) fn forward(
    sizes: Sizes,
    on: &Executor<'_>,
    y: DeviceRows,
    [x, statistics]: [DeviceRows; 2],
    scaling: DeviceScaling,
) -> Result<()> {
    let arguments = LayerNormArguments {
        to: y.rows(),
        x: x.rows(),
        statistics: statistics.rows(),
        ..LayerNormArguments::new(sizes)?.scaled_by(scaling)?
    };
    let grid = [ceil_div(sizes.len(), 256), y.count as u32, 1];
    on.launch(Launch { kernel: "layer_norm_forward", grid, threads: 256, shared: 0, arguments })
}

pub(super) fn backward_data(
    sizes: Sizes,
    on: &Executor<'_>,
    dx: DeviceRows,
    [dy, x, statistics]: [DeviceRows; 3],
    scaling: DeviceScaling,
) -> Result<()> {
    let arguments = LayerNormArguments {
        to: dx.rows(),
        x: x.rows(),
        dy: dy.rows(),
        statistics: statistics.rows(),
        ..LayerNormArguments::new(sizes)?.scaled_by(scaling)?
    };
    arguments.launch_rows(on, "layer_norm_backward_data", dx.count)
}

/// Writes the gradients of scale and shift; a block of threads has 32 columns of the rows that share them.
pub(super) fn backward_scaling(
    sizes: Sizes,
    on: &Executor<'_>,
    blocks: usize,
    [dy, x, statistics]: [DeviceRows; 3],
    scaling: DeviceScaling,
) -> Result<()> {
    let arguments = LayerNormArguments {
        x: x.rows(),
        dy: dy.rows(),
        statistics: statistics.rows(),
        ..LayerNormArguments::new(sizes)?.scaled_by(scaling)?
    };
    let grid = [ceil_div(sizes.width, 32) * (sizes.rows / scaling.rows_each) as u32, blocks as u32, 1];
    on.launch(Launch { kernel: "layer_norm_backward_scaling", grid, threads: 256, shared: 4 * 256, arguments })
}
