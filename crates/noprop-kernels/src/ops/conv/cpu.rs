//! The fast paths: which one, for which shape.

use super::{Conv, product, winograd};
use crate::error::Result;

/// See [`Conv::forward`].
pub fn forward(op: &Conv<'_>, y: &mut [f32], x: &[f32], parameters: (&[f32], Option<&[f32]>)) -> Result<()> {
    if winograd::suits(&op.dims) {
        winograd::forward(op, y, x, parameters)
    } else {
        product::forward(op, y, x, parameters)
    }
}

/// See [`Conv::backward_data`].
pub fn backward_data(op: &Conv<'_>, dx: &mut [f32], dy: &[f32], weight: &[f32]) -> Result<()> {
    if winograd::suits(&op.dims) {
        winograd::backward_data(op, dx, dy, weight)
    } else {
        product::backward_data(op, dx, dy, weight)
    }
}

/// The weight's part of [`Conv::backward_weights`].
pub fn backward_weights(op: &Conv<'_>, dw: &mut [f32], x: &[f32], dy: &[f32]) -> Result<()> {
    if winograd::suits(&op.dims) {
        winograd::backward_weights(op, dw, x, dy)
    } else {
        product::backward_weights(op, dw, x, dy)
    }
}
