//! The definition, in double precision: an angle of up to 1000 has three digits less behind the point. A handful of values a
//! sample: there is nothing to speed up.

use super::{TimeFeatures, frequency};
use crate::math;
use crate::tensor::Real;

/// y[b, i] = cos(1000 · time[b] · 10000^(−i / half)), y[b, half + i] = sin of the same
pub fn forward<T: Real>(op: &TimeFeatures, y: &mut [T], time: &[T]) {
    let half = op.width / 2;
    for i in 0..half {
        let frequency = frequency(i, half);
        let mut before = None;
        for sample in 0..op.samples {
            // At inference all samples of a batch have the same time.
            let (sine, cosine) = match before {
                Some((at, pair)) if at == time[sample] => pair,
                _ => math::sin_cos(time[sample].to_f64().unwrap_or(f64::NAN) * frequency),
            };
            before = Some((time[sample], (sine, cosine)));
            y[sample * op.width + i] = T::of(cosine);
            y[sample * op.width + half + i] = T::of(sine);
        }
    }
}
