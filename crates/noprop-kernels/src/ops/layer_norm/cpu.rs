//! The same with sums in vectors.

use super::EPSILON;
use super::reference::Scaling;
use crate::ops::simd::{dispatch, vectorize};
use crate::ops::sums::sum;
use pulp::{Simd, WithSimd};

/// See [`super::reference::statistics`].
pub fn statistics(width: usize, statistics: &mut [f32], x: &[f32]) {
    dispatch(Statistics { width, statistics, x });
}

struct Statistics<'a> {
    width: usize,
    statistics: &'a mut [f32],
    x: &'a [f32],
}

impl WithSimd for Statistics<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { width, statistics, x } = self;
        let share = 1.0 / width as f32;
        for (to, x) in statistics.chunks_exact_mut(2).zip(x.chunks_exact(width)) {
            let total = sum(
                s,
                [x],
                #[inline(always)]
                |[x]| x,
            );
            let mean = s.splat_f32s(share * total);
            let squares = sum(
                s,
                [x],
                #[inline(always)]
                |[x]| {
                    let centred = s.sub_f32s(x, mean);
                    s.mul_f32s(centred, centred)
                },
            );
            to[0] = share * total;
            to[1] = 1.0 / (share * squares + EPSILON as f32).sqrt();
        }
    }
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
pub fn backward_data(width: usize, dx: &mut [f32], sources: [&[f32]; 3], scaling: Option<Scaling<'_, f32>>) {
    dispatch(BackwardData { width, dx, sources, scaling });
}

struct BackwardData<'a> {
    width: usize,
    dx: &'a mut [f32],
    /// dy, x and the statistics.
    sources: [&'a [f32]; 3],
    scaling: Option<Scaling<'a, f32>>,
}

impl WithSimd for BackwardData<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { width, dx, sources: [dy, x, statistics], scaling } = self;
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
            let gradient = share
                * sum(
                    s,
                    [dx],
                    #[inline(always)]
                    |[g]| g,
                );
            let means = s.splat_f32s(mean);
            let inner = sum(
                s,
                [dx, x],
                #[inline(always)]
                |[g, x]| s.mul_f32s(g, s.sub_f32s(x, means)),
            );
            let slope = share * inner * inverse * inverse;
            for (dx, x) in dx.iter_mut().zip(x) {
                *dx = inverse * (*dx - gradient - (*x - mean) * slope);
            }
        }
    }
}
