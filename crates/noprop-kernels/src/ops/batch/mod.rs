//! What makes a batch: noised labels, and on a device the gathering of samples from a data set that lies there.

mod cuda;
mod parity;
mod reference;

pub use cuda::{DeviceGather, ImageChanges, Mirrored};
pub(crate) use parity::parity;
pub use reference::noised_label;

use super::{BlockOp, Cut, apply};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::rng::{Purpose, Stream};
use crate::tensor::{Buffer, Real, check};
use std::ops::Range;

/// `to` = `from` in `to`'s precision.
pub fn widen<T: Real>(to: &mut [T], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = T::of(f64::from(*from)));
}

/// z `[K, samples · classes]`: draws of q(z_{t−1} | y) for block t, keyed by (seed, block, epoch, sample).
pub struct NoisedLabels<'a> {
    /// ᾱ_{t−1} of each of the blocks that run together.
    pub alpha_bars: &'a [f64],
    /// Those blocks, from 1.
    pub blocks: &'a [usize],
    /// Seed of the model.
    pub seed: u64,
    /// Epoch, from 0.
    pub epoch: usize,
    /// Each sample's index in the data set.
    pub samples: &'a [u32],
    /// Each sample's class.
    pub classes: &'a [u32],
    /// Number of classes.
    pub width: usize,
}

impl NoisedLabels<'_> {
    /// Fills z.
    pub fn fill(&self, z: &Buffer) -> Result<()> {
        apply(self, z, [])
    }
}

impl BlockOp<0> for NoisedLabels<'_> {
    const NAME: &'static str = "noised-labels";
    fn block<T: Real>(&self, k: usize, z: &mut [T], []: [&[T]; 0]) -> Result<()> {
        check(z.len() >= self.samples.len() * self.width && k < self.blocks.len(), "noised labels")?;
        let draw = |sample: u32, class: u32, row: &mut [f32]| {
            let stream = Stream::new(self.seed, Purpose::LabelNoise, self.blocks[k], self.epoch, sample as usize);
            noised_label(self.alpha_bars[k], class as usize, &stream, row);
        };
        let labels = self.samples.iter().zip(self.classes);
        match T::f32s_mut(z) {
            Some(z) => {
                z.chunks_exact_mut(self.width).zip(labels).for_each(|(z, (sample, class))| draw(*sample, *class, z))
            }
            None => {
                let mut row = vec![0.0; self.width];
                for (z, (sample, class)) in z.chunks_exact_mut(self.width).zip(labels) {
                    draw(*sample, *class, &mut row);
                    widen(z, &row);
                }
            }
        }
        Ok(())
    }
    fn cut(&self) -> Option<Cut<0>> {
        let rows = self.samples.len();
        Some(Cut::rows(rows, self.width, []).with_work(500 * rows * self.width))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self { samples: &self.samples[rows.clone()], classes: &self.classes[rows], ..*self }
    }
    fn launch(&self, on: &Executor<'_>, z: DeviceRows, []: [DeviceRows; 0]) -> Result<()> {
        check(z.len >= self.samples.len() * self.width, "noised labels")?;
        cuda::noised_labels(self, on, z)
    }
}
