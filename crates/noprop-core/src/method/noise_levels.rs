//! Noise levels σ of labels, and their partition among blocks. In our states σ² = (1 − ᾱ)/ᾱ.
//!
//! A partition is a quantile of σ, from 0 at the least noise to 1 at the most; blocks own ranges of equal length of it.

use crate::math::{erfc, exp, ln};
use crate::rng::{Purpose, Stream};
use serde::{Deserialize, Serialize};

/// How noise levels are shared out among blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Partition {
    /// By the log-normal distribution of noise levels that image models are trained on (Karras et al. 2022), cut off at both ends.
    #[default]
    Edm,
    /// By what a one-hot label with so much noise still tells of its class.
    EqualInformation,
}

/// Mean and deviation of ln σ (Karras et al. 2022).
const LOG_NORMAL: [f64; 2] = [-1.2, 1.2];
/// Points of a table of information.
const POINTS: usize = 64;
/// Random values that a point of it takes.
const VALUES: usize = 60_000;

/// The quantiles of noise levels from a least to a greatest.
#[derive(Debug, Clone)]
pub(super) struct NoiseLevels {
    ends: [f64; 2],
    /// ln σ and its quantile, both rising; without one the log-normal distribution counts.
    table: Option<Vec<[f64; 2]>>,
}

impl NoiseLevels {
    pub fn new(partition: Partition, ends: [f64; 2], classes: usize) -> Self {
        let table = (partition == Partition::EqualInformation).then(|| table(ends, classes));
        Self { ends, table }
    }

    /// Φ of both ends.
    fn normal_ends(&self) -> [f64; 2] {
        self.ends.map(|sigma| normal_share((ln(sigma) - LOG_NORMAL[0]) / LOG_NORMAL[1]))
    }

    /// The quantile of a noise level.
    pub fn quantile(&self, sigma: f64) -> f64 {
        let quantile = match &self.table {
            None => {
                let [low, high] = self.normal_ends();
                if low == high {
                    // All noise is one level.
                    return 0.0;
                }
                (normal_share((ln(sigma) - LOG_NORMAL[0]) / LOG_NORMAL[1]) - low) / (high - low)
            }
            Some(table) => between(table.iter().copied(), ln(sigma)),
        };
        quantile.clamp(0.0, 1.0)
    }

    /// The noise level of a quantile.
    pub fn sigma(&self, quantile: f64) -> f64 {
        let sigma = match &self.table {
            None => {
                let [low, high] = self.normal_ends();
                exp(LOG_NORMAL[0] + LOG_NORMAL[1] * normal_quantile(low + quantile * (high - low)))
            }
            Some(table) => exp(between(table.iter().map(|[x, y]| [*y, *x]), quantile)),
        };
        sigma.clamp(self.ends[0], self.ends[1])
    }

    /// The edge behind block t of T: the most noise for 0, the least for T.
    pub fn edge(&self, t: usize, blocks: usize) -> f64 {
        match t {
            0 => self.ends[1],
            _ if t == blocks => self.ends[0],
            _ => self.sigma(1.0 - t as f64 / blocks as f64),
        }
    }

    /// The least and the most noise of block t, widened on both sides by (most / least)^overlap.
    pub fn widened(&self, t: usize, blocks: usize, overlap: f64) -> [f64; 2] {
        let [low, high] = [self.edge(t, blocks), self.edge(t - 1, blocks)];
        let by = exp(overlap * ln(high / low));
        [(low / by).max(self.ends[0]), (high * by).min(self.ends[1])]
    }
}

/// The value at `x` on the straight lines between points of rising first values.
fn between(points: impl Iterator<Item = [f64; 2]>, x: f64) -> f64 {
    let mut before: Option<[f64; 2]> = None;
    for [at, value] in points {
        match before {
            Some([from, first]) if x <= at => {
                let share = if at > from { (x - from) / (at - from) } else { 1.0 };
                return first + (value - first) * share.clamp(0.0, 1.0);
            }
            _ => before = Some([at, value]),
        }
    }
    before.map_or(0.0, |[_, value]| value)
}

/// ln σ and the share of information that is lost there, from 0 at the least noise to 1 at the most. Levels at which nothing, or all, is
/// lost have a share that rises all the same, so that every quantile has one level.
fn table([low, high]: [f64; 2], classes: usize) -> Vec<[f64; 2]> {
    let noise = differences(classes);
    let sigmas = (0..POINTS).map(|point| ln(low) + (ln(high) - ln(low)) * point as f64 / (POINTS - 1) as f64);
    let mut table: Vec<[f64; 2]> = sigmas.map(|log| [log, lost(exp(log), &noise, classes)]).collect();
    // What is lost rises with the noise, up to the error of its estimate.
    let mut most = 0.0_f64;
    for (point, [_, value]) in table.iter_mut().enumerate() {
        most = most.max(*value);
        *value = most + 1e-6 * point as f64;
    }
    let ([_, first], [_, last]) = (table[0], table[POINTS - 1]);
    table.iter_mut().for_each(|[_, value]| *value = (*value - first) / (last - first));
    table
}

