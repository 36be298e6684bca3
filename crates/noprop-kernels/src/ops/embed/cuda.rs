//! Launches of the kernels in `cuda.cu`.

use super::Embed;
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;

#[repr(C)]
#[derive(Clone, Copy)]
struct EmbedArguments {
    to: RowsOf,
    from: RowsOf,
    embeddings: RowsOf,
    samples: u32,
    inputs: u32,
    outputs: u32,
    offset: u32,
    /// Whether the embeddings are read transposed, or their gradient is added.
    flag: u32,
    unused: u32,
}

// SAFETY: mirrors the struct in cuda.cu, without padding.
unsafe impl Arguments for EmbedArguments {}

/// A thread has one value of the result.
pub(super) fn forward(
    op: &Embed,
    on: &Executor<'_>,
    to: DeviceRows,
    [from, embeddings]: [DeviceRows; 2],
) -> Result<()> {
    let (inputs, outputs) = op.sizes();
    on.launch(Launch {
        kernel: "embed",
        grid: [ceil_div(op.samples * outputs, 256), to.count as u32, 1],
        threads: 256,
        shared: 0,
        arguments: EmbedArguments {
            to: to.rows(),
            from: from.rows(),
            embeddings: embeddings.rows(),
            samples: op.samples as u32,
            inputs: inputs as u32,
            outputs: outputs as u32,
            offset: op.offset as u32,
            flag: u32::from(op.is_transposed),
            unused: 0,
        },
    })
}

/// A thread has one value of the gradient.
pub(super) fn backward_rows(
    op: &Embed,
    on: &Executor<'_>,
    gradients: DeviceRows,
    [shares, dy]: [DeviceRows; 2],
    add: bool,
) -> Result<()> {
    on.launch(Launch {
        kernel: "embed_backward_rows",
        grid: [ceil_div(op.classes * op.width, 256), gradients.count as u32, 1],
        threads: 256,
        shared: 0,
        arguments: EmbedArguments {
            to: dy.rows(),
            from: shares.rows(),
            embeddings: gradients.rows(),
            samples: op.samples as u32,
            inputs: op.classes as u32,
            outputs: op.width as u32,
            offset: op.offset as u32,
            flag: u32::from(add),
            unused: 0,
        },
    })
}
