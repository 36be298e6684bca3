//! The reference loops, compiled for the processor's vectors: rows are contiguous, so they vectorise over the width.
//!
//! Sums over very many rows, the pixels of a batch of images, are made of parts: each goes through the caches once, and a sum
//! of some hundred thousand values does not lose the small ones.

use super::reference;
use crate::ops::scratch;
use crate::ops::simd::vectorize;

/// Rows from which on sums are made of parts.
const MANY: usize = 4096;
/// Rows of a part.
const PART: usize = 256;

/// See [`reference::statistics`].
pub fn statistics(mean: &mut [f32], variance: &mut [f32], x: &[f32]) {
    let width = mean.len();
    if x.len() <= MANY * width {
        vectorize(
            #[inline(always)]
            || reference::statistics(mean, variance, x),
        );
        return;
    }
    let mut scratch = scratch::take(2 * width);
    let (part_mean, part_variance) = scratch.split_at_mut(width);
    vectorize(
        #[inline(always)]
        || {
            mean.fill(0.0);
            variance.fill(0.0);
            let mut rows = 0.0;
            for part in x.chunks(PART * width) {
                reference::statistics(part_mean, part_variance, part);
                // Chan, Golub & LeVeque 1979: means and sums of squares of two parts together.
                let of_part = (part.len() / width) as f32;
                let (share, cross) = (of_part / (rows + of_part), rows * of_part / (rows + of_part));
                rows += of_part;
                for i in 0..width {
                    let difference = part_mean[i] - mean[i];
                    mean[i] += share * difference;
                    variance[i] += of_part * part_variance[i] + cross * difference * difference;
                }
            }
            variance.iter_mut().for_each(|variance| *variance /= rows);
        },
    );
}

/// See [`reference::normalise`]; the third source is the variance.
pub fn normalise(relu: bool, y: &mut [f32], [x, mean, variance, weight, bias]: [&[f32]; 5]) {
    let mut inverse = scratch::take(mean.len());
    vectorize(
        #[inline(always)]
        || {
            reference::inverse_deviations(&mut inverse, variance);
            reference::normalise(relu, y, [x, mean, &inverse, weight, bias]);
        },
    );
}

/// See [`reference::backward_weights`]; the last source is the variance.
pub fn backward_weights(relu: bool, weight: &mut [f32], bias: &mut [f32], [dy, y, x, mean, variance]: [&[f32]; 5]) {
    let width = mean.len();
    let mut scratch = scratch::take(3 * width);
    let (inverse, parts) = scratch.split_at_mut(width);
    let (part_weight, part_bias) = parts.split_at_mut(width);
    vectorize(
        #[inline(always)]
        || {
            reference::inverse_deviations(inverse, variance);
            if x.len() <= MANY * width {
                reference::backward_weights(relu, weight, bias, [dy, y, x, mean, inverse]);
                return;
            }
            weight.fill(0.0);
            bias.fill(0.0);
            let parts = dy.chunks(PART * width).zip(y.chunks(PART * width)).zip(x.chunks(PART * width));
            for ((dy, y), x) in parts {
                reference::backward_weights(relu, part_weight, part_bias, [dy, y, x, mean, inverse]);
                for i in 0..width {
                    weight[i] += part_weight[i];
                    bias[i] += part_bias[i];
                }
            }
        },
    );
}

/// See [`reference::backward_data`]; the fifth source is the variance.
pub fn backward_data(relu: bool, dx: &mut [f32], [dy, y, x, mean, variance, weight, dw, db]: [&[f32]; 8]) {
    let mut inverse = scratch::take(mean.len());
    vectorize(
        #[inline(always)]
        || {
            reference::inverse_deviations(&mut inverse, variance);
            reference::backward_data(relu, dx, [dy, y, x, mean, &inverse, weight, dw, db]);
        },
    );
}
