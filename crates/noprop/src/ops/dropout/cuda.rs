//! Launches of the kernels in `cuda.cu`.

use super::{Dropout, GROUP};
use crate::cuda::{Arguments, DeviceRows, DeviceStep, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;
use crate::rng::Purpose;

#[repr(C)]
#[derive(Clone, Copy)]
struct DropoutArguments {
    y: RowsOf,
    step: DeviceStep,
    seed: u64,
    purpose: u32,
    threshold: u32,
    scale: f32,
    samples: u32,
    len: u32,
}

// SAFETY: mirrors the struct in cuda.cu; padding only at its end.
unsafe impl Arguments for DropoutArguments {}

const THREADS: usize = 128;

/// Epoch, samples and blocks are those of the running step.
fn launch(op: &Dropout<'_>, on: &Executor<'_>, kernel: &str, y: DeviceRows, threads: usize) -> Result<()> {
    on.launch(Launch {
        kernel,
        grid: [ceil_div(threads, THREADS), y.count as u32, 1],
        threads: THREADS as u32,
        shared: 0,
        arguments: DropoutArguments {
            y: y.rows(),
            step: on.step()?,
            seed: op.seed,
            purpose: Purpose::Dropout as u32 + u32::from(op.stage),
            threshold: u32::from(super::threshold(op.rate)),
            scale: super::scale(op.rate) as f32,
            samples: op.samples.len() as u32,
            len: op.len as u32,
        },
    })
}

/// A thread has the 8 elements of one Philox block.
pub(super) fn forward(op: &Dropout<'_>, on: &Executor<'_>, y: DeviceRows) -> Result<()> {
    launch(op, on, "dropout_forward", y, op.samples.len() * op.len.div_ceil(GROUP) * 16)
}

/// The same by the function that other kernels call.
pub(super) fn factors(op: &Dropout<'_>, on: &Executor<'_>, y: DeviceRows) -> Result<()> {
    launch(op, on, "dropout_factors", y, op.samples.len() * op.len)
}
