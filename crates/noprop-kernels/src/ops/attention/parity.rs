//! The kernels against the reference.

use super::Attention;
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;

/// Sums of up to 65 terms in f32 are off by less than 65 · 2^-24 = 4e-6 of the greatest, mostly by a tenth of it; the scores'
/// error is that of a probability, of which two more sums are made.
const TOLERANCE: f64 = 1e-5;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    // One token; less than a warp of tokens, one, and more; heads of one value, and of an odd number.
    for (blocks, samples, tokens, width, heads) in
        [(1, 1, 1, 1, 1), (3, 2, 5, 6, 2), (10, 1, 7, 12, 3), (1, 2, 32, 16, 1), (3, 1, 65, 14, 2), (1, 3, 2, 4, 4)]
    {
        let op = Attention { samples, tokens, width, heads };
        let name = format!("[{blocks}, {samples}, {tokens}, {width}] of {heads} heads");
        let qkv = |values| Input(blocks, 3 * op.out_len() + 1, values);
        let out = |values| Input(blocks, op.out_len() + 1, values);
        let probabilities = |values| Input(blocks, op.probabilities_len() + 1, values);
        let inputs = [out(Values::Poison), probabilities(Values::Poison), qkv(Values::Normal)];
        parity
            .compare(format!("attention forward {name}"), TOLERANCE, &inputs, |b| op.forward([&b[0], &b[1]], &b[2]))?;
        // These probabilities do not sum to 1, so their gradient is as large as the number of tokens.
        let inputs = [qkv(Values::Poison), out(Values::Normal), qkv(Values::Normal), probabilities(Values::Positive)];
        parity.compare(format!("attention backward {name}"), TOLERANCE, &inputs, |b| {
            op.backward(&b[0], [&b[1], &b[2], &b[3]])
        })?;
    }
    // Scores whose exponentials overflow.
    let op = Attention { samples: 2, tokens: 3, width: 4, heads: 2 };
    let large: Vec<f64> = (0..72).map(|i| 10.0 * f64::from(i % 7)).collect();
    let inputs = [Input(3, 24, Values::Poison), Input(3, 36, Values::Poison), Input(3, 72, Values::Given(large))];
    parity.compare("attention forward [3, 2, 3, 4] of great scores", TOLERANCE, &inputs, |b| {
        op.forward([&b[0], &b[1]], &b[2])
    })
}
