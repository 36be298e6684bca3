//! NoProp-CT (paper, section 3.2): one net for all times, with a learned noise schedule and a linear head.
//!
//! ```text
//! loss = ½ η SNR′(t) ‖û(z_t, x, t) − u_y‖² − ln p(y | z_1) + KL(q(z_0 | y) ‖ N(0, I)),   p = softmax of the head
//! ```

use super::chain::DEFAULT_STEPS;
use super::gamma::{self, At, Gamma};
use super::{Draw, Drawn, Loss, Method, Move, OwnPass, Parts, Query, Readout, SamplerChoice, Sampling, Slope};
use crate::diffusion::Schedule;
use crate::error::Result;
use crate::math::exp;
use crate::net::graph::Output;
use crate::net::layout::{Init, OwnTensor};
use crate::net::{Form, Graph};
use crate::rng::{Purpose, Stream};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Ct {
    pub parts: Parts,
    /// η.
    pub eta: f64,
    /// Units of γ's net.
    pub units: usize,
    /// γ_0 and γ_1 at the beginning.
    pub ends: [f64; 2],
}

impl Ct {
    fn gamma<'a>(&self, own: &'a [f64]) -> Gamma<'a> {
        Gamma::of(own, self.units)
    }

    /// The weight `[width, classes]` and the bias of the head.
    fn head<'a>(&self, own: &'a [f64]) -> (&'a [f64], &'a [f64]) {
        let (from, width, classes) = (gamma::values(self.units), self.parts.width(), self.parts.classes);
        (&own[from..][..width * classes], &own[from + width * classes..][..classes])
    }

    fn stream(draw: &Draw<'_>, purpose: Purpose, sample: u32) -> Stream {
        Stream::new(draw.seed, purpose, draw.job, draw.epoch, sample as usize)
    }

    fn time(draw: &Draw<'_>, sample: u32) -> f64 {
        Self::stream(draw, Purpose::Time, sample).uniform(0)
    }

    /// −ln p(y | z_1) of one sample; adds its gradients, divided by `samples`, to the head's and to γ_0's.
    fn head_loss(&self, draw: &Draw<'_>, (sample, class): (u32, usize), pass: &mut OwnPass<'_>) -> f64 {
        let (samples, gradients) = (draw.samples.len() as f64, &mut *pass.gradients);
        let (gamma, (weight, bias), width) = (self.gamma(draw.own), self.head(draw.own), self.parts.width());
        let (classes, vectors) = (self.parts.classes, &self.parts.vectors);
        let end = At { gamma: gamma.low(), slope: 0.0 };
        let (alpha_bar, noise) = (end.alpha_bar(), Self::stream(draw, Purpose::HeadNoise, sample));
        let label = |k: usize| vectors.value(class, k);
        let z = |k: usize| alpha_bar.sqrt() * label(k) + (1.0 - alpha_bar).sqrt() * noise.normal(k as u32);
        // The second row has logits, then probabilities less the label.
        let (states, errors) = pass.room.split_at_mut(width);
        let errors = &mut errors[..classes];
        states.iter_mut().enumerate().for_each(|(k, state)| *state = z(k));
        for (j, error) in errors.iter_mut().enumerate() {
            *error = bias[j] + states.iter().enumerate().map(|(k, z)| z * weight[k * classes + j]).sum::<f64>();
        }
        let top = errors.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = errors.iter().map(|logit| exp(logit - top)).sum();
        let loss = crate::math::ln(total) + top - errors[class];
        for (j, error) in errors.iter_mut().enumerate() {
            *error = (exp(*error - top) / total - f64::from(u8::from(j == class))) / samples;
        }
        let from = gamma::values(self.units);
        for k in 0..width {
            for j in 0..classes {
                gradients[from + k * classes + j] += states[k] * errors[j];
            }
            let by_z: f64 = (0..classes).map(|j| weight[k * classes + j] * errors[j]).sum();
            gradients[0] += by_z * by_gamma(alpha_bar, label(k), noise.normal(k as u32));
        }
        for (j, error) in errors.iter().enumerate() {
            gradients[from + width * classes + j] += error;
        }
        loss
    }

    /// The mean KL divergence of the samples' beginning from pure noise; adds its gradients.
    fn prior_loss(&self, draw: &Draw<'_>, gradients: &mut [f64]) -> f64 {
        let (gamma, d) = (self.gamma(draw.own), self.parts.width() as f64);
        let squares: f64 = draw.classes.iter().map(|class| self.parts.vectors.square(*class as usize)).sum();
        let square = squares / draw.classes.len() as f64;
        let alpha_bar = gamma::sigmoid(-gamma.high());
        let by_alpha_bar = 0.5 * (square - d + d / (1.0 - alpha_bar));
        gamma.differentiate_high(by_alpha_bar * -alpha_bar * (1.0 - alpha_bar), gradients);
        0.5 * (alpha_bar * square - d * alpha_bar - d * crate::math::ln(1.0 - alpha_bar))
    }
}

