//! The kernel against the reference.

use super::Mul;
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;

/// Values are multiplied once: one rounding to f32.
const TOLERANCE: f64 = 1e-7;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    for (blocks, len) in [(1, 1), (3, 257), (10, 1000)] {
        let input = |rows, more, values| Input(rows, len + more, values);
        let inputs = [input(blocks, 2, Values::Poison), input(blocks, 1, Values::Normal), input(1, 0, Values::Normal)];
        parity.compare(format!("mul [{blocks}, {len}]"), TOLERANCE, &inputs, |b| {
            Mul { len }.forward(&b[0], &b[1], &b[2])
        })?;
    }
    Ok(())
}
