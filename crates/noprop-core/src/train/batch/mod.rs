//! The samples of a batch, gathered from the data set.

mod parity;

pub(crate) use parity::parity;

use crate::data::Dataset;
use crate::data::augment::Augmenter;
use crate::error::Result;
use crate::ops::batch::widen;
use crate::ops::{BlockOp, Cut, apply};
use crate::tensor::{Buffer, Real, check};
use std::ops::Range;

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
    fn value(&self, sample: usize, x: &mut [f32]) -> Result<()> {
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
            Some(x) => x.chunks_exact_mut(len).zip(samples).try_for_each(|(x, sample)| self.value(sample, x))?,
            None => {
                // Checks in double precision may allocate.
                let mut single = vec![0.0; len];
                for (x, sample) in x.chunks_exact_mut(len).zip(samples) {
                    self.value(sample, &mut single)?;
                    widen(x, &single);
                }
            }
        }
        Ok(())
    }
    fn cut(&self) -> Option<Cut<0>> {
        Some(Cut::rows(self.samples.len(), self.data.shape().len(), []))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self { samples: &self.samples[rows], augmenter: self.augmenter, ..*self }
    }
}
