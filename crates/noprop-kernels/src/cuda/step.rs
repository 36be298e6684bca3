//! What a training step on a device reads from the device's memory instead of from its call, so that a recorded step can be
//! replayed.

use super::address::{Address, address_of};
use crate::error::Result;
use candle_core::{Device, Tensor};

/// `StepValues` of prelude.cuh: what changes from step to step.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StepValues {
    /// From 0.
    pub epoch: u32,
    /// Samples of this batch.
    pub samples: u32,
    /// Place of the step in its epoch, from 0.
    pub step: u32,
    /// 1 − learning rate · weight decay.
    pub keep: f32,
    /// learning rate / (1 − beta1^step); of descent with momentum the learning rate.
    pub step_size: f32,
    /// 1 / √(1 − beta2^step).
    pub inverse_root_correction: f32,
}

impl StepValues {
    /// As words, the form in which it lies in a tensor.
    pub fn words(&self) -> [u32; 6] {
        let rates = [self.keep, self.step_size, self.inverse_root_correction].map(f32::to_bits);
        [self.epoch, self.samples, self.step, rates[0], rates[1], rates[2]]
    }
}

/// `DeviceStep` of prelude.cuh: addresses in device memory.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceStep {
    /// u32 `[6]`, see [`StepValues::words`].
    pub values: Address,
    /// u32 `[batch]`: each sample's index in the data set.
    pub samples: Address,
    /// u32 `[batch]`: each sample's class.
    pub classes: Address,
    /// u32 `[K]`: the blocks that run together, from 1.
    pub blocks: Address,
    /// f64 `[K]`: ᾱ_{t−1} of each.
    pub alpha_bars: Address,
    /// f32 `[K]`: the factor of each one's loss.
    pub weights: Address,
}

impl DeviceStep {
    /// That of inference, which reads nothing but which samples it is about.
    pub fn of_samples(samples: Address) -> Self {
        Self { values: 0, samples, classes: 0, blocks: 0, alpha_bars: 0, weights: 0 }
    }
}

/// The tensors that a [`DeviceStep`] points to.
#[derive(Debug, Clone)]
pub struct StepTensors {
    /// u32 `[6]`, see [`StepValues::words`].
    pub values: Tensor,
    /// u32 `[batch]`: each sample's index in the data set.
    pub samples: Tensor,
    /// u32 `[batch]`: each sample's class.
    pub classes: Tensor,
    /// u32 `[K]`: the blocks that run together, from 1.
    pub blocks: Tensor,
    /// f64 `[K]`: ᾱ_{t−1} of each.
    pub alpha_bars: Tensor,
    /// f32 `[K]`: the factor of each block's loss.
    pub weights: Tensor,
}

impl StepTensors {
    /// Tensors with these values on `device`.
    pub fn new(
        device: &Device,
        values: StepValues,
        [samples, classes, blocks]: [&[u32]; 3],
        alpha_bars: &[f64],
        weights: &[f32],
    ) -> Result<Self> {
        Ok(Self {
            values: Tensor::new(&values.words(), device)?,
            samples: Tensor::new(samples, device)?,
            classes: Tensor::new(classes, device)?,
            blocks: Tensor::new(blocks, device)?,
            alpha_bars: Tensor::new(alpha_bars, device)?,
            weights: Tensor::new(weights, device)?,
        })
    }

    /// Their addresses, valid while the tensors live.
    pub fn addresses(&self) -> Result<DeviceStep> {
        Ok(DeviceStep {
            values: address_of(&self.values)?,
            samples: address_of(&self.samples)?,
            classes: address_of(&self.classes)?,
            blocks: address_of(&self.blocks)?,
            alpha_bars: address_of(&self.alpha_bars)?,
            weights: address_of(&self.weights)?,
        })
    }
}
