//! Multi-head attention of each sample's tokens to one another (Vaswani et al. 2017), without its linear layers.
//!
//! | tensor | shape |
//! |---|---|
//! | qkv | `[samples, tokens, 3 · width]`: queries, keys and values, each `[heads, width / heads]` |
//! | probabilities P | `[samples, heads, tokens, tokens]`: softmax over the last of q · kᵀ / √(width / heads) |
//! | out | `[samples, tokens, width]`: P · v of each head |
//!
//! The forward pass leaves the probabilities for the backward one.

mod cpu;
mod cuda;
mod parity;
mod product;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use parity::parity;

use super::{BlockOp, Cut, apply};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::tensor::{Buffer, Real, check};
use candle_core::Tensor;
use std::ops::Range;

/// Sizes of one batch.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    /// Samples in this batch.
    pub samples: usize,
    /// Tokens of a sample.
    pub tokens: usize,
    /// Values of a token in q, in k, in v and in out, a multiple of `heads`.
    pub width: usize,
    /// Parts of the width that attend by themselves.
    pub heads: usize,
}

impl Attention {
    /// out and the probabilities.
    pub fn forward(&self, [out, probabilities]: [&Buffer; 2], qkv: &Tensor) -> Result<()> {
        apply(&Probabilities(*self), probabilities, [qkv])?;
        apply(&Mix(*self), out, [probabilities, qkv])
    }

    /// The gradient of qkv.
    pub fn backward(&self, d_qkv: &Buffer, [d_out, qkv, probabilities]: [&Tensor; 3]) -> Result<()> {
        apply(&Backward(*self), d_qkv, [d_out, qkv, probabilities])
    }

    /// Values of out; qkv has three times as many.
    pub fn out_len(&self) -> usize {
        self.samples * self.tokens * self.width
    }

    /// Values of the probabilities.
    pub fn probabilities_len(&self) -> usize {
        self.samples * self.heads * self.tokens * self.tokens
    }

    /// Samples as rows, with these values of `out` and of the probabilities, and so many products.
    fn cut<const N: usize>(&self, lens: impl Fn(usize, usize) -> (usize, [usize; N]), products: usize) -> Cut<N> {
        let of_sample = Self { samples: 1, ..*self };
        let (destination, sources) = lens(of_sample.out_len(), of_sample.probabilities_len());
        let product = self.out_len() * self.tokens;
        Cut::rows(self.samples, destination, sources).with_work(products * product)
    }

    /// Values of a token in a head.
    fn head_width(&self) -> usize {
        self.width / self.heads
    }

    /// Whether there is room for every tensor, of which `out` may be missing.
    fn check(&self, qkv: &[usize], probabilities: usize, out: Option<usize>) -> Result<()> {
        let whole = self.heads > 0 && self.width > 0 && self.width.is_multiple_of(self.heads);
        check(whole && self.tokens > 0, "heads of attention")?;
        check(qkv.iter().all(|len| *len >= 3 * self.out_len()), "attention of queries, keys and values")?;
        let fits = probabilities >= self.probabilities_len();
        check(fits && out.is_none_or(|len| len >= self.out_len()), "attention")
    }
}

struct Probabilities(Attention);

impl BlockOp<1> for Probabilities {
    const NAME: &'static str = "attention-probabilities";
    fn block<T: Real>(&self, _: usize, probabilities: &mut [T], [qkv]: [&[T]; 1]) -> Result<()> {
        let op = &self.0;
        op.check(&[qkv.len()], probabilities.len(), None)?;
        let (p, qkv) = (&mut probabilities[..op.probabilities_len()], &qkv[..3 * op.out_len()]);
        match (T::f32s_mut(p), T::f32s(qkv)) {
            (Some(p), Some(qkv)) => cpu::probabilities(op, p, qkv),
            _ => reference::probabilities(op, p, qkv),
        }
        Ok(())
    }
    fn cut(&self) -> Option<Cut<1>> {
        Some(self.0.cut(|out, p| (p, [3 * out]), 1))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(Attention { samples: rows.len(), ..self.0 })
    }
    fn launch(&self, on: &Executor<'_>, probabilities: DeviceRows, [qkv]: [DeviceRows; 1]) -> Result<()> {
        self.0.check(&[qkv.len], probabilities.len, None)?;
        cuda::probabilities(&self.0, on, probabilities, qkv)
    }
}

struct Mix(Attention);

impl BlockOp<2> for Mix {
    const NAME: &'static str = "attention-mix";
    fn block<T: Real>(&self, _: usize, out: &mut [T], [probabilities, qkv]: [&[T]; 2]) -> Result<()> {
        let op = &self.0;
        op.check(&[qkv.len()], probabilities.len(), Some(out.len()))?;
        let out = &mut out[..op.out_len()];
        let (p, qkv) = (&probabilities[..op.probabilities_len()], &qkv[..3 * op.out_len()]);
        match (T::f32s_mut(out), T::f32s(p), T::f32s(qkv)) {
            (Some(out), Some(p), Some(qkv)) => cpu::mix(op, out, p, qkv),
            _ => reference::mix(op, out, p, qkv),
        }
        Ok(())
    }
    fn cut(&self) -> Option<Cut<2>> {
        Some(self.0.cut(|out, p| (out, [p, 3 * out]), 1))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(Attention { samples: rows.len(), ..self.0 })
    }
    fn launch(&self, on: &Executor<'_>, out: DeviceRows, [probabilities, qkv]: [DeviceRows; 2]) -> Result<()> {
        self.0.check(&[qkv.len], probabilities.len, Some(out.len))?;
        cuda::mix(&self.0, on, out, probabilities, qkv)
    }
}

struct Backward(Attention);

impl BlockOp<3> for Backward {
    const NAME: &'static str = "attention-backward";
    fn block<T: Real>(&self, _: usize, d_qkv: &mut [T], [d_out, qkv, probabilities]: [&[T]; 3]) -> Result<()> {
        let op = &self.0;
        op.check(&[d_qkv.len(), qkv.len()], probabilities.len(), Some(d_out.len()))?;
        let (out, triple) = (op.out_len(), 3 * op.out_len());
        let d_qkv = &mut d_qkv[..triple];
        let (d_out, qkv, p) = (&d_out[..out], &qkv[..triple], &probabilities[..op.probabilities_len()]);
        match (T::f32s_mut(d_qkv), T::f32s(d_out), T::f32s(qkv), T::f32s(p)) {
            (Some(d_qkv), Some(d_out), Some(qkv), Some(p)) => cpu::backward(op, d_qkv, [d_out, qkv, p]),
            _ => reference::backward(op, d_qkv, [d_out, qkv, p]),
        }
        Ok(())
    }
    fn cut(&self) -> Option<Cut<3>> {
        Some(self.0.cut(|out, p| (3 * out, [out, 3 * out, p]), 4))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self(Attention { samples: rows.len(), ..self.0 })
    }
    fn launch(&self, on: &Executor<'_>, d_qkv: DeviceRows, sources: [DeviceRows; 3]) -> Result<()> {
        let [d_out, qkv, probabilities] = sources;
        self.0.check(&[d_qkv.len, qkv.len], probabilities.len, Some(d_out.len))?;
        cuda::backward(&self.0, on, d_qkv, sources)
    }
}
