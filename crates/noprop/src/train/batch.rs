//! The two operations that make a batch: gathered samples and noised labels.

use crate::data::Dataset;
use crate::diffusion::noised_label;
use crate::error::Result;
use crate::ops::{BlockOp, Real, apply, check};
use crate::rng::{Purpose, Stream};
use candle_core::Tensor;

/// x `[1, samples · input]`: samples of the data set as the net sees them. Shared by all blocks.
pub struct Gather<'a> {
    /// Where from.
    pub data: &'a Dataset,
    /// Which.
    pub samples: &'a [u32],
}

impl Gather<'_> {
    /// Fills x.
    pub fn fill(&self, x: &Tensor) -> Result<()> {
        apply(self, x, [])
    }
}

impl BlockOp<0> for Gather<'_> {
    const NAME: &'static str = "gather";
    fn block<T: Real>(&self, _: usize, x: &mut [T], []: [&[T]; 0]) -> Result<()> {
        let len = self.data.shape().len();
        check(x.len() >= self.samples.len() * len, "gather")?;
        for (x, sample) in x.chunks_exact_mut(len).zip(self.samples) {
            match T::f32s_mut(x) {
                Some(x) => self.data.value(*sample as usize, x),
                None => {
                    let mut single = vec![0.0; len];
                    self.data.value(*sample as usize, &mut single);
                    x.iter_mut().zip(single).for_each(|(x, value)| *x = T::of(f64::from(value)));
                }
            }
        }
        Ok(())
    }
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
    pub fn fill(&self, z: &Tensor) -> Result<()> {
        apply(self, z, [])
    }
}

impl BlockOp<0> for NoisedLabels<'_> {
    const NAME: &'static str = "noised-labels";
    fn block<T: Real>(&self, k: usize, z: &mut [T], []: [&[T]; 0]) -> Result<()> {
        check(z.len() >= self.samples.len() * self.width && k < self.blocks.len(), "noised labels")?;
        let mut buffer = [0.0; 64];
        let mut long = Vec::new();
        let row = if self.width <= buffer.len() {
            &mut buffer[..self.width]
        } else {
            long.resize(self.width, 0.0);
            &mut long[..]
        };
        for ((z, sample), class) in z.chunks_exact_mut(self.width).zip(self.samples).zip(self.classes) {
            let stream = Stream::new(self.seed, Purpose::LabelNoise, self.blocks[k], self.epoch, *sample as usize);
            noised_label(self.alpha_bars[k], *class as usize, &stream, row);
            z.iter_mut().zip(row.iter()).for_each(|(z, value)| *z = T::of(f64::from(*value)));
        }
        Ok(())
    }
}
