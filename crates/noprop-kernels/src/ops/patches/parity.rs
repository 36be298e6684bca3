//! The kernels against the reference.

use super::Patches;
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    for (blocks, samples, height, width, channels, patch) in
        [(1, 1, 1, 1, 1, 1), (3, 2, 6, 9, 3, 3), (10, 3, 4, 8, 5, 2), (1, 2, 5, 5, 2, 5)]
    {
        let op = Patches { samples, height, width, channels, patch };
        let name = format!("[{blocks}, {samples}, {height}, {width}, {channels}] by {patch}");
        let values = |values| Input(blocks, op.len() + 1, values);
        let inputs = [values(Values::Poison), values(Values::Normal)];
        // Values are copied.
        parity.compare(format!("patches forward {name}"), 0.0, &inputs, |b| op.forward(&b[0], &b[1]))?;
        parity.compare(format!("patches backward {name}"), 0.0, &inputs, |b| op.backward(&b[0], &b[1]))?;
    }
    Ok(())
}
