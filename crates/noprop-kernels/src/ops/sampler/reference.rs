//! One step of the chain for one sample: the plain definition.

use crate::rng::Stream;
use crate::{Code, Error, Result};

/// z_t = `estimate` · û_t + `state` · z_{t−1} + `noise` · ε with ε ~ N(0, I).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coefficients {
    /// Factor of the block's estimate.
    pub estimate: f64,
    /// Factor of the former state.
    pub state: f64,
    /// Standard deviation of the fresh noise; 0 for a deterministic step.
    pub noise: f64,
}

/// One step of one sample: overwrites `state` (z_{t−1}, one value per class) with z_t. Element k takes the normal deviate of
/// `noise` at index k.
///
/// # Errors
/// [`Code::Internal`] when `estimate` and `state` differ in length, or when the coefficients ask for noise and no stream is
/// given: leaving the noise out in silence would give states of too small a variance.
pub fn step(coefficients: &Coefficients, estimate: &[f32], state: &mut [f32], noise: Option<&Stream>) -> Result<()> {
    if estimate.len() != state.len() {
        return Err(Error::new(Code::Internal, "a sampler step got an estimate and a state of different lengths")
            .expected(format!("{} values", state.len()))
            .received(format!("{} values", estimate.len())));
    }
    if coefficients.noise != 0.0 && noise.is_none() {
        return Err(Error::new(Code::Internal, "a stochastic sampler step got no stream of noise")
            .hint("ask for the coefficients with `stochastic: false` to leave the noise out"));
    }
    for (k, (z, u)) in state.iter_mut().zip(estimate).enumerate() {
        let drift = coefficients.estimate * f64::from(*u) + coefficients.state * f64::from(*z);
        let fresh = match noise {
            Some(stream) if coefficients.noise != 0.0 => coefficients.noise * stream.normal(k as u32),
            _ => 0.0,
        };
        *z = (drift + fresh) as f32;
    }
    Ok(())
}

/// The start of the chain, z_0 ~ N(0, I): element k is the normal deviate of `stream` at index k.
pub fn initial_state(stream: &Stream, out: &mut [f32]) {
    for (k, value) in out.iter_mut().enumerate() {
        *value = stream.normal(k as u32) as f32;
    }
}
