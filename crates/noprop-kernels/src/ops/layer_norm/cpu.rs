//! The same with running sums side by side, compiled for the processor's vectors.

use super::EPSILON;
use super::reference::Scaling;
use crate::ops::simd::vectorize;
use crate::ops::sums::sum;

/// See [`super::reference::statistics`].
pub fn statistics(width: usize, statistics: &mut [f32], x: &[f32]) {
    vectorize(
        #[inline(always)]
        || {
            let share = 1.0 / width as f32;
            for (to, x) in statistics.chunks_exact_mut(2).zip(x.chunks_exact(width)) {
                let mean = share
                    * sum(
                        [x],
                        #[inline(always)]
                        |[x]| x,
                    );
                let variance = share
                    * sum(
                        [x],
                        #[inline(always)]
                        |[x]| (x - mean) * (x - mean),
                    );
                to[0] = mean;
                to[1] = 1.0 / (variance + EPSILON as f32).sqrt();
            }
        },
    );
}

/// See [`super::reference::normalise`].
pub fn normalise(width: usize, y: &mut [f32], x: &[f32], statistics: &[f32], scaling: Option<Scaling<'_, f32>>) {
    vectorize(
        #[inline(always)]
        || {
            let rows = y.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(statistics.chunks_exact(2));
            for (row, ((y, x), statistics)) in rows.enumerate() {
                let (mean, inverse) = (statistics[0], statistics[1]);
                let Some(scaling) = scaling else {
                    for (y, x) in y.iter_mut().zip(x) {
                        *y = (*x - mean) * inverse;
                    }
                    continue;
                };
                let ([scale, shift], base) = (scaling.of(row, width), scaling.base);
                for (((y, x), scale), shift) in y.iter_mut().zip(x).zip(scale).zip(shift) {
                    *y = (*x - mean) * inverse * (base + *scale) + *shift;
                }
            }
        },
    );
}

/// See [`super::reference::backward_data`].
pub fn backward_data(
    width: usize,
    dx: &mut [f32],
    [dy, x, statistics]: [&[f32]; 3],
    scaling: Option<Scaling<'_, f32>>,
) {
    vectorize(
        #[inline(always)]
        || {
            let share = 1.0 / width as f32;
            let rows = dx.chunks_exact_mut(width).zip(dy.chunks_exact(width)).zip(x.chunks_exact(width));
            for (row, (((dx, dy), x), statistics)) in rows.zip(statistics.chunks_exact(2)).enumerate() {
                let (mean, inverse) = (statistics[0], statistics[1]);
                // dx holds dy · (base + scale) until it is known.
                match scaling {
                    None => dx.copy_from_slice(dy),
                    Some(scaling) => {
                        let ([scale, _], base) = (scaling.of(row, width), scaling.base);
                        for ((dx, dy), scale) in dx.iter_mut().zip(dy).zip(scale) {
                            *dx = *dy * (base + *scale);
                        }
                    }
                }
                let mean_gradient = share
                    * sum(
                        [dx],
                        #[inline(always)]
                        |[g]| g,
                    );
                let inner = share
                    * sum(
                        [dx, x],
                        #[inline(always)]
                        |[g, x]| g * ((x - mean) * inverse),
                    );
                for (dx, x) in dx.iter_mut().zip(x) {
                    *dx = inverse * (*dx - mean_gradient - (*x - mean) * inverse * inner);
                }
            }
        },
    );
}
