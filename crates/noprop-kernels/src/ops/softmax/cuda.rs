//! Launches of the kernels in `cuda.cu`.

use super::Softmax;
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;

#[repr(C)]
#[derive(Clone, Copy)]
struct SoftmaxArguments {
    logits: RowsOf,
    gradient: RowsOf,
    probabilities: RowsOf,
    samples: u32,
    classes: u32,
}

// SAFETY: mirrors the struct in cuda.cu, without padding. Each kernel reads only the rows that its launch sets.
unsafe impl Arguments for SoftmaxArguments {}

/// A warp has one sample.
fn launch(op: &Softmax, on: &Executor<'_>, kernel: &str, blocks: usize, rows: [RowsOf; 3]) -> Result<()> {
    let [logits, gradient, probabilities] = rows;
    let (samples, classes) = (op.samples as u32, op.classes as u32);
    on.launch(Launch {
        kernel,
        grid: [ceil_div(op.samples, 4), blocks as u32, 1],
        threads: 128,
        shared: 0,
        arguments: SoftmaxArguments { logits, gradient, probabilities, samples, classes },
    })
}

pub(super) fn forward(op: &Softmax, on: &Executor<'_>, logits: DeviceRows) -> Result<()> {
    launch(op, on, "softmax_forward", logits.count, [logits.rows(), RowsOf::NONE, RowsOf::NONE])
}

pub(super) fn backward(op: &Softmax, on: &Executor<'_>, gradient: DeviceRows, probabilities: DeviceRows) -> Result<()> {
    launch(op, on, "softmax_backward", gradient.count, [RowsOf::NONE, gradient.rows(), probabilities.rows()])
}
