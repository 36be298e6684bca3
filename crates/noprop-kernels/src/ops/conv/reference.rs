//! The definition, in plain loops. Factors are rounded to the operation's precision.

use super::{Conv, Dims};
use crate::tensor::Real;

/// y[b, r, c, o] = bias[o] + Σ_{i, j, k} x[b, stride · r + i − pad, stride · c + j − pad, k] · w[i, j, k, o]
pub fn forward<T: Real>(op: &Conv<'_>, y: &mut [T], x: &[T], weight: &[T], bias: Option<&[T]>) {
    let (d, factor) = (&op.dims, |value| op.precision.factor(value));
    for pixel in y.chunks_exact_mut(d.cout) {
        match bias {
            Some(bias) => pixel.copy_from_slice(bias),
            None => pixel.fill(T::zero()),
        }
    }
    for_each_product(d, op.samples, |x_at, w_at, y_at| {
        for o in 0..d.cout {
            for k in 0..d.cin {
                y[y_at + o] += factor(x[x_at + k]) * factor(weight[w_at + k * d.cout + o]);
            }
        }
    });
}

/// dx of every pixel of x under a tap += dy[b, r, c, o] · w[i, j, k, o]
pub fn backward_data<T: Real>(op: &Conv<'_>, dx: &mut [T], dy: &[T], weight: &[T]) {
    let (d, factor) = (&op.dims, |value| op.precision.factor(value));
    dx.fill(T::zero());
    for_each_product(d, op.samples, |x_at, w_at, y_at| {
        for k in 0..d.cin {
            for o in 0..d.cout {
                dx[x_at + k] += factor(dy[y_at + o]) * factor(weight[w_at + k * d.cout + o]);
            }
        }
    });
}

/// dw[i, j, k, o] = Σ_{b, r, c} of x under the tap · dy[b, r, c, o]
pub fn backward_weights<T: Real>(op: &Conv<'_>, dw: &mut [T], x: &[T], dy: &[T]) {
    let (d, factor) = (&op.dims, |value| op.precision.factor(value));
    dw.fill(T::zero());
    for_each_product(d, op.samples, |x_at, w_at, y_at| {
        for k in 0..d.cin {
            for o in 0..d.cout {
                dw[w_at + k * d.cout + o] += factor(x[x_at + k]) * factor(dy[y_at + o]);
            }
        }
    });
}

/// Calls visit(where the pixel of x begins, where the tap's weights begin, where the pixel of y begins) for every tap of every
/// pixel of y that lies inside of x.
fn for_each_product(d: &Dims, samples: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let inside =
        |out: usize, tap: usize, side: usize| (out * d.stride + tap).checked_sub(d.pad()).filter(|place| *place < side);
    for pixel in 0..samples * d.out_pixels() {
        let (sample, within) = (pixel / d.out_pixels(), pixel % d.out_pixels());
        for tap in 0..d.kernel * d.kernel {
            let row = inside(within / d.out_width(), tap / d.kernel, d.height);
            let column = inside(within % d.out_width(), tap % d.kernel, d.width);
            if let (Some(row), Some(column)) = (row, column) {
                let x_at = ((sample * d.height + row) * d.width + column) * d.cin;
                visit(x_at, tap * d.cin * d.cout, pixel * d.cout);
            }
        }
    }
}
