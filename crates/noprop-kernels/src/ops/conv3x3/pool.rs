//! ReLU and pooling of a stage, forward and backward.

use super::Dims;
use crate::ops::multiply::{Multiply, Vector};
use crate::ops::profile;
use crate::ops::simd::vectorize;
use crate::ops::tile::{load, panel};
use crate::tensor::Real;
use pulp::Simd;
use std::ops::Range;

/// Pools two rows of the convolution `[2, conv width, cout]`, both behind the ReLU, to one row of values and winners
/// `[out width, cout]`.
#[inline(always)]
pub fn pool_rows<T: Real>(d: &Dims, values: &mut [T], winners: &mut [T], rows: &[T]) {
    let _time = profile::enter("pool-forward");
    let k = d.cout;
    let (upper, lower) = rows.split_at(d.conv_width() * k);
    let windows = upper.chunks_exact(2 * k).zip(lower.chunks_exact(2 * k));
    let out = values.chunks_exact_mut(k).zip(winners.chunks_exact_mut(k));
    for ((upper, lower), (values, winners)) in windows.zip(out) {
        let ((a, b), (c, d)) = (upper.split_at(k), lower.split_at(k));
        let (b, d, values, winners) = (&b[..k], &d[..k], &mut values[..k], &mut winners[..k]);
        for i in 0..k {
            (values[i], winners[i]) = first_maximum([a[i], b[i], c[i], d[i]]);
        }
    }
}

/// The maximum of a window and its place, the first of equals.
#[inline(always)]
pub fn first_maximum<T: Real>([a, b, c, d]: [T; 4]) -> (T, T) {
    let (zero, one) = (T::zero(), T::one());
    let two = one + one;
    let (upper, in_upper) = if b > a { (b, one) } else { (a, zero) };
    let (lower, in_lower) = if d > c { (d, two + one) } else { (c, two) };
    if lower > upper { (lower, in_lower) } else { (upper, in_upper) }
}

/// What the gradient of the convolution's output follows from, of a whole batch.
#[derive(Clone, Copy)]
pub struct Gradient<'a, T> {
    pub dims: Dims,
    /// Gradient of y, y itself and its winners, each `[samples, out height, out width, cout]`.
    pub dy: &'a [T],
    pub y: &'a [T],
    pub winners: &'a [T],
    /// Factor of the values that dropout kept.
    pub scale: T,
}

impl<'a, T: Real> Gradient<'a, T> {
    /// The same as `f32`, if it is.
    pub fn f32s(&self) -> Option<Gradient<'a, f32>> {
        let scale = T::f32s(std::slice::from_ref(&self.scale))?[0];
        let (dy, y, winners) = (T::f32s(self.dy)?, T::f32s(self.y)?, T::f32s(self.winners)?);
        Some(Gradient { dims: self.dims, dy, y, winners, scale })
    }

    /// The same of some samples.
    pub fn of_samples(&self, samples: Range<usize>) -> Self {
        let range = samples.start * self.dims.output()..samples.end * self.dims.output();
        let winners = if self.winners.is_empty() { self.winners } else { &self.winners[range.clone()] };
        Self { dy: &self.dy[range.clone()], y: &self.y[range], winners, ..*self }
    }

    /// The gradient behind ReLU and dropout.
    #[inline(always)]
    fn masked(&self, dy: T, y: T) -> T {
        if y > T::zero() { dy * self.scale } else { T::zero() }
    }

    /// Gradient of the convolution's output of one sample, `[conv height, conv width, cout]`.
    #[inline(always)]
    pub fn of_sample(&self, sample: usize, da: &mut [T]) {
        let _time = profile::enter("pool-backward");
        let (d, k) = (&self.dims, self.dims.cout);
        let part = sample * d.output()..(sample + 1) * d.output();
        let (dy, y) = (&self.dy[part.clone()], &self.y[part.clone()]);
        if !d.pool {
            for ((da, dy), y) in da.iter_mut().zip(dy).zip(y) {
                *da = self.masked(*dy, *y);
            }
            return;
        }
        let (zero, one) = (T::zero(), T::one());
        let row = d.out_width() * k;
        let sources = dy.chunks_exact(row).zip(y.chunks_exact(row)).zip(self.winners[part].chunks_exact(row));
        for (da, ((dy, y), winners)) in da.chunks_exact_mut(4 * row).zip(sources) {
            let (upper, lower) = da.split_at_mut(2 * row);
            let windows = upper.chunks_exact_mut(2 * k).zip(lower.chunks_exact_mut(2 * k));
            let sources = dy.chunks_exact(k).zip(y.chunks_exact(k)).zip(winners.chunks_exact(k));
            for ((upper, lower), ((dy, y), winners)) in windows.zip(sources) {
                let ((a, b), (c, d)) = (upper.split_at_mut(k), lower.split_at_mut(k));
                // Slices of one length, so that the loop below needs no checks.
                let (c, d, dy, y, winners) = (&mut c[..k], &mut d[..k], &dy[..k], &y[..k], &winners[..k]);
                for i in 0..k {
                    let value = self.masked(dy[i], y[i]);
                    let at = |place: T| if winners[i] == place { value } else { zero };
                    (a[i], b[i], c[i], d[i]) = (at(zero), at(one), at(one + one), at(one + one + one));
                }
            }
        }
    }

    /// The same of all samples, for the reference.
    pub fn of_batch(&self) -> Vec<T> {
        let samples = self.y.len() / self.dims.output();
        let mut da = vec![T::zero(); samples * self.dims.convolved()];
        for (sample, da) in da.chunks_exact_mut(self.dims.convolved()).enumerate() {
            self.of_sample(sample, da);
        }
        da
    }
}

