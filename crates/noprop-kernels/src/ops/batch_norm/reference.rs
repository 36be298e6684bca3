//! The definition, in plain loops over rows.

use super::{EPSILON, MOMENTUM};
use crate::tensor::Real;

/// mean = Σ_b x / n;  variance = Σ_b (x − mean)² / n, of the columns from `first` on
#[inline(always)]
pub fn statistics<T: Real>((width, first): (usize, usize), mean: &mut [T], variance: &mut [T], x: &[T]) {
    let n = T::of((x.len() / width) as f64);
    mean.fill(T::zero());
    variance.fill(T::zero());
    for row in x.chunks_exact(width) {
        for (mean, x) in mean.iter_mut().zip(&row[first..]) {
            *mean += *x;
        }
    }
    mean.iter_mut().for_each(|mean| *mean /= n);
    for row in x.chunks_exact(width) {
        for ((variance, mean), x) in variance.iter_mut().zip(&*mean).zip(&row[first..]) {
            let centred = *x - *mean;
            *variance += centred * centred;
        }
    }
    variance.iter_mut().for_each(|variance| *variance /= n);
}

/// running ← (1 − momentum) running + momentum · factor · batch
pub fn update_running<T: Real>(running: &mut [T], batch: &[T], factor: T) {
    let momentum = T::of(MOMENTUM);
    for (running, batch) in running.iter_mut().zip(batch) {
        *running = (T::one() - momentum) * *running + momentum * factor * *batch;
    }
}

/// 1 / √(variance + ε) of each column
#[inline(always)]
pub fn inverse_deviations<T: Real>(inverse: &mut [T], variance: &[T]) {
    for (inverse, variance) in inverse.iter_mut().zip(variance) {
        *inverse = T::one() / (*variance + T::of(EPSILON)).sqrt();
    }
}

/// y = γ (x − mean) / √(variance + ε) + β, given the inverse deviations, then max(y, 0) if `relu`
#[inline(always)]
pub fn normalise<T: Real>(relu: bool, y: &mut [T], [x, mean, inverse, weight, bias]: [&[T]; 5]) {
    let width = mean.len();
    // Slices of one length, so that the loop below needs no checks.
    let [inverse, weight, bias] = [inverse, weight, bias].map(|column| &column[..width]);
    let floor = if relu { T::zero() } else { T::neg_infinity() };
    for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
        for i in 0..width {
            let value = weight[i] * ((x[i] - mean[i]) * inverse[i]) + bias[i];
            y[i] = if value > floor { value } else { floor };
        }
    }
}

/// dβ = Σ_b dy;  dγ = Σ_b dy · x̂, where dy counts only where y > 0 if `relu`; given the inverse deviations. Of the columns from
/// `first` on
#[inline(always)]
pub fn backward_weights<T: Real>(
    (relu, first): (bool, usize),
    weight: &mut [T],
    bias: &mut [T],
    [dy, y, x, mean, inverse]: [&[T]; 5],
) {
    let (width, columns) = (mean.len(), weight.len());
    let (mean, inverse) = (&mean[first..first + columns], &inverse[first..first + columns]);
    let bias = &mut bias[..columns];
    weight.fill(T::zero());
    bias.fill(T::zero());
    for ((dy, y), x) in dy.chunks_exact(width).zip(y.chunks_exact(width)).zip(x.chunks_exact(width)) {
        let [dy, y, x] = [dy, y, x].map(|row| &row[first..first + columns]);
        for i in 0..columns {
            let dy = if !relu || y[i] > T::zero() { dy[i] } else { T::zero() };
            bias[i] += dy;
            weight[i] += dy * ((x[i] - mean[i]) * inverse[i]);
        }
    }
}

/// dx = γ / √(variance + ε) · (dy − dβ / n − x̂ · dγ / n) of some of the n rows, given the inverse deviations
#[inline(always)]
pub fn backward_data<T: Real>(
    (relu, n): (bool, usize),
    dx: &mut [T],
    [dy, y, x, mean, inverse, weight, dw, db]: [&[T]; 8],
) {
    let width = mean.len();
    let [inverse, weight, dw, db] = [inverse, weight, dw, db].map(|column| &column[..width]);
    let share = T::one() / T::of(n as f64);
    let rows = dx.chunks_exact_mut(width).zip(dy.chunks_exact(width));
    for (((dx, dy), y), x) in rows.zip(y.chunks_exact(width)).zip(x.chunks_exact(width)) {
        for i in 0..width {
            let dy = if !relu || y[i] > T::zero() { dy[i] } else { T::zero() };
            let normal = (x[i] - mean[i]) * inverse[i];
            dx[i] = weight[i] * inverse[i] * (dy - share * db[i] - normal * share * dw[i]);
        }
    }
}
