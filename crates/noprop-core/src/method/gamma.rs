//! The learned noise schedule of NoProp-CT: γ(t) = γ_0 + (γ_1 − γ_0)(1 − γ̄(t)), with ᾱ(t) = σ(−γ(t)) and SNR(t) = exp(−γ(t)).
//!
//! γ̄ is a net of positive weights, normalised to [0, 1], so that it increases and γ decreases from γ_1 to γ_0 (paper, section 3.2;
//! Kingma et al. 2021): γ̃(t) = w t + Σ_k c_k σ(a_k t + b_k), γ̄(t) = (γ̃(t) − γ̃(0)) / (γ̃(1) − γ̃(0)). w, a and c are softplus of what
//! is trained, and so is γ_1 − γ_0.

use crate::math::{exp, ln};
use crate::net::layout::{Init, OwnTensor};

/// Values of γ's own that are no vectors: γ_0, γ_1 − γ_0 and w.
const SCALARS: usize = 3;

/// γ with the values that it has now: `[γ_0 | softplus⁻¹(γ_1 − γ_0) | softplus⁻¹ w | softplus⁻¹ a | b | softplus⁻¹ c]`, each of
/// the last three a vector `[units]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gamma<'a> {
    values: &'a [f64],
    units: usize,
}

/// γ and dγ/dt at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct At {
    pub gamma: f64,
    pub slope: f64,
}

impl At {
    /// The share of signal.
    pub fn alpha_bar(self) -> f64 {
        sigmoid(-self.gamma)
    }

    /// dSNR/dt.
    pub fn snr_slope(self) -> f64 {
        -self.slope * exp(-self.gamma)
    }
}

/// The tensors of γ, which begins at these ends.
pub(super) fn tensors(units: usize, low: f64, high: f64) -> Vec<OwnTensor> {
    let tensor = |name, len, init| OwnTensor { layer: "gamma", name, shape: vec![len], init };
    let positive = |value: f64| Init::Constant(ln(exp(value) - 1.0) as f32);
    vec![
        tensor("low", 1, Init::Constant(low as f32)),
        tensor("range", 1, positive(high - low)),
        tensor("linear", 1, positive(1.0)),
        tensor("rate", units, Init::FanIn(1)),
        tensor("shift", units, Init::FanIn(1)),
        tensor("share", units, positive(1.0 / units as f64)),
    ]
}

/// The number of values of a γ of so many units.
pub(super) fn values(units: usize) -> usize {
    SCALARS + 3 * units
}

impl<'a> Gamma<'a> {
    /// Of the first [`values`] of a job's own.
    pub fn of(own: &'a [f64], units: usize) -> Self {
        Self { values: &own[..values(units)], units }
    }

    /// γ_0, which γ ends at.
    pub fn low(self) -> f64 {
        self.values[0]
    }

    /// γ_1 − γ_0.
    fn range(self) -> f64 {
        softplus(self.values[1])
    }

    /// γ_1, which γ begins at.
    pub fn high(self) -> f64 {
        self.low() + self.range()
    }

    /// a_k, b_k and c_k.
    fn unit(self, k: usize) -> [f64; 3] {
        let vector = |which: usize| self.values[SCALARS + which * self.units + k];
        [softplus(vector(0)), vector(1), softplus(vector(2))]
    }

    /// γ̃ and its slope.
    fn raw(self, t: f64) -> [f64; 2] {
        let linear = softplus(self.values[2]);
        (0..self.units).fold([linear * t, linear], |[value, slope], k| {
            let [a, b, c] = self.unit(k);
            let s = sigmoid(a * t + b);
            [value + c * s, slope + c * a * s * (1.0 - s)]
        })
    }

    /// γ and its slope at t in [0, 1].
    pub fn at(self, t: f64) -> At {
        let ([first, _], [last, _], [value, slope]) = (self.raw(0.0), self.raw(1.0), self.raw(t));
        let (span, range) = (last - first, self.range());
        At { gamma: self.low() + range * (1.0 - (value - first) / span), slope: -range * slope / span }
    }

    /// Adds to `gradients` those of a loss with these derivatives by γ(t) and by its slope.
    pub fn differentiate(self, t: f64, by: At, gradients: &mut [f64]) {
        let ([first, _], [last, _], [value, slope]) = (self.raw(0.0), self.raw(1.0), self.raw(t));
        let (span, range) = (last - first, self.range());
        gradients[0] += by.gamma;
        let by_range = by.gamma * (1.0 - (value - first) / span) - by.slope * slope / span;
        gradients[1] += by_range * softplus_slope(self.values[1]);
        // By γ̃(t), γ̃(0), γ̃(1) and the slope of γ̃ at t.
        let by_value = -range * by.gamma / span;
        let by_slope = -range * by.slope / span;
        let by_span = range * (by.gamma * (value - first) + by.slope * slope) / (span * span);
        let points = [(t, by_value, by_slope), (0.0, -by_value - by_span, 0.0), (1.0, by_span, 0.0)];
        for (t, by_value, by_slope) in points {
            gradients[2] += (by_value * t + by_slope) * softplus_slope(self.values[2]);
            for k in 0..self.units {
                let [a, b, c] = self.unit(k);
                let s = sigmoid(a * t + b);
                let (first, second) = (s * (1.0 - s), s * (1.0 - s) * (1.0 - 2.0 * s));
                let by_argument = by_value * c * first + by_slope * c * a * second;
                let at = |which: usize| SCALARS + which * self.units + k;
                gradients[at(0)] += (by_argument * t + by_slope * c * first) * softplus_slope(self.values[at(0)]);
                gradients[at(1)] += by_argument;
                gradients[at(2)] += (by_value * s + by_slope * a * first) * softplus_slope(self.values[at(2)]);
            }
        }
    }

    /// Adds the gradients of a loss with this derivative by γ_1.
    pub fn differentiate_high(self, by: f64, gradients: &mut [f64]) {
        gradients[0] += by;
        gradients[1] += by * softplus_slope(self.values[1]);
    }
}

/// 1 / (1 + e^(−x)).
pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + exp(-x))
}

/// ln(1 + e^x), whatever x.
fn softplus(x: f64) -> f64 {
    if x > 0.0 { x + ln(1.0 + exp(-x)) } else { ln(1.0 + exp(x)) }
}

fn softplus_slope(x: f64) -> f64 {
    sigmoid(x)
}