impl<'a> Gradient<'a, f32> {
    /// What it is read from.
    #[inline(always)]
    pub fn tensors(&self) -> [&'a [f32]; 3] {
        [self.dy, self.y, self.winners]
    }

    /// A vector of the gradient behind ReLU and dropout, from value `at` of y on.
    #[inline(always)]
    pub fn vector<M: Multiply>(&self, m: M, at: usize) -> Vector<M> {
        let (s, lanes) = (m.simd(), panel::<M>() / 2);
        assert!(self.dy.len() >= at + lanes && self.y.len() >= at + lanes);
        // SAFETY: asserted above.
        let (dy, y) = unsafe { (load::<M>(self.dy.as_ptr().add(at)), load::<M>(self.y.as_ptr().add(at))) };
        let zero = s.splat_f32s(0.0);
        s.select_f32s(s.greater_than_f32s(y, zero), s.mul_f32s(dy, s.splat_f32s(self.scale)), zero)
    }

    /// Vectors of the gradients of the four values of windows, which is 0 for all but the winner, from value `at` of y on.
    #[inline(always)]
    pub fn window<M: Multiply>(&self, m: M, at: usize) -> [[Vector<M>; 2]; 2] {
        let (s, value) = (m.simd(), self.vector(m, at));
        assert!(self.winners.len() >= at + panel::<M>() / 2);
        // SAFETY: asserted above.
        let winner = unsafe { load::<M>(self.winners.as_ptr().add(at)) };
        let zero = s.splat_f32s(0.0);
        let mut window = [[zero; 2]; 2];
        for row in 0..2 {
            for column in 0..2 {
                let is_winner = s.equal_f32s(winner, s.splat_f32s((2 * row + column) as f32));
                window[row][column] = s.select_f32s(is_winner, value, zero);
            }
        }
        window
    }
}

/// db[o] = Σ of the gradient of the convolution's output over samples and pixels, in order.
pub fn sum<T: Real>(gradient: &Gradient<'_, T>, db: &mut [T]) {
    vectorize(
        #[inline(always)]
        || {
            db.fill(T::zero());
            let rows = gradient.dy.chunks_exact(db.len()).zip(gradient.y.chunks_exact(db.len()));
            for (dy, y) in rows {
                for ((db, dy), y) in db.iter_mut().zip(dy).zip(y) {
                    *db += gradient.masked(*dy, *y);
                }
            }
        },
    );
}
