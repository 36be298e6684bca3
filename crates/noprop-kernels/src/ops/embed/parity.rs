//! The kernels against the reference.

use super::Embed;
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;

/// Sums of up to 300 products in f32, by the greatest result.
const TOLERANCE: f64 = 2e-6;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    for (blocks, samples, classes, width) in [(1, 1, 1, 1), (3, 5, 10, 3), (10, 7, 4, 300)] {
        for is_transposed in [false, true] {
            let op = Embed { samples, classes, width, offset: 0, is_transposed };
            let (inputs, outputs) = op.sizes();
            let input = |rows, len, values| Input(rows, len, values);
            let values = [
                input(blocks, samples * outputs + 2, Values::Poison),
                input(blocks, samples * inputs + 1, Values::Normal),
                input(1, classes * width, Values::Normal),
            ];
            let kind = if is_transposed { "embed, gradient" } else { "embed" };
            parity.compare(format!("{kind} [{blocks}, {samples}, {classes}, {width}]"), TOLERANCE, &values, |b| {
                op.forward(&b[0], &b[1], &b[2])
            })?;
        }
        // Embeddings that are trained lie among other values, each block's own.
        let op = Embed { samples, classes, width, offset: 3, is_transposed: false };
        let name = format!("[{blocks}, {samples}, {classes}, {width}]");
        let normal = |len| Input(blocks, len, Values::Normal);
        let rows = 3 + classes * width + 2;
        let values = [Input(blocks, samples * width + 2, Values::Poison), normal(samples * classes), normal(rows)];
        parity.compare(format!("embed, trained {name}"), TOLERANCE, &values, |b| op.forward(&b[0], &b[1], &b[2]))?;
        for (kind, add, before) in [("first", false, Values::Poison), ("further", true, Values::Normal)] {
            let values = [Input(blocks, rows, before), normal(samples * classes + 1), normal(samples * width)];
            parity.compare(format!("embed, {kind} gradient of the rows {name}"), TOLERANCE, &values, |b| {
                op.backward_rows(&b[0], &b[1], &b[2], add)
            })?;
        }
    }
    Ok(())
}
