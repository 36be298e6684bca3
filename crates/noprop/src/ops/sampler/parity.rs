//! The kernels against the processor.

use super::{Chunk, words};
use crate::cuda::address_of;
use crate::cuda::parity::{Input, Parity, Values};
use crate::diffusion::{Sampler, ScheduleConfig};
use crate::error::Result;
use candle_core::Tensor;

/// One rounding to f32 of sums in double precision on either side, whose last bits may differ by a library's.
const TOLERANCE: f64 = 1e-7;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    let schedule = ScheduleConfig::default().build(10)?;
    // Keys whose halves differ, and such as have one alone.
    let keys = [0x0123_4567_89ab_cdef, 70_000, 0xffff_ffff_0000_0000, u64::MAX, 1 << 63 | 3];
    for (samples, classes) in [(1, 1), (5, 11), (3, 100)] {
        let keys = &keys[..samples];
        let flat: Vec<u32> = words(keys).flatten().collect();
        let flat = Tensor::new(flat, parity.device())?;
        let on_device = address_of(&flat)?;
        let chunk = Chunk { seed: 0x0123_4567_89ab_cdef, keys, on_device, classes };
        let name = format!("[{samples}, {classes}]");
        let input = |values| Input(1, (samples + 1) * classes, values);
        // The start reads its destination on the processor alone, so that poison stays visible behind it.
        parity.compare(format!("sampler start {name}"), TOLERANCE, &[input(Values::Poison)], |b| chunk.start(&b[0]))?;
        for sampler in [Sampler::Posterior, Sampler::Resample, Sampler::Ddim] {
            for (block, stochastic) in [(1, true), (6, true), (6, false)] {
                let coefficients = sampler.coefficients(&schedule, block, stochastic);
                let case = format!("sampler step {sampler:?} {name}, block {block}, stochastic {stochastic}");
                let inputs = [input(Values::Normal), input(Values::Positive)];
                parity.compare(case, TOLERANCE, &inputs, |b| chunk.advance(&b[0], &b[1], block, coefficients))?;
            }
        }
    }
    Ok(())
}
