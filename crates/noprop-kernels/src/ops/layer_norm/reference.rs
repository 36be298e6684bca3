//! The definition, in plain loops over rows.

use super::EPSILON;
use crate::tensor::Real;

/// What normalised rows are multiplied and moved by: y = x̂ · (base + scale) + shift.
#[derive(Clone, Copy)]
pub struct Scaling<'a, T> {
    /// Those of the first rows.
    pub scale: &'a [T],
    /// Those of the first rows.
    pub shift: &'a [T],
    /// 0, or 1.
    pub base: T,
    /// Values from one scale to the next.
    pub stride: usize,
    /// Rows that share one.
    pub rows_each: usize,
}

impl<'a, T: Real> Scaling<'a, T> {
    /// Scale and shift of a row.
    #[inline(always)]
    pub fn of(&self, row: usize, width: usize) -> [&'a [T]; 2] {
        let at = row / self.rows_each * self.stride;
        [&self.scale[at..at + width], &self.shift[at..at + width]]
    }

    /// The same as `f32`, if it is.
    pub fn f32s(&self) -> Option<Scaling<'a, f32>> {
        let (scale, shift) = (T::f32s(self.scale)?, T::f32s(self.shift)?);
        let base = self.base.to_f32()?;
        Some(Scaling { scale, shift, base, stride: self.stride, rows_each: self.rows_each })
    }
}

/// mean = Σ_i x / n;  inverse = 1 / √(Σ_i (x − mean)² / n + ε)
pub fn statistics<T: Real>(width: usize, statistics: &mut [T], x: &[T]) {
    let n = T::of(width as f64);
    for (to, x) in statistics.chunks_exact_mut(2).zip(x.chunks_exact(width)) {
        let mut sum = T::zero();
        for x in x {
            sum += *x;
        }
        let mean = sum / n;
        let mut squares = T::zero();
        for x in x {
            squares += (*x - mean) * (*x - mean);
        }
        to[0] = mean;
        to[1] = T::one() / (squares / n + T::of(EPSILON)).sqrt();
    }
}

/// y = (x − mean) · inverse · (base + scale) + shift
pub fn normalise<T: Real>(width: usize, y: &mut [T], x: &[T], statistics: &[T], scaling: Option<Scaling<'_, T>>) {
    let rows = y.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(statistics.chunks_exact(2));
    for (row, ((y, x), statistics)) in rows.enumerate() {
        for i in 0..width {
            let normal = (x[i] - statistics[0]) * statistics[1];
            y[i] = scaling.map_or(normal, |scaling| {
                let [scale, shift] = scaling.of(row, width);
                normal * (scaling.base + scale[i]) + shift[i]
            });
        }
    }
}

/// dx = inverse · (g − Σ_i g / n − x̂ · Σ_i g · x̂ / n), where g = dy · (base + scale)
pub fn backward_data<T: Real>(
    width: usize,
    dx: &mut [T],
    [dy, x, statistics]: [&[T]; 3],
    scaling: Option<Scaling<'_, T>>,
) {
    let n = T::of(width as f64);
    for row in 0..dx.len() / width {
        let at = row * width;
        let (mean, inverse) = (statistics[2 * row], statistics[2 * row + 1]);
        let normal = |i: usize| (x[at + i] - mean) * inverse;
        let gradient = |i: usize| {
            let factor = scaling.map_or(T::one(), |scaling| scaling.base + scaling.of(row, width)[0][i]);
            dy[at + i] * factor
        };
        let (mut sum, mut inner) = (T::zero(), T::zero());
        for i in 0..width {
            sum += gradient(i);
            inner += gradient(i) * normal(i);
        }
        for i in 0..width {
            dx[at + i] = inverse * (gradient(i) - sum / n - normal(i) * (inner / n));
        }
    }
}

/// d scale = Σ_rows dy · x̂;  d shift = Σ_rows dy, in the order of the rows, of the columns from `first` on
#[inline(always)]
pub fn backward_scaling<T: Real>(
    (width, first): (usize, usize),
    scale: &mut [T],
    shift: &mut [T],
    [dy, x, statistics]: [&[T]; 3],
) {
    let columns = scale.len();
    let shift = &mut shift[..columns];
    scale.fill(T::zero());
    shift.fill(T::zero());
    let rows = dy.chunks_exact(width).zip(x.chunks_exact(width)).zip(statistics.chunks_exact(2));
    for ((dy, x), statistics) in rows {
        let (mean, inverse) = (statistics[0], statistics[1]);
        let (dy, x) = (&dy[first..first + columns], &x[first..first + columns]);
        for i in 0..columns {
            scale[i] += dy[i] * ((x[i] - mean) * inverse);
            shift[i] += dy[i];
        }
    }
}
