//! A linear head that reads the class off a state, as a method's own tensors: the weight `[classes, classes]`, by inputs, and the bias.

use crate::math::{exp, ln};
use crate::net::layout::{Init, OwnTensor};

/// Its tensors; it begins as the nearest one-hot embedding.
pub(super) fn tensors(width: usize) -> Vec<OwnTensor> {
    let head = |name, shape, init| OwnTensor { layer: "class_head", name, shape, init };
    let weight = head("weight", vec![width, width], Init::Identity(width));
    vec![weight, head("bias", vec![width], Init::Constant(0.0))]
}

/// Weight and bias among its values.
pub(super) fn parts(own: &[f64], width: usize) -> (&[f64], &[f64]) {
    own[..width * (width + 1)].split_at(width * width)
}

/// Where the gradients of one sample go.
pub(super) struct Pass<'a> {
    /// `[width]`: of the state; written.
    pub by_state: &'a mut [f64],
    /// Of weight and bias; added to.
    pub own: &'a mut [f64],
    /// Samples that the loss is the mean over.
    pub samples: f64,
}

/// −ln softmax(state · weight + bias)_class, and its gradients divided by the number of samples.
pub(super) fn loss(own: &[f64], state: &[f64], class: usize, pass: Pass<'_>) -> f64 {
    let width = state.len();
    let (weight, bias) = parts(own, width);
    let Pass { by_state, own, samples } = pass;
    // Logits, then errors.
    let logit = |j: usize| bias[j] + state.iter().enumerate().map(|(k, z)| z * weight[k * width + j]).sum::<f64>();
    let top = (0..width).map(logit).fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = (0..width).map(|j| exp(logit(j) - top)).sum();
    by_state.fill(0.0);
    for j in 0..width {
        let wanted = f64::from(u8::from(j == class));
        let error = (exp(logit(j) - top) / total - wanted) / samples;
        for (k, z) in state.iter().enumerate() {
            own[k * width + j] += z * error;
            by_state[k] += weight[k * width + j] * error;
        }
        own[width * width + j] += error;
    }
    ln(total) + top - logit(class)
}
