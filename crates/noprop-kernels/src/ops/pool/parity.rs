//! The kernels against the reference.

use super::{GlobalMean, Kind, Pool};
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;

/// Values are copied, or sums of four bf16 values, which f32 holds but for one rounding.
const TOLERANCE: f64 = 1e-7;
/// Sums of up to 65 terms of size 1 in f32 are off by less than 65 · 2^-24 = 4e-6.
const OF_SUMS: f64 = 4e-6;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    for kind in [Kind::Max, Kind::Mean] {
        // One window; odd rows and columns; more than a block of threads; an image without a window.
        for (blocks, samples, height, width, channels) in
            [(1, 1, 2, 2, 1), (3, 2, 5, 7, 3), (10, 3, 4, 6, 33), (1, 2, 1, 4, 2)]
        {
            let op = Pool { kind, samples, height, width, channels };
            let name = format!("{kind:?} [{blocks}, {samples}, {height}, {width}, {channels}]");
            let image = |values| Input(blocks, op.input_len() + 1, values);
            let pooled = |values| Input(blocks, op.output_len() + 1, values);
            // Every third value is 0, so that some windows have equal values; y is that of x.
            let inputs = [pooled(Values::Poison), image(Values::Sparse), image(Values::Poison), pooled(Values::Normal)];
            parity.compare(format!("pool {name}"), TOLERANCE, &inputs, |b| {
                op.forward(&b[0], &b[1])?;
                op.backward(&b[2], [&b[3], &b[1], &b[0]])
            })?;
        }
    }
    for (blocks, samples, positions, channels) in [(1, 1, 1, 1), (3, 4, 65, 33), (10, 3, 7, 100)] {
        let op = GlobalMean { samples, positions, channels };
        let name = format!("[{blocks}, {samples}, {positions}, {channels}]");
        let x = |values| Input(blocks, samples * positions * channels + 1, values);
        let y = |values| Input(blocks, samples * channels + 1, values);
        let inputs = [y(Values::Poison), x(Values::Normal)];
        parity.compare(format!("global mean forward {name}"), OF_SUMS, &inputs, |b| op.forward(&b[0], &b[1]))?;
        let inputs = [x(Values::Poison), y(Values::Normal)];
        parity.compare(format!("global mean backward {name}"), 2e-7, &inputs, |b| op.backward(&b[0], &b[1]))?;
    }
    Ok(())
}
