//! A learned embedding: the matrix W `[classes, width]` of the classes' vectors, and the linear head that keeps them apart, as a method's own
//! tensors. All of it is in double precision and in the order of the samples.

use super::loss::softmax;
use super::{Parts, Readout};
use crate::diffusion::ClassVectors;
use crate::math::ln;
use crate::net::layout::{Init, OwnTensor};
use crate::rng::Stream;

/// The tensors, which are a method's first: W, and weight `[width, classes]` and bias of the head, which begins as the nearest embedding.
pub(super) fn tensors(vectors: &ClassVectors) -> [OwnTensor; 3] {
    let (classes, width) = (vectors.classes(), vectors.width());
    let of = |layer, name, shape, init| OwnTensor { layer, name, shape, init };
    let rows = vectors.rows().map_or(Init::Identity(width), |rows| Init::Values(rows.clone()));
    let by_inputs = vectors.by_inputs().map_or(Init::Identity(width), Init::Values);
    [
        of("embedding", "weight", vec![classes, width], rows),
        of("class_head", "weight", vec![width, classes], by_inputs),
        of("class_head", "bias", vec![classes], Init::Constant(0.0)),
    ]
}

/// Their values. Gradients are in the same places.
pub(super) struct Learned<'a> {
    classes: usize,
    width: usize,
    own: &'a [f64],
}

impl<'a> Learned<'a> {
    /// Those at the beginning of a method's own values.
    pub fn of(parts: &Parts, own: &'a [f64]) -> Self {
        Self { classes: parts.classes, width: parts.width(), own }
    }

    /// How many they are.
    pub fn values(parts: &Parts) -> usize {
        (2 * parts.width() + 1) * parts.classes
    }

    /// u of a class.
    pub fn vector(&self, class: usize) -> &'a [f64] {
        &self.own[class * self.width..][..self.width]
    }

    /// The weight and the bias of the head.
    fn head(&self) -> (&'a [f64], &'a [f64]) {
        let len = self.classes * self.width;
        (&self.own[len..2 * len], &self.own[2 * len..][..self.classes])
    }

    /// Value k of √ᾱ u_y + √(1 − ᾱ) ε.
    pub fn noised(&self, alpha_bar: f64, class: usize, k: usize, noise: &Stream) -> f64 {
        alpha_bar.sqrt() * self.vector(class)[k] + (1.0 - alpha_bar).sqrt() * noise.normal(k as u32)
    }

    /// Adds `scale` times the values to the gradient of a class's vector.
    pub fn add(&self, class: usize, scale: f64, values: &[f64], gradients: &mut [f64]) {
        let row = &mut gradients[class * self.width..][..self.width];
        row.iter_mut().zip(values).for_each(|(to, value)| *to += scale * value);
    }

    /// ‖shares · W + offset − u_y‖² of one sample; writes its gradient by the shares and adds that by W, both times `weight`.
    pub fn squared_error(
        &self,
        (shares, class): (&[f64], usize),
        offset: impl Fn(usize) -> f64,
        weight: f64,
        gradient: &mut [f64],
        gradients: &mut [f64],
        room: &mut [f64],
    ) -> f64 {
        let errors = &mut room[..self.width];
        for (k, error) in errors.iter_mut().enumerate() {
            let estimate: f64 = shares.iter().enumerate().map(|(j, share)| share * self.vector(j)[k]).sum();
            *error = estimate + offset(k) - self.vector(class)[k];
        }
        for (j, gradient) in gradient.iter_mut().enumerate() {
            let product: f64 = errors.iter().zip(self.vector(j)).map(|(error, value)| error * value).sum();
            *gradient = 2.0 * weight * product;
            self.add(j, 2.0 * weight * (shares[j] - f64::from(u8::from(j == class))), errors, gradients);
        }
        errors.iter().map(|error| error * error).sum()
    }

    /// −ln p(y | z) of one sample's z ~ q(z | y) at this ᾱ; adds its gradients, divided by `samples`.
    pub fn head_loss(
        &self,
        (alpha_bar, class): (f64, usize),
        noise: &Stream,
        samples: f64,
        gradients: &mut [f64],
        room: &mut [f64],
    ) -> f64 {
        let (state, rest) = room.split_at_mut(self.width);
        let (shares, by_state) = rest.split_at_mut(self.classes);
        state.iter_mut().enumerate().for_each(|(k, z)| *z = self.noised(alpha_bar, class, k, noise));
        let by_state = &mut by_state[..self.width];
        let loss = self.class_loss(state, class, samples, shares, by_state, gradients);
        self.add(class, alpha_bar.sqrt(), by_state, gradients);
        loss
    }

    /// What the last [`head_loss`](Self::head_loss) with this room had as its gradient by the state.
    pub fn by_state<'r>(&self, room: &'r [f64]) -> &'r [f64] {
        &room[self.width + self.classes..][..self.width]
    }

    /// −ln p(y) at a state; writes its gradient by the state and adds those of the head, all divided by `samples`.
    pub fn class_loss(
        &self,
        state: &[f64],
        class: usize,
        samples: f64,
        shares: &mut [f64],
        by_state: &mut [f64],
        gradients: &mut [f64],
    ) -> f64 {
        let ((weight, bias), classes) = (self.head(), self.classes);
        for (j, share) in shares.iter_mut().enumerate() {
            *share = bias[j] + state.iter().enumerate().map(|(k, z)| z * weight[k * classes + j]).sum::<f64>();
        }
        let wanted = shares[class];
        let loss = softmax(shares) - wanted;
        shares[class] -= 1.0;
        let (_, head) = gradients.split_at_mut(classes * self.width);
        for (k, (z, by_state)) in state.iter().zip(by_state).enumerate() {
            let row = k * classes..(k + 1) * classes;
            *by_state = weight[row.clone()].iter().zip(&*shares).map(|(w, error)| w * error).sum::<f64>() / samples;
            head[row].iter_mut().zip(&*shares).for_each(|(to, error)| *to += z * error / samples);
        }
        let bias = &mut head[self.width * classes..][..classes];
        bias.iter_mut().zip(&*shares).for_each(|(to, error)| *to += error / samples);
        loss
    }

    /// KL(q(z_0 | y) ‖ N(0, I)) of one sample; adds its gradient, divided by `samples`.
    pub fn prior_loss(&self, (alpha_bar, class): (f64, usize), samples: f64, gradients: &mut [f64]) -> f64 {
        let (vector, d) = (self.vector(class), self.width as f64);
        self.add(class, alpha_bar / samples, vector, gradients);
        let square: f64 = vector.iter().map(|value| value * value).sum();
        0.5 * (alpha_bar * square - d * alpha_bar - d * ln(1.0 - alpha_bar))
    }

    /// The head's.
    pub fn readout(&self) -> Readout {
        let (weight, bias) = self.head();
        Readout::Head { weight: weight.to_vec(), bias: bias.to_vec() }
    }
}
