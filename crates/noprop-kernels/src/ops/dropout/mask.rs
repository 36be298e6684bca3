//! What kernels need to make a dropout's masks.

use super::{Dropout, scale, threshold};
use crate::cuda::{DeviceStep, Executor};
use crate::error::Result;

/// `DropoutMask` of mask.cuh.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mask {
    seed: u64,
    step: DeviceStep,
    scale: f32,
    threshold: u32,
    stage: u32,
}

impl Mask {
    /// Of the running step, whose epoch, blocks and samples stand in for those of `dropout`. Without a dropout, and with a rate
    /// of 0, everything is kept.
    pub(crate) fn new(dropout: Option<&Dropout<'_>>, on: &Executor<'_>) -> Result<Self> {
        let Some(dropout) = dropout.filter(|dropout| threshold(dropout.rate) > 0) else {
            let step = DeviceStep { values: 0, samples: 0, classes: 0, blocks: 0, alpha_bars: 0, weights: 0 };
            return Ok(Self { seed: 0, step, scale: 1.0, threshold: 0, stage: 0 });
        };
        Ok(Self {
            seed: dropout.seed,
            step: on.step()?,
            scale: scale(dropout.rate) as f32,
            threshold: u32::from(threshold(dropout.rate)),
            stage: u32::from(dropout.stage),
        })
    }
}
