//! Samples mixed with others (Zhang et al. 2018), by labels that stay.
//!
//! Mixup trains on λ x_i + (1 − λ) x_j with the loss λ · loss(y_i) + (1 − λ) · loss(y_j), λ ~ Beta(α, α). A block of a diffusion cannot: its z is
//! noised from one label, and a mean of two labels is none. But the loss is the mean over a label that is y_i with probability λ and else y_j. Where
//! it is y_i, λ has the density λ · Beta(α, α), which is Beta(α + 1, α) (Huszár 2017). So a sample keeps its label, z is noised from that, and its
//! values are mixed by λ ~ Beta(α + 1, α): the same mean gradient, for every method and loss.

use crate::Result;
use crate::math::{exp, ln};
use crate::rng::{Purpose, Stream};
use std::cell::RefCell;

thread_local! {
    /// Values of the other sample. A warm step does not allocate.
    static OTHER: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// What a sample is mixed with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mix {
    /// The other sample.
    pub other: usize,
    /// The share λ of the sample itself.
    pub share: f64,
}

/// What is drawn for a sample (seed, epoch, sample) out of so many; none where nothing is mixed.
pub(super) fn draw(alpha: f64, (seed, epoch, sample): (u64, usize, usize), samples: usize) -> Option<Mix> {
    if alpha == 0.0 {
        return None;
    }
    let stream = Stream::new(seed, Purpose::Mixup, 0, epoch, sample);
    let [place, power, ..] = stream.words(0);
    let other = ((u64::from(place) * samples as u64) >> 32) as usize;
    let own = gamma(&stream, alpha + 1.0, 0);
    // Γ(α) is Γ(α + 1) · u^(1/α).
    let uniform = (f64::from(power) + 0.5) / 4_294_967_296.0;
    let others = gamma(&stream, alpha + 1.0, 1) * exp(ln(uniform) / alpha);
    Some(Mix { other, share: own / (own + others) })
}

/// A deviate of the gamma distribution with a shape of at least 1 (Marsaglia & Tsang 2000); the first or second one of a stream.
fn gamma(stream: &Stream, shape: f64, which: u32) -> f64 {
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    // Each attempt has two blocks of words to itself. Nearly all first ones do.
    for attempt in 0..1000 {
        let word = 1 + 2 * (2 * attempt + which);
        let (x, u) = (stream.normal(2 * word), stream.uniform(4 * (word + 1)));
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && ln(u) < 0.5 * x * x + d - d * v + d * ln(v) {
            return d * v;
        }
    }
    d
}

impl Mix {
    /// Mixes `out` with the values of the other sample, which `value` writes.
    pub fn into_value(self, out: &mut [f32], value: impl FnOnce(usize, &mut [f32]) -> Result<()>) -> Result<()> {
        OTHER.with_borrow_mut(|other| {
            other.resize(out.len(), 0.0);
            value(self.other, other)?;
            let (share, rest) = (self.share as f32, (1.0 - self.share) as f32);
            out.iter_mut().zip(&*other).for_each(|(out, other)| *out = share * *out + rest * *other);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_the_mean_and_variance_of_their_distribution() {
        for alpha in [0.1, 0.2, 1.0, 4.0] {
            let shares: Vec<f64> = (0..40_000).map(|sample| draw(alpha, (3, 1, sample), 50).unwrap().share).collect();
            assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
            let mean = shares.iter().sum::<f64>() / 40_000.0;
            let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / 40_000.0;
            let (a, b) = (alpha + 1.0, alpha);
            let (of_beta, spread) = (a / (a + b), a * b / ((a + b).powi(2) * (a + b + 1.0)));
            // Five standard errors of 40,000 draws.
            assert!((mean - of_beta).abs() < 5.0 * (spread / 40_000.0).sqrt(), "{alpha}: {mean} {of_beta}");
            assert!((variance / spread - 1.0).abs() < 0.06, "{alpha}: {variance} {spread}");
        }
    }

    #[test]
    fn what_is_drawn_follows_from_seed_epoch_and_sample_alone() {
        assert_eq!(draw(0.0, (1, 2, 3), 10), None);
        let of = |seed, epoch, sample| draw(0.4, (seed, epoch, sample), 10).unwrap();
        assert_eq!(of(1, 2, 3), of(1, 2, 3));
        for other in [of(2, 2, 3), of(1, 3, 3), of(1, 2, 4)] {
            assert_ne!(other, of(1, 2, 3));
        }
        let others: std::collections::BTreeSet<_> = (0..500).map(|sample| of(1, 2, sample).other).collect();
        assert_eq!(others, (0..10).collect());
    }

    #[test]
    fn values_are_mixed_by_their_shares() {
        let mut out = [1.0, 3.0];
        let value = |other: usize, values: &mut [f32]| {
            values.copy_from_slice(&[other as f32, -1.0]);
            Ok(())
        };
        Mix { other: 5, share: 0.75 }.into_value(&mut out, value).unwrap();
        assert_eq!(out, [2.0, 2.0]);
    }
}
