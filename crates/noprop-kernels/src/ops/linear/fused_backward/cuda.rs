//! Launch of the kernels in `cuda.cu`.

use crate::cuda::product::{NO_ROWS, Size, Split, Tiling, check_size, vector};
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf};
use crate::error::Result;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::batch_norm::cuda::BatchNormArguments;
use crate::ops::linear::Linear;
use crate::ops::linear::tiles::{ALL_SAMPLES, has_whole_columns, shared_of_columns};

#[repr(C)]
#[derive(Clone, Copy)]
struct DenseBackwardArguments {
    dy: RowsOf,
    weight: RowsOf,
    dx: RowsOf,
    skip: RowsOf,
    norm: BatchNormArguments,
    split: Split,
    samples: u32,
    inputs: u32,
    outputs: u32,
    vector_dy: u32,
    vector_weight: u32,
}

// SAFETY: mirrors the struct in cuda.cu; padding only behind the last field of `Split` and at the end.
unsafe impl Arguments for DenseBackwardArguments {
    #[cfg(all(any(test, feature = "testing"), feature = "emulation"))]
    fn in_fours(&self) -> Vec<bool> {
        vec![self.vector_dy != 0, self.vector_weight != 0]
    }
}

/// The norm's side: what it has left, and where its gradients go.
pub(super) struct Norm<'a> {
    pub op: &'a BatchNorm,
    pub product: DeviceRows,
    pub y: DeviceRows,
    pub statistics: DeviceRows,
    pub d_product: DeviceRows,
    pub gradients: DeviceRows,
}

/// What is multiplied: dy, and the weight in the state.
pub(super) struct Factors {
    pub dy: DeviceRows,
    pub state: DeviceRows,
}

fn size(layer: &Linear) -> Size {
    Size { rows: layer.samples, columns: layer.inputs, depth: layer.outputs }
}

/// Whether the kernel serves a layer: a function of its sizes and of the number of samples.
pub(super) fn serves(layer: &Linear) -> bool {
    has_whole_columns(size(layer))
}

pub(super) fn launch(
    layer: &Linear,
    on: &Executor<'_>,
    norm: Norm<'_>,
    Factors { dy, state }: Factors,
    dx: DeviceRows,
    skip: Option<DeviceRows>,
) -> Result<()> {
    let Size { rows, columns, depth } = size(layer);
    check_size("dense backward", &[rows * columns, rows * depth, columns * depth])?;
    let tiling = Tiling::whole(ALL_SAMPLES, size(layer));
    let (blocks, weight) = (norm.d_product.count, state.from(layer.weight.offset));
    let arguments = BatchNormArguments::of(norm.op, state).with_values(norm.product, norm.y);
    let arguments = arguments.with_statistics(norm.op, norm.statistics);
    on.launch(Launch {
        kernel: &format!("dense_norm_backward_{}", on.multiply().suffix()),
        grid: tiling.grid(blocks),
        threads: tiling.blocking.threads,
        shared: shared_of_columns(),
        arguments: DenseBackwardArguments {
            dy: dy.rows(),
            weight,
            dx: dx.rows(),
            skip: skip.map_or(NO_ROWS, |skip| skip.rows()),
            norm: arguments.with_gradients(norm.op, norm.d_product, norm.gradients),
            split: tiling.split(on, blocks)?,
            samples: rows as u32,
            inputs: columns as u32,
            outputs: depth as u32,
            vector_dy: vector(dy.rows(), &[depth]),
            vector_weight: vector(weight, &[depth]),
        },
    })
}
