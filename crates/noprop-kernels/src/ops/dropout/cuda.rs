//! Launch of the kernel in `cuda.cu`.

use super::mask::Mask;
use super::{Dropout, GROUP};
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;

#[repr(C)]
#[derive(Clone, Copy)]
struct DropoutArguments {
    y: RowsOf,
    mask: Mask,
    samples: u32,
    len: u32,
}

// SAFETY: mirrors the struct in cuda.cu; padding only inside of the mask and at the end.
unsafe impl Arguments for DropoutArguments {}

const THREADS: usize = 128;

/// A thread has the 8 elements of one Philox block. Epoch, samples and blocks are those of the running step.
pub(super) fn forward(op: &Dropout<'_>, on: &Executor<'_>, y: DeviceRows) -> Result<()> {
    let (samples, len) = (op.samples.len() as u32, op.len as u32);
    on.launch(Launch {
        kernel: "dropout_forward",
        grid: [ceil_div(op.samples.len() * op.len.div_ceil(GROUP) * 16, THREADS), y.count as u32, 1],
        threads: THREADS as u32,
        shared: 0,
        arguments: DropoutArguments { y: y.rows(), mask: Mask::new(Some(op), on)?, samples, len },
    })
}
