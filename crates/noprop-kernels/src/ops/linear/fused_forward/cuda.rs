//! Launches of the kernels in `cuda.cu`.
//!
//! | batch norm by the batch's statistics | launches |
//! |---|---|
//! | at most 128 samples, at most [`MOST_DEPTH`](crate::ops::linear::tiles) inputs | `dense_norm` |
//! | split in depth | `dense_forward` (the parts), `dense_norm_of_parts` |
//! | else | `dense_forward`, `batch_norm_training` |
//!
//! Without it, and by running statistics, there is `dense_forward`, and `dense_of_parts` behind a product that is split. All
//! this follows from the layer's sizes and the number of samples (for how products are split, the nominal one), never from K.

use super::Dense;
use crate::cuda::product::{NO_ROWS, Size, Split, Tiling, check_size, vector};
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;
use crate::ops::batch_norm::cuda::{BatchNormArguments, SHARED, THREADS, columns_grid};
use crate::ops::batch_norm::{self, BatchNorm};
use crate::ops::linear::tiles::{ALL_SAMPLES, blocking, has_whole_columns, shared_of_columns};

#[repr(C)]
#[derive(Clone, Copy)]
struct DenseArguments {
    first: RowsOf,
    second: RowsOf,
    weight: RowsOf,
    bias: RowsOf,
    y: RowsOf,
    norm: BatchNormArguments,
    split: Split,
    parts: u32,
    samples: u32,
    first_width: u32,
    second_width: u32,
    outputs: u32,
    vector_first: u32,
    vector_second: u32,
    vector_weight: u32,
}

// SAFETY: mirrors the struct in cuda.cu; padding only behind the last field of `Split`.
unsafe impl Arguments for DenseArguments {
    #[cfg(all(any(test, feature = "testing"), feature = "emulation"))]
    fn in_fours(&self) -> Vec<bool> {
        // The parts of a product have been read before they are added.
        let inputs = [(self.first_width, self.vector_first), (self.second_width, self.vector_second)];
        let inputs = inputs.into_iter().filter(|(width, _)| *width > 0).map(|(_, vector)| vector != 0);
        inputs.chain([self.vector_weight != 0]).collect()
    }
}

/// What follows a product value by value.
#[derive(Clone, Copy)]
pub(super) struct After(BatchNormArguments);

impl After {
    /// At most a ReLU.
    pub(super) fn relu(relu: bool) -> Self {
        Self(BatchNormArguments::none(relu))
    }

    /// Batch norm by the running statistics in `state`.
    pub(super) fn running(norm: &BatchNorm, state: DeviceRows) -> Self {
        Self(BatchNormArguments::of(norm, state))
    }
}

/// What training writes, see [`super::Saved`].
#[derive(Clone, Copy)]
pub(super) struct To {
    pub product: DeviceRows,
    pub y: DeviceRows,
    pub statistics: DeviceRows,
}

/// A layer's product for all blocks.
struct Product {
    size: Size,
    blocks: usize,
    arguments: DenseArguments,
}

impl Product {
    /// That goes to `y`. Nothing is said yet of what follows, and how it is split.
    fn new(layer: &Dense<2>, y: DeviceRows, [first, second]: [DeviceRows; 2], state: DeviceRows) -> Result<Self> {
        let [one, other] = &layer.products;
        let size = Size { rows: one.samples, columns: one.outputs, depth: one.inputs + other.inputs };
        let Size { rows, columns, depth } = size;
        check_size("dense", &[rows * columns, rows * depth, columns * depth])?;
        let weight = state.from(one.weight.offset);
        let arguments = DenseArguments {
            first: first.rows(),
            second: second.rows(),
            weight,
            bias: one.bias.map_or(NO_ROWS, |bias| state.from(bias.offset)),
            y: y.rows(),
            norm: BatchNormArguments::none(false),
            split: Split::default(),
            parts: 1,
            samples: rows as u32,
            first_width: one.inputs as u32,
            second_width: other.inputs as u32,
            outputs: columns as u32,
            vector_first: vector(first.rows(), &[one.inputs]),
            // Fours of the second input begin where the first one ends.
            vector_second: vector(second.rows(), &[one.inputs, other.inputs]),
            vector_weight: vector(weight, &[columns]),
        };
        Ok(Self { size, blocks: y.count, arguments })
    }

    fn launch(&self, on: &Executor<'_>, kernel: &str, grid: [u32; 3], (threads, shared): (u32, u32)) -> Result<()> {
        on.launch(Launch { kernel, grid, threads, shared, arguments: self.arguments })
    }

    /// Launches a kernel of the running precision.
    fn multiply(&self, on: &Executor<'_>, kernel: &str, tiling: &Tiling, shared: u32) -> Result<()> {
        let kernel = format!("{kernel}_{}", on.multiply().suffix());
        self.launch(on, &kernel, tiling.grid(self.blocks), (tiling.blocking.threads, shared))
    }

    /// The product with what follows it value by value; or its parts, and then returns true.
    fn forward(&mut self, on: &Executor<'_>) -> Result<bool> {
        let (blocking, narrow) = blocking(self.size.columns);
        let tiling = Tiling::new(blocking, self.size, 0);
        self.arguments.split = tiling.split(on, self.blocks)?;
        self.arguments.parts = tiling.parts() as u32;
        self.multiply(on, &format!("dense_forward{narrow}"), &tiling, blocking.shared() as u32)?;
        Ok(tiling.parts() > 1)
    }
}

/// Writes y.
pub(super) fn forward(
    layer: &Dense<2>,
    on: &Executor<'_>,
    y: DeviceRows,
    inputs: [DeviceRows; 2],
    state: DeviceRows,
    After(norm): After,
) -> Result<()> {
    let mut product = Product::new(layer, y, inputs, state)?;
    product.arguments.norm = norm;
    if product.forward(on)? {
        let Size { rows, columns, .. } = product.size;
        let grid = [ceil_div(rows * columns, 256), ceil_div(product.blocks, 1), 1];
        product.launch(on, "dense_of_parts", grid, (256, 0))?;
    }
    Ok(())
}

/// Writes `to`, and the running statistics in `state`.
pub(super) fn training(
    layer: &Dense<2>,
    norm: &BatchNorm,
    on: &Executor<'_>,
    to: To,
    inputs: [DeviceRows; 2],
    state: DeviceRows,
) -> Result<()> {
    let mut product = Product::new(layer, to.product, inputs, state)?;
    let by_batch = BatchNormArguments::of(norm, state).with_values(to.product, to.y);
    let by_batch = by_batch.with_statistics(norm, to.statistics);
    if has_whole_columns(product.size) {
        let tiling = Tiling::whole(ALL_SAMPLES, product.size);
        (product.arguments.norm, product.arguments.split) = (by_batch, tiling.split(on, product.blocks)?);
        return product.multiply(on, "dense_norm", &tiling, shared_of_columns());
    }
    if product.forward(on)? {
        product.arguments.norm = by_batch;
        let grid = columns_grid(norm.width, product.blocks);
        return product.launch(on, "dense_norm_of_parts", grid, (THREADS, SHARED));
    }
    batch_norm::cuda::training(norm, on, [to.y, to.statistics, state], to.product)
}
