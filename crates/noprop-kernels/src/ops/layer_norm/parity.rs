//! The kernels against the reference.

use super::{Affine, LayerNorm, ModulatedNorm};
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;
use crate::tensor::Slot;

/// Sums of up to 130 terms of size 1 in f32 are off by less than 130 · 2^-24 = 8e-6, mostly by a tenth of it; mean, deviation
/// and gradient multiply a few of them.
const TOLERANCE: f64 = 1e-5;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    // Rows of less than a warp, of one, and of more; less than a block of threads of rows, and more.
    for (blocks, rows, width, affine) in
        [(1, 1, 2, true), (3, 5, 33, false), (3, 130, 5, true), (10, 6, 40, true), (1, 9, 100, true)]
    {
        let slot = |offset| Slot { offset, len: width };
        let affine = affine.then(|| Affine { weight: slot(width + 1), bias: slot(1) });
        let op = LayerNorm { rows, width, affine };
        let name = format!("[{blocks}, {rows}, {width}]{}", if affine.is_some() { "" } else { " without parameters" });
        // Buffers have room for one row more.
        let activations = |values| Input(blocks, (rows + 1) * width, values);
        let statistics = |values| Input(blocks, 2 * rows + 1, values);
        let flat = |values| Input(blocks, 2 * width + 2, values);
        let inputs = [
            activations(Values::Poison),
            statistics(Values::Poison),
            activations(Values::Normal),
            flat(Values::Normal),
        ];
        parity.compare(format!("layer norm, forward {name}"), TOLERANCE, &inputs, |b| {
            op.forward([&b[0], &b[1]], &b[2], &b[3])
        })?;
        let inputs = [
            activations(Values::Poison),
            activations(Values::Normal),
            activations(Values::Normal),
            statistics(Values::Positive),
            flat(Values::Normal),
            flat(Values::Poison),
        ];
        parity.compare(format!("layer norm, backward {name}"), TOLERANCE, &inputs, |b| {
            op.backward_weights(&b[5], [&b[1], &b[2], &b[3]])?;
            op.backward_data(&b[0], [&b[1], &b[2], &b[3], &b[4]])
        })?;
    }
    for (blocks, samples, tokens, width) in [(1, 1, 1, 2), (3, 4, 17, 33), (10, 2, 5, 40)] {
        let rows = samples * tokens;
        let op = ModulatedNorm { rows, width, tokens };
        let name = format!("[{blocks}, {samples}, {tokens}, {width}]");
        let activations = |values| Input(blocks, (rows + 1) * width, values);
        let statistics = |values| Input(blocks, 2 * rows + 1, values);
        let modulation = |values| Input(blocks, 2 * samples * width + 1, values);
        let inputs = [
            activations(Values::Poison),
            statistics(Values::Poison),
            activations(Values::Normal),
            modulation(Values::Normal),
        ];
        parity.compare(format!("modulated norm, forward {name}"), TOLERANCE, &inputs, |b| {
            op.forward([&b[0], &b[1]], &b[2], &b[3])
        })?;
        let inputs = [
            activations(Values::Poison),
            activations(Values::Normal),
            activations(Values::Normal),
            statistics(Values::Positive),
            modulation(Values::Normal),
            modulation(Values::Poison),
        ];
        parity.compare(format!("modulated norm, backward {name}"), TOLERANCE, &inputs, |b| {
            op.backward_modulation(&b[5], [&b[1], &b[2], &b[3]])?;
            op.backward_data(&b[0], [&b[1], &b[2], &b[3], &b[4]])
        })?;
    }
    Ok(())
}
