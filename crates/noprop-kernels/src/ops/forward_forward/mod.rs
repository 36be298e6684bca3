//! What Forward-Forward (Hinton 2022) needs beside dense layers: samples that carry their labels, and layers that each have a loss of their own.
//!
//! A sample goes through a net as several *streams*: with the right label, with a wrong one, and last with one that says nothing.

mod cuda;
mod goodness;
mod parity;
mod streams;
#[cfg(test)]
mod tests;

pub use goodness::Goodness;
pub(crate) use parity::parity;
pub use streams::Streams;

use crate::tensor::Real;

/// The streams with the right label, and with a wrong one. The last stream is the one whose label says nothing.
const POSITIVE: usize = 0;
const NEGATIVE: usize = 1;

/// ε of a root mean square, which keeps a layer that is all 0 from being divided by 0.
pub const ROOT_EPSILON: f64 = 1e-8;

/// Sums side by side, so that a row's sum takes vectors.
const LANES: usize = 16;

/// Σ max(v, 0)², or Σ v² of all values.
#[inline(always)]
fn squares<T: Real>(row: &[T], relu: bool) -> f64 {
    let mut sums = [T::zero(); LANES];
    let (parts, rest) = row.as_chunks::<LANES>();
    let value = |v: T| if relu && v < T::zero() { T::zero() } else { v };
    for part in parts {
        for (sum, v) in sums.iter_mut().zip(part) {
            *sum += value(*v) * value(*v);
        }
    }
    let of = |v: T| v.to_f64().unwrap_or(f64::NAN);
    sums.iter().map(|sum| of(*sum)).sum::<f64>() + rest.iter().map(|v| of(value(*v)).powi(2)).sum::<f64>()
}

/// 1 / (√(mean of squares) + ε).
fn scale<T: Real>(squares: f64, width: usize) -> T {
    T::of(1.0 / ((squares / width as f64).sqrt() + ROOT_EPSILON))
}
