//! The definition, in plain loops. Rows are copied as they lie: there is nothing to speed up.

use super::CopyColumns;
use crate::tensor::Real;

/// y[row, to_offset..] = x[row, from_offset..], or += that
#[inline(always)]
pub fn copy<T: Real>(op: &CopyColumns, y: &mut [T], x: &[T]) {
    for row in 0..op.rows {
        let (to, from) = (row * op.to_stride + op.to_offset, row * op.from_stride + op.from_offset);
        let (y, x) = (&mut y[to..to + op.width], &x[from..from + op.width]);
        if op.add {
            for (y, x) in y.iter_mut().zip(x) {
                *y += *x;
            }
        } else {
            y.copy_from_slice(x);
        }
    }
}
