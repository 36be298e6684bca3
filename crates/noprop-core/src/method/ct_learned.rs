//! NoProp-CT with a learned embedding (paper, section 3.2): the loss of [`Ct`], whose every term has gradients by the classes' vectors, too.

use super::ct::{Ct, by_gamma};
use super::gamma::{self, At, Gamma};
use super::learned::{self, Learned};
use super::{Draw, Drawn, Judged, Loss, Method, Move, OwnPass, Parts, Readout, Sampling};
use crate::error::Result;
use crate::math::exp;
use crate::net::graph::Output;
use crate::net::layout::OwnTensor;
use crate::net::{Form, Graph};
use crate::rng::{Purpose, Stream};

/// See the [module](self). Its own values are those of the embedding and the head, then those of γ.
#[derive(Debug)]
pub(super) struct CtLearned(pub Ct);

impl CtLearned {
    fn parts(&self) -> &Parts {
        &self.0.parts
    }

    /// Where the values of γ begin.
    fn gamma_at(&self) -> usize {
        Learned::values(self.parts())
    }

    fn gamma<'a>(&self, own: &'a [f64]) -> Gamma<'a> {
        Gamma::of(&own[self.gamma_at()..], self.0.units)
    }

    fn stream(draw: &Draw<'_>, purpose: Purpose, sample: u32) -> Stream {
        Stream::new(draw.seed, purpose, draw.job, draw.epoch, sample as usize)
    }

    fn time(draw: &Draw<'_>, sample: u32) -> f64 {
        Self::stream(draw, Purpose::Time, sample).uniform(0)
    }
}

/// The derivative of a loss by γ, through a state that is a noised vector, given that by the state.
fn through_state(by_state: &[f64], alpha_bar: f64, vector: &[f64], noise: &Stream) -> f64 {
    let each = by_state.iter().zip(vector).enumerate();
    each.map(|(k, (by, value))| by * by_gamma(alpha_bar, *value, noise.normal(k as u32))).sum()
}

impl Method for CtLearned {
    fn jobs(&self) -> usize {
        1
    }

    /// Shares of the classes.
    fn graph(&self, _: bool) -> Result<Graph> {
        let form = Form { timed: true, output: Output::Probabilities, z_gradient: true, ..Form::default() };
        self.parts().graph(form)
    }

    fn own_tensors(&self) -> Vec<OwnTensor> {
        let mut tensors = learned::tensors(&self.parts().vectors).to_vec();
        tensors.extend(gamma::tensors(self.0.units, self.0.ends[0], self.0.ends[1]));
        tensors
    }

    /// t uniform in [0, 1), z_t ~ q(z_t | y).
    fn draw(&self, draw: &Draw<'_>, to: &mut Drawn) {
        let (learned, gamma) = (Learned::of(self.parts(), draw.own), self.gamma(draw.own));
        let rows = to.z.chunks_exact_mut(self.parts().width()).zip(to.times.iter_mut().zip(&mut to.weights));
        for ((z, (time, weight)), (sample, class)) in rows.zip(draw.samples.iter().zip(draw.classes)) {
            let (t, noise) = (Self::time(draw, *sample), Self::stream(draw, Purpose::LabelNoise, *sample));
            let at = gamma.at(t);
            for (k, z) in z.iter_mut().enumerate() {
                *z = learned.noised(at.alpha_bar(), *class as usize, k, &noise) as f32;
            }
            *time = t as f32;
            *weight = 0.5 * self.0.eta * at.snr_slope();
        }
    }

    fn loss(&self) -> Loss {
        Loss::Own
    }

    fn judge(&self, draw: &Draw<'_>, drawn: &Drawn, pass: Judged<'_>) -> f64 {
        let Judged { estimate, gradient, gradients, weight, room } = pass;
        let (learned, gamma) = (Learned::of(self.parts(), draw.own), self.gamma(draw.own));
        let (classes, samples) = (self.parts().classes, draw.samples.len() as f64);
        let rows = estimate.chunks_exact(classes).zip(gradient.chunks_exact_mut(classes)).zip(&drawn.weights);
        let errors = rows.zip(draw.samples.iter().zip(draw.classes)).map(|(((shares, gradient), of_time), labels)| {
            let (sample, class) = (*labels.0, *labels.1 as usize);
            let factor = weight * of_time / samples;
            let error = learned.squared_error((shares, class), |_| 0.0, factor, gradient, gradients, room);
            // SNR′ = −γ′ e^(−γ).
            let (t, scale) = (Self::time(draw, sample), 0.5 * self.0.eta * weight * error / samples);
            let at = gamma.at(t);
            let by = At { gamma: -scale * at.snr_slope(), slope: -scale * exp(-at.gamma) };
            gamma.differentiate(t, by, &mut gradients[self.gamma_at()..]);
            error
        });
        errors.sum::<f64>() / samples
    }

    fn own_gradients(&self, draw: &Draw<'_>, _: &Drawn, pass: OwnPass<'_>) -> f64 {
        let OwnPass { z_gradient, gradients, room, .. } = pass;
        let (learned, gamma, from) = (Learned::of(self.parts(), draw.own), self.gamma(draw.own), self.gamma_at());
        let (samples, width) = (draw.samples.len() as f64, self.parts().width());
        let (begin, end) = (gamma::sigmoid(-gamma.high()), gamma::sigmoid(-gamma.low()));
        let mut rest = 0.0;
        for (by_z, (sample, class)) in z_gradient.chunks_exact(width).zip(draw.samples.iter().zip(draw.classes)) {
            let (t, class) = (Self::time(draw, *sample), *class as usize);
            let (vector, alpha_bar) = (learned.vector(class), gamma.at(t).alpha_bar());
            learned.add(class, alpha_bar.sqrt(), by_z, gradients);
            let noise = Self::stream(draw, Purpose::LabelNoise, *sample);
            let by = At { gamma: through_state(by_z, alpha_bar, vector, &noise), slope: 0.0 };
            gamma.differentiate(t, by, &mut gradients[from..]);
            let noise = Self::stream(draw, Purpose::HeadNoise, *sample);
            rest += learned.head_loss((end, class), &noise, samples, gradients, room);
            gradients[from] += through_state(learned.by_state(room), end, vector, &noise);
            rest += learned.prior_loss((begin, class), samples, gradients);
            let square: f64 = vector.iter().map(|value| value * value).sum();
            let by_alpha_bar = 0.5 * (square - width as f64 + width as f64 / (1.0 - begin)) / samples;
            gamma.differentiate_high(by_alpha_bar * -begin * (1.0 - begin), &mut gradients[from..]);
        }
        rest / samples
    }

    fn chain(&self, job: usize, own: &[f64], sampling: &Sampling) -> Result<Vec<Move>> {
        self.0.chain(job, &own[self.gamma_at()..], sampling)
    }

    fn has_head(&self) -> bool {
        true
    }

    fn readout(&self, _: usize, own: &[f64]) -> Readout {
        Learned::of(self.parts(), own).readout()
    }
}
