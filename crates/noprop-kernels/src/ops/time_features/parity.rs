//! The kernel against the reference.

use super::TimeFeatures;
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;

/// Computed in double precision and rounded once to f32.
const TOLERANCE: f64 = 1e-7;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    for (blocks, samples, width) in [(1, 1, 2), (3, 5, 66), (10, 9, 32)] {
        let op = TimeFeatures { samples, width };
        let y = Input(blocks, samples * width + 1, Values::Poison);
        // Times of each block, and one for all.
        for rows in [1, blocks] {
            let inputs = [y.clone(), Input(rows, samples + 1, Values::Positive)];
            let name = format!("time features [{blocks}, {samples}, {width}] of [{rows}, {samples}]");
            parity.compare(name, TOLERANCE, &inputs, |b| op.forward(&b[0], &b[1]))?;
        }
    }
    Ok(())
}