/// d(√ᾱ u + √(1 − ᾱ) ε)/dγ with ᾱ = σ(−γ).
pub(super) fn by_gamma(alpha_bar: f64, label: f64, noise: f64) -> f64 {
    0.5 * ((1.0 - alpha_bar).sqrt() * alpha_bar * noise - alpha_bar.sqrt() * (1.0 - alpha_bar) * label)
}

impl Method for Ct {
    fn jobs(&self) -> usize {
        1
    }

    fn graph(&self, _: bool) -> Result<Graph> {
        self.parts.embedded(Form { timed: true, output: Output::Probabilities, z_gradient: true, ..Form::default() })
    }

    fn own_tensors(&self) -> Vec<OwnTensor> {
        let (width, classes) = (self.parts.width(), self.parts.classes);
        let head = |name, shape, init| OwnTensor { layer: "class_head", name, shape, init };
        let mut tensors = gamma::tensors(self.units, self.ends[0], self.ends[1]);
        // It begins as the nearest embedding.
        let start = self.parts.vectors.by_inputs().map_or(Init::Identity(width), Init::Values);
        let weight = head("weight", vec![width, classes], start);
        tensors.extend([weight, head("bias", vec![classes], Init::Constant(0.0))]);
        tensors
    }

    /// t uniform in [0, 1), z_t ~ q(z_t | y).
    fn draw(&self, draw: &Draw<'_>, to: &mut Drawn) {
        let (gamma, width, vectors) = (self.gamma(draw.own), self.parts.width(), &self.parts.vectors);
        let rows = to.z.chunks_exact_mut(width).zip(to.targets.chunks_exact_mut(width));
        let samples = draw.samples.iter().zip(draw.classes);
        for (((z, target), (time, weight)), (sample, class)) in
            rows.zip(to.times.iter_mut().zip(&mut to.weights)).zip(samples)
        {
            let t = Self::time(draw, *sample);
            let at = gamma.at(t);
            vectors.noised(at.alpha_bar(), *class as usize, &Self::stream(draw, Purpose::LabelNoise, *sample), z);
            vectors.write(*class as usize, target);
            *time = t as f32;
            *weight = 0.5 * self.eta * at.snr_slope();
        }
    }

    fn loss(&self) -> Loss {
        Loss::Squared
    }

    fn own_gradients(&self, draw: &Draw<'_>, _: &Drawn, pass: OwnPass<'_>) -> f64 {
        let mut pass = pass;
        let (gamma, width, samples) = (self.gamma(draw.own), self.parts.width(), draw.samples.len() as f64);
        let mut rest = self.prior_loss(draw, pass.gradients);
        let rows = pass.estimate.chunks_exact(width).zip(pass.z_gradient.chunks_exact(width));
        for ((estimate, z_gradient), (sample, class)) in rows.zip(draw.samples.iter().zip(draw.classes)) {
            let (t, class) = (Self::time(draw, *sample), *class as usize);
            let (at, noise) = (gamma.at(t), Self::stream(draw, Purpose::LabelNoise, *sample));
            let label = |k: usize| self.parts.vectors.value(class, k);
            let error: f64 = estimate.iter().enumerate().map(|(k, value)| (value - label(k)).powi(2)).sum();
            let scale = 0.5 * self.eta * error / samples;
            let by_z = z_gradient.iter().enumerate();
            let by_state: f64 = by_z.map(|(k, g)| g * by_gamma(at.alpha_bar(), label(k), noise.normal(k as u32))).sum();
            // SNR′ = −γ′ e^(−γ).
            let by = At { gamma: by_state - scale * at.snr_slope(), slope: -scale * exp(-at.gamma) };
            gamma.differentiate(t, by, pass.gradients);
            rest += self.head_loss(draw, (*sample, class), &mut pass) / samples;
        }
        rest
    }

    fn chain(&self, _: usize, own: &[f64], sampling: &Sampling) -> Result<Vec<Move>> {
        let gamma = self.gamma(own);
        let query = |t| Query { time: t, ..Query::default() };
        if let Some(SamplerChoice::Euler | SamplerChoice::Heun) = sampling.sampler {
            return sampling.integrate("ct", DEFAULT_STEPS, |t| {
                let at = gamma.at(t);
                let (alpha_bar, rate) = (at.alpha_bar(), -0.5 * at.slope);
                (query(t), Slope { estimate: rate * alpha_bar.sqrt(), state: -rate * alpha_bar })
            });
        }
        sampling.refuse_steps_per_block("ct")?;
        let steps = sampling.steps(DEFAULT_STEPS)?;
        let time = |step: usize| step as f64 / steps as f64;
        let schedule = Schedule::of((0..=steps).map(|step| gamma.at(time(step)).alpha_bar()).collect());
        let sampler = sampling.discrete("ct")?;
        let coefficients = |step| sampler.coefficients(&schedule, step, sampling.stochastic);
        Ok((1..=steps)
            .map(|step| Move::Step { query: query(time(step - 1)), coefficients: coefficients(step) })
            .collect())
    }

    fn has_head(&self) -> bool {
        true
    }

    fn readout(&self, _: usize, own: &[f64]) -> Readout {
        let (weight, bias) = self.head(own);
        Readout::Head { weight: weight.to_vec(), bias: bias.to_vec() }
    }
}
