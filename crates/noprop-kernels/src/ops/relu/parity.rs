//! The kernels against the reference.

use super::Relu;
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;

/// Values are copied, or multiplied once: one rounding to f32.
const TOLERANCE: f64 = 1e-7;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    for (blocks, len) in [(1, 1), (3, 257), (10, 1000)] {
        let input = |values| Input(blocks, len + 2, values);
        let name = format!("[{blocks}, {len}]");
        let relu = Relu { len };
        parity.compare(format!("relu forward {name}"), TOLERANCE, &[input(Values::Sparse)], |b| relu.forward(&b[0]))?;
        let inputs = [input(Values::Normal), input(Values::Sparse)];
        parity.compare(format!("relu backward {name}"), TOLERANCE, &inputs, |b| relu.backward(&b[0], &b[1], 1.25))?;
    }
    Ok(())
}
