//! The definition: rows of patches are copied as they lie. There is nothing to speed up.

use super::Patches;
use crate::tensor::Real;

/// Where each row of a patch lies among the tokens and in the images; it has patch · channels values. Tokens are walked as they
/// lie.
fn each_row(op: &Patches, mut work: impl FnMut(usize, usize)) {
    let Patches { height, width, channels, patch, .. } = *op;
    let row_len = patch * channels;
    let mut token_row = 0;
    for row in (0..op.samples * height).step_by(patch) {
        for column in (0..width).step_by(patch) {
            for inside in row..row + patch {
                work(token_row, (inside * width + column) * channels);
                token_row += row_len;
            }
        }
    }
}

/// y[token (i, j), (r, c), channel] = x[i · p + r, j · p + c, channel]
pub fn forward<T: Real>(op: &Patches, y: &mut [T], x: &[T]) {
    let len = op.patch * op.channels;
    each_row(op, |token, pixel| y[token..token + len].copy_from_slice(&x[pixel..pixel + len]));
}

/// dx[i · p + r, j · p + c, channel] = dy[token (i, j), (r, c), channel]
pub fn backward<T: Real>(op: &Patches, dx: &mut [T], dy: &[T]) {
    let len = op.patch * op.channels;
    each_row(op, |token, pixel| dx[pixel..pixel + len].copy_from_slice(&dy[token..token + len]));
}
