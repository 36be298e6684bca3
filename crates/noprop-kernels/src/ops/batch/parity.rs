//! The kernel of noised labels against the operation on the processor.

use super::NoisedLabels;
use crate::cuda::parity::{Input, Parity, Values, in_batch_step};
use crate::error::Result;

const SEED: u64 = 0x0123_4567_89ab_cdef;
const EPOCH: usize = 3;

pub fn parity(parity: &mut Parity) -> Result<()> {
    // Two roundings to f32 of sums in double precision, at most 6 in size.
    for (blocks, width) in [(1, 3), (3, 11), (10, 100)] {
        in_batch_step(parity, EPOCH, blocks, |parity, [samples, classes], blocks, alpha_bars| {
            let inputs = [Input(blocks.len(), 6 * width, Values::Poison)];
            let op = NoisedLabels { alpha_bars, blocks, seed: SEED, epoch: EPOCH, samples, classes, width };
            parity.compare(format!("noised labels [{}, 5, {width}]", blocks.len()), 1e-7, &inputs, |b| op.fill(&b[0]))
        })?;
    }
    Ok(())
}
