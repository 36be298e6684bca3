//! Dropout: keeps a value with probability 1 − p and scales it by 1 / (1 − p).
//!
//! The mask is a function of (seed, block, epoch, sample, stage, element) alone: 16 random bits an element, which are kept
//! if they are at least p · 2^16. It is never stored: the backward pass reads it off the output (see [`super::relu`]).

mod cpu;
mod cuda;
pub(crate) mod mask;
mod parity;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use parity::parity;

use super::{BlockOp, Cut, apply, profile};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::rng::Stream;
use crate::tensor::{Buffer, Real, check};
use std::ops::Range;

/// Elements of one sample that share 16 consecutive Philox blocks of 8 × 16 bits.
const GROUP: usize = 128;

/// Where in the group's 16 Philox blocks the bits of an element lie, so that 16 neighbours take one word of 16 blocks:
/// element = half · 64 + word · 16 + block.
fn bits_at(element: usize) -> (u32, usize, u32) {
    let within = element % GROUP;
    let block = (element / GROUP * 16 + within % 16) as u32;
    (block, within / 16 % 4, (within / 64 * 16) as u32)
}

/// What makes the masks of one batch.
#[derive(Debug, Clone, Copy)]
pub struct Dropout<'a> {
    /// Probability of dropping a value, in [0, 1).
    pub rate: f64,
    /// Seed of the model.
    pub seed: u64,
    /// Which dropout of the block this is, from 0.
    pub stage: u16,
    /// The blocks that run together, from 1: row k of y belongs to `blocks[k]`.
    pub blocks: &'a [usize],
    /// The epoch, from 0.
    pub epoch: usize,
    /// Each sample's index in the data set.
    pub samples: &'a [u32],
    /// Values of one sample.
    pub len: usize,
}

/// Values with bits below this are dropped.
fn threshold(rate: f64) -> u16 {
    (rate * 65536.0).round().min(65535.0) as u16
}

/// 1 / (1 − p) for the p that the threshold gives.
pub fn scale(rate: f64) -> f64 {
    65536.0 / (65536.0 - f64::from(threshold(rate)))
}

impl<'a> Dropout<'a> {
    fn stream(&self, block: usize, sample: u32) -> Stream {
        Stream::dropout(self.seed, self.stage, block, self.epoch, sample as usize)
    }

    /// Drops values of y in place.
    pub fn forward(&self, y: &Buffer) -> Result<()> {
        apply(self, y, [])
    }

    /// The masks of the k-th of the blocks that run together, for kernels that drop what they have just computed.
    pub(crate) fn of_block(&self, k: usize) -> Result<OfBlock<'a>> {
        check(k < self.blocks.len(), "dropout blocks")?;
        Ok(OfBlock { op: *self, block: self.blocks[k] })
    }
}

/// See [`Dropout::of_block`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct OfBlock<'a> {
    op: Dropout<'a>,
    block: usize,
}

impl OfBlock<'_> {
    /// The same for the samples from `first` on.
    pub(crate) fn from(self, first: usize) -> Self {
        Self { op: Dropout { samples: &self.op.samples[first..], ..self.op }, ..self }
    }

    /// Drops values of one sample, the `index`-th of the batch, in place.
    pub(crate) fn apply<T: Real>(&self, index: usize, y: &mut [T]) {
        if threshold(self.op.rate) == 0 {
            return;
        }
        let _time = profile::enter(<Dropout<'_> as BlockOp<0>>::NAME);
        let sample = self.op.samples[index];
        match T::f32s_mut(y) {
            Some(y) => cpu::apply(&self.op, self.block, sample, y),
            None => reference::apply(&self.op, self.block, sample, y),
        }
    }
}

impl BlockOp<0> for Dropout<'_> {
    const NAME: &'static str = "dropout-forward";
    fn block<T: Real>(&self, k: usize, y: &mut [T], []: [&[T]; 0]) -> Result<()> {
        check(y.len() >= self.samples.len() * self.len, "dropout")?;
        let block = self.of_block(k)?;
        for (index, y) in y.chunks_exact_mut(self.len).take(self.samples.len()).enumerate() {
            block.apply(index, y);
        }
        Ok(())
    }
    fn cut(&self) -> Option<Cut<0>> {
        Some(Cut::rows(self.samples.len(), self.len, []).with_work(16 * self.samples.len() * self.len))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self { samples: &self.samples[rows], ..*self }
    }
    fn launch(&self, on: &Executor<'_>, y: DeviceRows, []: [DeviceRows; 0]) -> Result<()> {
        check(y.len >= self.samples.len() * self.len && y.count == self.blocks.len(), "dropout")?;
        if threshold(self.rate) == 0 { Ok(()) } else { cuda::forward(self, on, y) }
    }
}