/// ε_k − ε_y of the classes k other than y, of every draw: `[draws, classes − 1]`.
fn differences(classes: usize) -> Vec<f64> {
    let draws = (VALUES / classes).clamp(4, 6_000);
    let noise = |draw| Stream::new(0, Purpose::Init, 0, 0, draw);
    let of = |noise: Stream| (1..classes as u32).map(move |k| noise.normal(k) - noise.normal(0));
    (0..draws).flat_map(|draw| of(noise(draw))).collect()
}

/// H(y | u_y + σ ε) of a class y, each as likely as the others, and its one-hot vector u_y: the mean of ln Σ_k e^((z_k − z_y)/σ²)
/// over draws that all noise levels share.
fn lost(sigma: f64, noise: &[f64], classes: usize) -> f64 {
    let draws = noise.chunks_exact(classes - 1);
    let count = draws.len() as f64;
    let one = |draw: &[f64]| {
        let exponents = draw.iter().map(|difference| (sigma * difference - 1.0) / (sigma * sigma));
        // e^700 is still finite, and the sum of so many of them too.
        ln(1.0 + exponents.map(|exponent| exp(exponent.min(700.0))).sum::<f64>())
    };
    draws.map(one).sum::<f64>() / count
}

/// Φ, the share of a standard normal distribution below x.
fn normal_share(x: f64) -> f64 {
    0.5 * erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// Φ⁻¹ for a share in (0, 1), by Newton's rule from the middle, where it does not overshoot: the steps are halved towards a bracket.
fn normal_quantile(share: f64) -> f64 {
    let (mut low, mut high, mut x) = (-40.0, 40.0, 0.0);
    for _ in 0..200 {
        let error = normal_share(x) - share;
        if error > 0.0 {
            high = x;
        } else {
            low = x;
        }
        let density = exp(-0.5 * x * x) / (2.0 * std::f64::consts::PI).sqrt();
        let next = x - error / density;
        let next = if next > low && next < high { next } else { 0.5 * (low + high) };
        if (next - x).abs() <= 1e-15 * x.abs().max(1.0) {
            return next;
        }
        x = next;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDM: [f64; 2] = [0.002, 80.0];

    /// Figures of the paper (its appendix), and of SciPy's `norm.ppf`.
    #[test]
    fn the_edges_of_three_blocks_are_the_papers() {
        let levels = NoiseLevels::new(Partition::Edm, EDM, 10);
        let edges: Vec<f64> = (0..=3).map(|t| levels.edge(t, 3)).collect();
        for (edge, expected) in edges.iter().zip([80.0, 0.505, 0.180, 0.002]) {
            assert!((edge / expected - 1.0).abs() < 3e-3, "{edges:?}");
        }
        for (share, expected) in [(0.5, 0.0), (0.975, 1.959_963_984_540_054), (1e-9, -5.997_807_015_007_69)] {
            assert!((normal_quantile(share) - expected).abs() < 1e-9, "{share}: {}", normal_quantile(share));
        }
    }

    #[test]
    fn equal_information_cuts_where_a_label_is_lost() {
        for (classes, expected) in [(10, [0.72, 0.45]), (100, [0.55, 0.37])] {
            let levels = NoiseLevels::new(Partition::EqualInformation, EDM, classes);
            for (t, expected) in [(1, expected[0]), (2, expected[1])] {
                // The error of a mean over the draws, and of straight lines between points.
                assert!((levels.edge(t, 3) / expected - 1.0).abs() < 0.04, "{classes}, {t}: {}", levels.edge(t, 3));
            }
        }
    }

    #[test]
    fn every_block_holds_the_same_mass_and_the_noisiest_comes_first() {
        for partition in [Partition::Edm, Partition::EqualInformation] {
            let levels = NoiseLevels::new(partition, EDM, 10);
            for blocks in [1, 3, 7] {
                for t in 1..=blocks {
                    let (low, high) = (levels.edge(t, blocks), levels.edge(t - 1, blocks));
                    assert!(low < high, "{partition:?} {t} of {blocks}: {low} {high}");
                    let mass = levels.quantile(high) - levels.quantile(low);
                    assert!((mass * blocks as f64 - 1.0).abs() < 1e-6, "{partition:?} {t} of {blocks}: {mass}");
                    let [wide_low, wide_high] = levels.widened(t, blocks, 0.05);
                    assert!(EDM[0] <= wide_low && wide_low <= low && high <= wide_high && wide_high <= EDM[1]);
                    assert_eq!(levels.widened(t, blocks, 0.0), [low, high]);
                }
            }
        }
    }
}
