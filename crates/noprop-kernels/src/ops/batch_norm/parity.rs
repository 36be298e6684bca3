//! The kernels against the reference.

use super::BatchNorm;
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;
use crate::tensor::Slot;

/// Sums of up to 130 terms of size 1 in f32 are off by less than 130 · 2^-24 = 8e-6, mostly by a tenth of it; mean, deviation
/// and gradient multiply a few of them.
const TOLERANCE: f64 = 1e-5;

/// Slots `[guard | weight | bias | running mean | running variance | guard]`, not aligned to more than one value.
fn op(samples: usize, width: usize, relu: bool) -> BatchNorm {
    let slot = |place: usize| Slot { offset: 1 + place * width, len: width };
    let [weight, bias, running_mean, running_variance] = [0, 1, 2, 3].map(slot);
    BatchNorm { samples, width, weight, bias, running_mean, running_variance, relu }
}

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    // One sample; rows of threads without samples; widths around those of a block of threads.
    for (blocks, samples, width, relu) in
        [(1, 1, 1, true), (1, 7, 33, false), (3, 130, 5, true), (10, 12, 40, true), (3, 8, 64, false)]
    {
        let op = op(samples, width, relu);
        let name = format!("[{blocks}, {samples}, {width}]{}", if relu { " with ReLU" } else { "" });
        // Buffers have room for one sample more.
        let activations = |values| Input(blocks, (samples + 1) * width, values);
        let state = || Input(blocks, 4 * width + 2, Values::Positive);
        let statistics = |values| Input(blocks, 2 * width, values);

        let inputs = [activations(Values::Poison), activations(Values::Normal), statistics(Values::Poison), state()];
        parity.compare(format!("batch norm, training {name}"), TOLERANCE, &inputs, |b| {
            op.training(&b[3], [&b[0], &b[2]], &b[1])
        })?;
        let inputs = [activations(Values::Poison), activations(Values::Normal), state()];
        parity.compare(format!("batch norm, evaluation {name}"), TOLERANCE, &inputs, |b| {
            op.forward_evaluation(&b[0], &b[1], &b[2])
        })?;
        // y decides through its sign alone, so any sparse values serve.
        let inputs = [
            activations(Values::Poison),
            activations(Values::Normal),
            activations(Values::Sparse),
            activations(Values::Normal),
            statistics(Values::Positive),
            state(),
            Input(blocks, 2 * width + 2, Values::Poison),
        ];
        parity.compare(format!("batch norm, backward {name}"), TOLERANCE, &inputs, |b| {
            op.backward(&b[0], &b[6], [&b[1], &b[2], &b[3], &b[4], &b[5]])
        })?;
    }
    Ok(())
}
