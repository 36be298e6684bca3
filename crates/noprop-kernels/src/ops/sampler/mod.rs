//! The chain of inference on whole chunks of samples: z_0, and z_t from z_{t−1} and a block's estimate û, all
//! `[1, samples · classes]`. The formulas are those of [`step`], computed in double precision.

#[cfg(device)]
mod cuda;
#[cfg(device)]
mod parity;
mod reference;
#[cfg(test)]
mod tests;

#[cfg(device)]
pub(crate) use parity::parity;
pub use reference::{Coefficients, initial_state, step};

use super::{BlockOp, apply};
#[cfg(device)]
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::rng::{Purpose, Stream};
use crate::tensor::{Buffer, Real, check};
use candle_core::Tensor;

/// Samples that follow one another in the data set.
#[derive(Debug, Clone, Copy)]
pub struct Chunk {
    /// Seed of the chain.
    pub seed: u64,
    /// Index of the first sample.
    pub first: usize,
    /// Number of samples.
    pub samples: usize,
    /// Values of one sample.
    pub classes: usize,
}

impl Chunk {
    /// z = z_0 ~ N(0, I).
    pub fn start(&self, z: &Buffer) -> Result<()> {
        apply(&Start(self), z, [])
    }

    /// Replaces z_{t−1} by z_t of block `block`, given its estimate.
    pub fn advance(&self, z: &Buffer, estimate: &Tensor, block: usize, coefficients: Coefficients) -> Result<()> {
        apply(&Advance { chunk: self, block, coefficients }, z, [estimate])
    }

    /// Calls `work` with each sample's values as f32 and its index in the data set.
    fn each<T: Real>(&self, z: &mut [T], mut work: impl FnMut(usize, &mut [f32]) -> Result<()>) -> Result<()> {
        let mut single = vec![0.0; self.classes];
        for (z, sample) in z.chunks_exact_mut(self.classes).zip(self.first..self.first + self.samples) {
            single.iter_mut().zip(&*z).for_each(|(single, z)| *single = z.to_f32().unwrap_or(f32::NAN));
            work(sample, &mut single)?;
            z.iter_mut().zip(&single).for_each(|(z, single)| *z = T::of(f64::from(*single)));
        }
        Ok(())
    }
}

struct Start<'a>(&'a Chunk);

impl BlockOp<0> for Start<'_> {
    const NAME: &'static str = "sampler-start";
    fn block<T: Real>(&self, _: usize, z: &mut [T], []: [&[T]; 0]) -> Result<()> {
        let chunk = self.0;
        check(z.len() >= chunk.samples * chunk.classes, "initial state")?;
        chunk.each(z, |sample, z| {
            initial_state(&Stream::new(chunk.seed, Purpose::InitialState, 0, 0, sample), z);
            Ok(())
        })
    }
    #[cfg(device)]
    fn launch(&self, on: &Executor<'_>, z: DeviceRows, []: [DeviceRows; 0]) -> Result<()> {
        check(z.len >= self.0.samples * self.0.classes, "initial state")?;
        cuda::start(self.0, on, z)
    }
}

struct Advance<'a> {
    chunk: &'a Chunk,
    block: usize,
    coefficients: Coefficients,
}

impl BlockOp<1> for Advance<'_> {
    const NAME: &'static str = "sampler-step";
    fn block<T: Real>(&self, _: usize, z: &mut [T], [estimate]: [&[T]; 1]) -> Result<()> {
        let chunk = self.chunk;
        let len = chunk.samples * chunk.classes;
        check(z.len() >= len && estimate.len() >= len, "sampler step")?;
        let mut estimates = estimate.chunks_exact(chunk.classes);
        let mut single = vec![0.0; chunk.classes];
        chunk.each(z, |sample, z| {
            let estimate = estimates.next().unwrap_or_default();
            single.iter_mut().zip(estimate).for_each(|(single, u)| *single = u.to_f32().unwrap_or(f32::NAN));
            let noise = Stream::new(chunk.seed, Purpose::SamplerNoise, self.block, 0, sample);
            step(&self.coefficients, &single, z, Some(&noise))
        })
    }
    #[cfg(device)]
    fn launch(&self, on: &Executor<'_>, z: DeviceRows, [estimate]: [DeviceRows; 1]) -> Result<()> {
        let len = self.chunk.samples * self.chunk.classes;
        check(z.len >= len && estimate.len >= len, "sampler step")?;
        cuda::advance(self.chunk, on, z, estimate, self.block, self.coefficients)
    }
}
