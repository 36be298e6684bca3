//! Launches of the kernels in `cuda.cu`.

use super::Attention;
use crate::cuda::product::{NO_ROWS, check_size};
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;

#[repr(C)]
#[derive(Clone, Copy)]
struct AttentionArguments {
    qkv: RowsOf,
    d_qkv: RowsOf,
    probabilities: RowsOf,
    d_scores: RowsOf,
    out: RowsOf,
    d_out: RowsOf,
    scale: f32,
    samples: u32,
    tokens: u32,
    width: u32,
    heads: u32,
}

// SAFETY: mirrors the struct in cuda.cu; padding only at its end. Each kernel reads only the rows that its launch sets.
unsafe impl Arguments for AttentionArguments {}

impl AttentionArguments {
    fn new(op: &Attention, qkv: DeviceRows, probabilities: DeviceRows) -> Result<Self> {
        check_size("attention", &[3 * op.out_len(), op.probabilities_len()])?;
        Ok(Self {
            qkv: qkv.rows(),
            d_qkv: NO_ROWS,
            probabilities: probabilities.rows(),
            d_scores: NO_ROWS,
            out: NO_ROWS,
            d_out: NO_ROWS,
            scale: 1.0 / (op.head_width() as f32).sqrt(),
            samples: op.samples as u32,
            tokens: op.tokens as u32,
            width: op.width as u32,
            heads: op.heads as u32,
        })
    }

    /// A warp for each row of probabilities.
    fn launch_rows(self, op: &Attention, on: &Executor<'_>, kernel: &str, blocks: usize) -> Result<()> {
        let grid = [ceil_div(op.samples * op.heads * op.tokens, 4), blocks as u32, 1];
        on.launch(Launch { kernel, grid, threads: 128, shared: 0, arguments: self })
    }

    /// A thread for each of `values`.
    fn launch_values(self, on: &Executor<'_>, kernel: &str, values: usize, blocks: usize) -> Result<()> {
        let grid = [ceil_div(values, 256), blocks as u32, 1];
        on.launch(Launch { kernel, grid, threads: 256, shared: 0, arguments: self })
    }
}

pub(super) fn probabilities(
    op: &Attention,
    on: &Executor<'_>,
    probabilities: DeviceRows,
    qkv: DeviceRows,
) -> Result<()> {
    let arguments = AttentionArguments::new(op, qkv, probabilities)?;
    arguments.launch_rows(op, on, "attention_probabilities", probabilities.count)
}

pub(super) fn mix(
    op: &Attention,
    on: &Executor<'_>,
    out: DeviceRows,
    probabilities: DeviceRows,
    qkv: DeviceRows,
) -> Result<()> {
    let arguments = AttentionArguments { out: out.rows(), ..AttentionArguments::new(op, qkv, probabilities)? };
    arguments.launch_values(on, "attention_mix", op.out_len(), out.count)
}

/// The gradient of the scores goes through scratch memory.
pub(super) fn backward(
    op: &Attention,
    on: &Executor<'_>,
    d_qkv: DeviceRows,
    [d_out, qkv, probabilities]: [DeviceRows; 3],
) -> Result<()> {
    let each = op.probabilities_len();
    let d_scores = RowsOf { data: on.scratch(d_qkv.count * each)?, stride: each as u64 };
    let arguments = AttentionArguments {
        d_qkv: d_qkv.rows(),
        d_scores,
        d_out: d_out.rows(),
        ..AttentionArguments::new(op, qkv, probabilities)?
    };
    arguments.launch_rows(op, on, "attention_backward_scores", d_qkv.count)?;
    arguments.launch_values(on, "attention_backward", 3 * op.out_len(), d_qkv.count)
}
