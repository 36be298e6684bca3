//! The kernels against the reference.

use super::{Activation, Kind};
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;

/// The argument of the exponential is up to 30, so its rounding to f32 is 2e-6 of the result, which is small there; the values
/// themselves are off by a few units of the last place.
const TOLERANCE: f64 = 2e-6;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    for (kind, blocks, len) in [
        (Kind::Gelu, 1, 1),
        (Kind::Gelu, 3, 257),
        (Kind::Gelu, 10, 1000),
        (Kind::Silu, 1, 256),
        (Kind::Silu, 3, 300),
        (Kind::Silu, 10, 7),
    ] {
        let op = Activation { kind, len };
        let name = format!("{kind:?} [{blocks}, {len}]");
        let input = |values| Input(blocks, len + 2, values);
        let inputs = [input(Values::Poison), input(Values::Normal)];
        parity.compare(format!("activation forward {name}"), TOLERANCE, &inputs, |b| op.forward(&b[0], &b[1]))?;
        let inputs = [input(Values::Poison), input(Values::Normal), input(Values::Normal)];
        parity
            .compare(format!("activation backward {name}"), TOLERANCE, &inputs, |b| op.backward(&b[0], &b[1], &b[2]))?;
        // Arguments whose exponentials overflow.
        let large: Vec<f64> = (0..len + 2).map(|i| 60.0 * (i as f64 % 7.0 - 3.0).powi(9)).collect();
        let inputs = [input(Values::Poison), input(Values::Normal), input(Values::Given(large))];
        parity.compare(format!("activation {name} of great values"), TOLERANCE, &inputs, |b| {
            op.forward(&b[0], &b[2])?;
            op.backward(&b[0], &b[1], &b[2])
        })?;
    }
    Ok(())
}
