//! The chain of inference on whole chunks of samples: z_0, and z_t from z_{t−1} and a block's estimate û, all
//! `[1, samples · classes]`. The formulas are those of [`step`], computed in double precision.

mod cuda;
mod parity;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use parity::parity;
pub use reference::{Coefficients, initial_state, step};

use super::{BlockOp, apply};
use crate::cuda::{Address, DeviceRows, Executor};
use crate::error::Result;
use crate::rng::{Purpose, Stream};
use crate::tensor::{Buffer, Real, check};
use candle_core::Tensor;

/// Samples and whose noise they get.
#[derive(Debug, Clone, Copy)]
pub struct Chunk<'a> {
    /// Seed of the chain.
    pub seed: u64,
    /// What tells each sample's content.
    pub keys: &'a [u64],
    /// The same where kernels read them, u32 `[samples, 2]`, the lower half first.
    pub on_device: Address,
    /// Values of one sample.
    pub classes: usize,
}

/// The words of keys as kernels read them.
pub fn words(keys: &[u64]) -> impl ExactSizeIterator<Item = [u32; 2]> + '_ {
    keys.iter().map(|key| [*key as u32, (*key >> 32) as u32])
}

impl Chunk<'_> {
    /// Values of all samples.
    fn len(&self) -> usize {
        self.keys.len() * self.classes
    }

    /// z = z_0 ~ N(0, I).
    pub fn start(&self, z: &Buffer) -> Result<()> {
        apply(&Start(self), z, [])
    }

    /// Replaces z_{t−1} by z_t of block `block`, given its estimate.
    pub fn advance(&self, z: &Buffer, estimate: &Tensor, block: usize, coefficients: Coefficients) -> Result<()> {
        apply(&Advance { chunk: self, block, coefficients }, z, [estimate])
    }

    /// Calls `work` with each sample's values as f32 and its key.
    fn each<T: Real>(&self, z: &mut [T], mut work: impl FnMut(u64, &mut [f32]) -> Result<()>) -> Result<()> {
        let mut single = vec![0.0; self.classes];
        for (z, key) in z.chunks_exact_mut(self.classes).zip(self.keys) {
            single.iter_mut().zip(&*z).for_each(|(single, z)| *single = z.to_f32().unwrap_or(f32::NAN));
            work(*key, &mut single)?;
            z.iter_mut().zip(&single).for_each(|(z, single)| *z = T::of(f64::from(*single)));
        }
        Ok(())
    }
}

struct Start<'a>(&'a Chunk<'a>);

impl BlockOp<0> for Start<'_> {
    const NAME: &'static str = "sampler-start";
    fn block<T: Real>(&self, _: usize, z: &mut [T], []: [&[T]; 0]) -> Result<()> {
        let chunk = self.0;
        check(z.len() >= chunk.len(), "initial state")?;
        chunk.each(z, |key, z| {
            initial_state(&Stream::of_content(chunk.seed, Purpose::InitialState, 0, key), z);
            Ok(())
        })
    }
    fn launch(&self, on: &Executor<'_>, z: DeviceRows, []: [DeviceRows; 0]) -> Result<()> {
        check(z.len >= self.0.len(), "initial state")?;
        cuda::start(self.0, on, z)
    }
}

struct Advance<'a> {
    chunk: &'a Chunk<'a>,
    block: usize,
    coefficients: Coefficients,
}

impl BlockOp<1> for Advance<'_> {
    const NAME: &'static str = "sampler-step";
    fn block<T: Real>(&self, _: usize, z: &mut [T], [estimate]: [&[T]; 1]) -> Result<()> {
        let chunk = self.chunk;
        let len = chunk.len();
        check(z.len() >= len && estimate.len() >= len, "sampler step")?;
        let mut estimates = estimate.chunks_exact(chunk.classes);
        let mut single = vec![0.0; chunk.classes];
        chunk.each(z, |key, z| {
            let estimate = estimates.next().unwrap_or_default();
            single.iter_mut().zip(estimate).for_each(|(single, u)| *single = u.to_f32().unwrap_or(f32::NAN));
            let noise = Stream::of_content(chunk.seed, Purpose::SamplerNoise, self.block, key);
            step(&self.coefficients, &single, z, Some(&noise))
        })
    }
    fn launch(&self, on: &Executor<'_>, z: DeviceRows, [estimate]: [DeviceRows; 1]) -> Result<()> {
        let len = self.chunk.len();
        check(z.len >= len && estimate.len >= len, "sampler step")?;
        cuda::advance(self.chunk, on, z, estimate, self.block, self.coefficients)
    }
}
