//! The kernels against the reference.

use super::Positions;
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;
use crate::tensor::Slot;

/// Sums of up to 130 terms of size 1 in f32 are off by less than 130 · 2^-24 = 8e-6 of the greatest.
const TOLERANCE: f64 = 8e-6;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    for (blocks, samples, len) in [(1, 1, 1), (3, 130, 5), (10, 3, 257)] {
        let op = Positions { samples, len, parameter: Slot { offset: 1, len } };
        let name = format!("[{blocks}, {samples}, {len}]");
        let activations = || Input(blocks, (samples + 1) * len, Values::Normal);
        let inputs = [activations(), Input(blocks, len + 2, Values::Normal)];
        parity.compare(format!("positions forward {name}"), 1e-7, &inputs, |b| op.forward(&b[0], &b[1]))?;
        let inputs = [Input(blocks, len + 2, Values::Poison), activations()];
        parity
            .compare(format!("positions backward {name}"), TOLERANCE, &inputs, |b| op.backward_weights(&b[0], &b[1]))?;
    }
    Ok(())
}
