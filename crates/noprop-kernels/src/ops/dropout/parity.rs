//! The kernels against the reference.

use super::Dropout;
use crate::cuda::StepValues;
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;

/// Values are multiplied once: one rounding to f32.
const TOLERANCE: f64 = 1e-7;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    // Less than a group of 128 elements, one, and several with a rest; no value dropped, some, most.
    for (blocks, len, rate) in [(&[4][..], 5, 0.5), (&[1, 2, 9], 128, 0.2), (&[3; 10], 300, 0.9), (&[7], 40, 0.0)] {
        let samples = [70_000, 0, 3, 3, 12];
        let words: Vec<u32> = blocks.iter().map(|block| *block as u32).collect();
        let op = Dropout { rate, seed: 0x0123_4567_89ab_cdef, stage: 2, blocks, epoch: 6, samples: &samples, len };
        let values = StepValues { epoch: 6, samples: 5, ..StepValues::default() };
        let k = blocks.len();
        let inputs = [Input(k, 6 * len, Values::Normal)];
        let name = format!("[{k}, 5, {len}], rate {rate}");
        parity.in_step(values, [&samples, &[0; 5], &words], &vec![0.0; k], &vec![1.0; k], |parity| {
            parity.compare(format!("dropout {name}"), TOLERANCE, &inputs, |b| op.forward(&b[0]))
        })?;
    }
    Ok(())
}
