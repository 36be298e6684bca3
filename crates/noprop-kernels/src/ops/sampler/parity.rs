//! The kernels against the processor.

use super::{Chunk, Coefficients, words};
use crate::cuda::address_of;
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;
use candle_core::Tensor;

/// One rounding to f32 of sums in double precision on either side, whose last bits may differ by a library's.
const TOLERANCE: f64 = 1e-7;

/// Coefficients as samplers have them: with a state, without, and with the noise off.
const STEPS: [(&str, usize, [f64; 3]); 4] = [
    ("posterior", 1, [0.15, 0.98, 0.15]),
    ("posterior without noise", 6, [0.38, 0.66, 0.0]),
    ("resample", 6, [0.77, 0.0, 0.64]),
    ("ddim", 6, [0.31, 0.79, 0.0]),
];

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
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
        for (name_of, block, [estimate, state, noise]) in STEPS {
            let coefficients = Coefficients { estimate, state, noise };
            let case = format!("sampler step {name_of} {name}, block {block}");
            let inputs = [input(Values::Normal), input(Values::Positive)];
            parity.compare(case, TOLERANCE, &inputs, |b| chunk.advance(&b[0], &b[1], block, coefficients))?;
        }
    }
    Ok(())
}
