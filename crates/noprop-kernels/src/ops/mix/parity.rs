//! The kernels against the reference.

use super::Mix;
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;
use crate::tensor::Slot;

/// An exponential, a division and a sum of up to 1,000 products, which 256 threads add by a tree after at most 4 each.
const TOLERANCE: f64 = 2e-6;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    for (blocks, len) in [(1, 1), (3, 257), (10, 1000)] {
        let op = Mix { len, slot: Slot { offset: 2, len: 1 } };
        let name = format!("[{blocks}, {len}]");
        let normal = |more| Input(blocks, len + more, Values::Normal);
        let (poison, state) = (Input(blocks, len + 2, Values::Poison), Input(blocks, 9, Values::Normal));
        let inputs = [poison, normal(1), normal(0), state];
        parity.compare(format!("mix {name}"), TOLERANCE, &inputs, |b| op.forward(&b[0], &b[1], &b[2], &b[3]))?;
        for of_estimate in [false, true] {
            let kind = if of_estimate { "estimate" } else { "state" };
            let inputs = [Input(blocks, len + 2, Values::Poison), normal(1), Input(blocks, 9, Values::Normal)];
            parity.compare(format!("mix, gradient of the {kind} {name}"), TOLERANCE, &inputs, |b| {
                op.backward(&b[0], &b[1], &b[2], of_estimate)
            })?;
        }
        let inputs =
            [Input(blocks, 5, Values::Poison), normal(0), normal(1), normal(0), Input(blocks, 9, Values::Normal)];
        parity.compare(format!("mix, gradient of the share {name}"), TOLERANCE, &inputs, |b| {
            op.backward_share(&b[0], &b[1], &b[2], &b[3], &b[4])
        })?;
    }
    Ok(())
}
