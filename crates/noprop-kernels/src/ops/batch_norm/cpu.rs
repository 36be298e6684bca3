//! The reference loops, compiled for the processor's vectors: rows are contiguous, so they vectorise over the width.
//!
//! Sums over very many rows, the pixels of a batch of images, are made of parts: each goes through the caches once, and a sum
//! of some hundred thousand values does not lose the small ones.

use super::reference;
use crate::error::Result;
use crate::ops::scratch::{self, Scratch};
use crate::ops::simd::vectorize;
use crate::team::{Cost, share_columns, share_rows};
use std::ops::Range;

/// Rows from which on sums are made of parts.
const MANY: usize = 4096;
/// Rows of a part.
const PART: usize = 256;

/// See [`reference::statistics`].
pub fn statistics(mean: &mut [f32], variance: &mut [f32], x: &[f32]) -> Result<()> {
    let (width, cost) = (mean.len(), Cost::of_values(2 * x.len()));
    if x.len() <= MANY * width {
        return share_columns([mean, variance], cost, |first, [mean, variance]| {
            vectorize(
                #[inline(always)]
                || reference::statistics((width, first), mean, variance, x),
            );
            Ok(())
        });
    }
    let parts = of_parts((width, x.len(), cost), |rows, [mean, variance]| {
        vectorize(
            #[inline(always)]
            || reference::statistics((width, 0), mean, variance, &x[rows]),
        );
    })?;
    mean.fill(0.0);
    variance.fill(0.0);
    let mut rows = 0.0;
    for (part, of_part) in x.chunks(PART * width).zip(parts.chunks_exact(2 * width)) {
        // Chan, Golub & LeVeque 1979: means and sums of squares of two parts together.
        let of_rows = (part.len() / width) as f32;
        let (share, cross) = (of_rows / (rows + of_rows), rows * of_rows / (rows + of_rows));
        rows += of_rows;
        let (part_mean, part_variance) = of_part.split_at(width);
        for i in 0..width {
            let difference = part_mean[i] - mean[i];
            mean[i] += share * difference;
            variance[i] += of_rows * part_variance[i] + cross * difference * difference;
        }
    }
    variance.iter_mut().for_each(|variance| *variance /= rows);
    Ok(())
}

/// Two sums `[parts, 2, width]` of every part of `len` values in rows: calls work(the part's values, its sums).
fn of_parts(
    (width, len, cost): (usize, usize, Cost),
    work: impl Fn(Range<usize>, [&mut [f32]; 2]) + Sync,
) -> Result<Scratch> {
    let count = len.div_ceil(PART * width);
    let mut parts = scratch::take(count * 2 * width);
    share_rows([&mut *parts], [2 * width], (count, 1, cost), |range, [sums]| {
        for (part, sums) in range.zip(sums.chunks_exact_mut(2 * width)) {
            let values = part * PART * width..len.min((part + 1) * PART * width);
            work(values, sums.split_at_mut(width).into());
        }
        Ok(())
    })?;
    Ok(parts)
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
pub fn backward_weights(
    relu: bool,
    weight: &mut [f32],
    bias: &mut [f32],
    [dy, y, x, mean, variance]: [&[f32]; 5],
) -> Result<()> {
    let (width, cost) = (mean.len(), Cost::of_values(3 * x.len()));
    let mut inverse = scratch::take(width);
    reference::inverse_deviations(&mut inverse, variance);
    let inverse = &*inverse;
    if x.len() <= MANY * width {
        return share_columns([weight, bias], cost, |first, [weight, bias]| {
            vectorize(
                #[inline(always)]
                || reference::backward_weights((relu, first), weight, bias, [dy, y, x, mean, inverse]),
            );
            Ok(())
        });
    }
    let parts = of_parts((width, x.len(), cost), |rows, [weight, bias]| {
        let [dy, y, x] = [dy, y, x].map(|values| &values[rows.clone()]);
        vectorize(
            #[inline(always)]
            || reference::backward_weights((relu, 0), weight, bias, [dy, y, x, mean, inverse]),
        );
    })?;
    weight.fill(0.0);
    bias.fill(0.0);
    for part in parts.chunks_exact(2 * width) {
        let (part_weight, part_bias) = part.split_at(width);
        for i in 0..width {
            weight[i] += part_weight[i];
            bias[i] += part_bias[i];
        }
    }
    Ok(())
}

/// See [`reference::backward_data`]; the fifth source is the variance.
pub fn backward_data(
    (relu, n): (bool, usize),
    dx: &mut [f32],
    [dy, y, x, mean, variance, weight, dw, db]: [&[f32]; 8],
) {
    let mut inverse = scratch::take(mean.len());
    vectorize(
        #[inline(always)]
        || {
            reference::inverse_deviations(&mut inverse, variance);
            reference::backward_data((relu, n), dx, [dy, y, x, mean, &inverse, weight, dw, db]);
        },
    );
}
