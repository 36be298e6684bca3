//! Launch of the kernel in `cuda.cu`.

use super::{LN_RANGE, SCALE, TimeFeatures};
use crate::cuda::product::check_size;
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf, ceil_div};
use crate::error::Result;

#[repr(C)]
#[derive(Clone, Copy)]
struct TimeFeaturesArguments {
    y: RowsOf,
    time: RowsOf,
    scale: f64,
    ln_range: f64,
    samples: u32,
    width: u32,
}

// SAFETY: mirrors the struct in cuda.cu, without padding.
unsafe impl Arguments for TimeFeaturesArguments {}

/// A thread has the cosine and the sine of one angle.
pub(super) fn forward(op: &TimeFeatures, on: &Executor<'_>, y: DeviceRows, time: DeviceRows) -> Result<()> {
    check_size("time features", &[op.samples * op.width])?;
    on.launch(Launch {
        kernel: "time_features",
        grid: [ceil_div(op.samples * op.width / 2, 128), y.count as u32, 1],
        threads: 128,
        shared: 0,
        arguments: TimeFeaturesArguments {
            y: y.rows(),
            time: time.rows(),
            scale: SCALE,
            ln_range: LN_RANGE,
            samples: op.samples as u32,
            width: op.width as u32,
        },
    })
}
