//! The two operations that make a batch: gathered samples and noised labels.

#[cfg(device)]
mod cuda;
#[cfg(device)]
mod parity;

#[cfg(device)]
pub(crate) use cuda::DeviceGather;
#[cfg(device)]
pub(crate) use parity::parity;

#[cfg(device)]
use crate::cuda::{DeviceRows, Executor};
use crate::data::Dataset;
use crate::data::augment::Augmenter;
use crate::diffusion::noised_label;
use crate::error::Result;
use crate::ops::{BlockOp, Buffer, Real, apply, check};
use crate::rng::{Purpose, Stream};

/// x `[1, samples · input]`: samples of the data set as the net sees them. Shared by all blocks.
pub struct Gather<'a> {
    /// Where from.
    pub data: &'a Dataset,
    /// Which.
    pub samples: &'a [u32],
    /// What changes them on the way, if anything does.
    pub augmenter: Option<Augmenter>,
}

impl Gather<'_> {
    /// Fills x.
    pub fn fill(&self, x: &Buffer) -> Result<()> {
        apply(self, x, [])
    }

    /// One sample as the net sees it.
    fn value(&self, sample: usize, x: &mut [f32]) {
        match &self.augmenter {
            None => self.data.value(sample, x),
            Some(augmenter) => augmenter.value(self.data, sample, x),
        }
    }
}

impl BlockOp<0> for Gather<'_> {
    const NAME: &'static str = "gather";
    fn block<T: Real>(&self, _: usize, x: &mut [T], []: [&[T]; 0]) -> Result<()> {
        let len = self.data.shape().len();
        check(x.len() >= self.samples.len() * len, "gather")?;
        let samples = self.samples.iter().map(|sample| *sample as usize);
        match T::f32s_mut(x) {
            Some(x) => x.chunks_exact_mut(len).zip(samples).for_each(|(x, sample)| self.value(sample, x)),
            None => {
                // Checks in double precision may allocate.
                let mut single = vec![0.0; len];
                for (x, sample) in x.chunks_exact_mut(len).zip(samples) {
                    self.value(sample, &mut single);
                    widen(x, &single);
                }
            }
        }
        Ok(())
    }
}

/// `to` = `from` in `to`'s precision.
pub(crate) fn widen<T: Real>(to: &mut [T], from: &[f32]) {
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
    #[cfg(device)]
    fn launch(&self, on: &Executor<'_>, z: DeviceRows, []: [DeviceRows; 0]) -> Result<()> {
        check(z.len >= self.samples.len() * self.width, "noised labels")?;
        cuda::noised_labels(self, on, z)
    }
}
