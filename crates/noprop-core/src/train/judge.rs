//! What a net is trained on, as the processor draws it, and the loss of its estimate with the gradient.

use super::Plan;
use super::values::{PutSlots, first_value};
use crate::error::Result;
use crate::method::{CrossEntropy, Draw, Drawn, Judged, Loss, Method, Posterior, WeightedSquares};
use crate::ops::apply;
use crate::ops::squared_error::SquaredError;
use crate::tensor::{Buffer, Slot};
use candle_core::Tensor;

/// Room that a method's own tensors need, so that no step has to make it.
pub(super) struct OwnRoom {
    pub gradients: Vec<f64>,
    pub estimate: Vec<f64>,
    /// Of the estimate, where the method judges it.
    pub gradient: Vec<f64>,
    pub z_gradient: Vec<f64>,
    pub room: Vec<f64>,
}

impl OwnRoom {
    /// For `own` values of a method's own tensors and batches of `capacity` samples, whose estimates have `estimate` values.
    pub fn new(plan: &Plan, method: &dyn Method, own: usize, estimate: usize) -> Self {
        let (capacity, width) = (plan.options.batch_size(), plan.model.vectors.width());
        let rows = |width: usize| if own > 0 { capacity * width } else { 0 };
        let judged = if method.loss() == Loss::Own { rows(estimate) } else { 0 };
        Self {
            gradients: vec![0.0; own],
            estimate: Vec::with_capacity(rows(estimate)),
            gradient: vec![0.0; judged],
            z_gradient: Vec::with_capacity(rows(width)),
            room: vec![0.0; 2 * (width + plan.model.config.classes.len())],
        }
    }
}

/// Draws what a step is trained on; each sample counts as its class does.
pub(super) fn draw(method: &dyn Method, draw: &Draw<'_>, class_weights: Option<&[f64]>, to: &mut Drawn) {
    if class_weights.is_some() {
        to.weights.fill(1.0);
    }
    method.draw(draw, to);
    if let Some(by_class) = class_weights {
        let weights = to.weights.iter_mut().zip(draw.classes);
        weights.for_each(|(weight, class)| *weight *= by_class[*class as usize]);
    }
}

/// What is judged.
pub(super) struct Answer<'a> {
    pub plan: &'a Plan,
    pub method: &'a dyn Method,
    pub draw: &'a Draw<'a>,
    pub drawn: &'a Drawn,
    /// Values of an estimate.
    pub width: usize,
    /// Factors of the losses of classes, which those of `drawn` have in them already.
    pub class_weights: Option<&'a [f64]>,
}

impl Answer<'_> {
    /// The batch's mean loss. Writes its gradient by the estimate; `loss` is room for a value.
    pub fn judge(&self, estimate: &Tensor, gradient: &Buffer, loss: &Buffer, own: &mut OwnRoom) -> Result<f64> {
        let Self { plan, method, draw, drawn, width, class_weights } = *self;
        let Draw { job, classes, samples, .. } = *draw;
        let (samples, weight) = (samples.len(), plan.weight(job));
        match method.loss() {
            Loss::SquaredToClass if class_weights.is_none() => {
                let error = SquaredError { classes, width };
                error.forward(loss, estimate)?;
                error.backward(gradient, estimate, weight)?;
                first_value(loss)
            }
            Loss::Squared | Loss::SquaredToClass => {
                let Drawn { targets, weights, .. } = drawn;
                WeightedSquares { targets, weights, weight, samples, width }.run(gradient, estimate)
            }
            Loss::Posterior { sigma } => {
                let op = Posterior { classes, vectors: &plan.model.vectors, sigma };
                op.run(gradient, estimate, &mut own.room)
            }
            Loss::Own => {
                let OwnRoom { estimate, gradient: values, gradients, room, .. } = own;
                let len = samples * width;
                let judged = Judged { estimate, gradient: &mut values[..len], gradients, weight, room };
                let loss = method.judge(draw, drawn, judged);
                apply(&PutSlots { slots: &[Slot { offset: 0, len }], values }, gradient, [])?;
                Ok(loss)
            }
            Loss::CrossEntropy => {
                // A head says what is likely, which smoothed labels would not.
                let smoothing = if plan.model.head_of(job).is_some() { 0.0 } else { plan.options.label_smoothing };
                CrossEntropy { classes, width, smoothing, weights: class_weights }.run(gradient, estimate)
            }
        }
    }
}
