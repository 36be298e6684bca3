//! The kernels against the processor.

use super::Chunk;
use crate::cuda::parity::{Input, Parity, Values};
use crate::diffusion::{Sampler, ScheduleConfig};
use crate::error::Result;

/// One rounding to f32 of sums in double precision on either side, whose last bits may differ by a library's.
const TOLERANCE: f64 = 1e-7;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    let schedule = ScheduleConfig::default().build(10)?;
    for (first, samples, classes) in [(0, 1, 1), (70_000, 5, 11), (3, 3, 100)] {
        let chunk = Chunk { seed: 0x0123_4567_89ab_cdef, first, samples, classes };
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
