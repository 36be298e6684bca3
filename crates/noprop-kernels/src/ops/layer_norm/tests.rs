use super::{Affine, LayerNorm, ModulatedNorm};
use crate::ops::simd;
use crate::ops::testing::{assert_close, assert_gradient, inner, normal, poisoned, slot, tensor, values};
use crate::tensor::Real;
use candle_core::WithDType;

/// Flat buffers are `[bias | weight]`.
fn op(rows: usize, width: usize, affine: bool) -> LayerNorm {
    let affine = affine.then(|| Affine { weight: slot(width, width), bias: slot(0, width) });
    LayerNorm { rows, width, affine }
}

/// y, dx, the gradients of the parameters.
fn run<T: Real + WithDType>(op: LayerNorm, x: &[f64], state: &[f64], dy: &[f64]) -> [Vec<f64>; 3] {
    let (y, dx, statistics) = (poisoned::<T>(x.len()), poisoned::<T>(x.len()), poisoned::<T>(2 * op.rows));
    let gradients = poisoned::<T>(2 * op.width);
    let (x, state, dy) = (tensor::<T>(x), tensor::<T>(state), tensor::<T>(dy));
    op.forward([&y, &statistics], &x, &state).unwrap();
    op.backward_data(&dx, [&dy, &x, &statistics, &state]).unwrap();
    op.backward_weights(&gradients, [&dy, &x, &statistics]).unwrap();
    let gradients = if op.affine.is_some() { values(&gradients) } else { Vec::new() };
    [values(&y), values(&dx), gradients]
}

/// y, dx, the gradient of the modulation.
fn run_modulated<T: Real + WithDType>(op: ModulatedNorm, x: &[f64], modulation: &[f64], dy: &[f64]) -> [Vec<f64>; 3] {
    let (y, dx, statistics) = (poisoned::<T>(x.len()), poisoned::<T>(x.len()), poisoned::<T>(2 * op.rows));
    let d_modulation = poisoned::<T>(modulation.len());
    let (x, modulation, dy) = (tensor::<T>(x), tensor::<T>(modulation), tensor::<T>(dy));
    op.forward([&y, &statistics], &x, &modulation).unwrap();
    op.backward_data(&dx, [&dy, &x, &statistics, &modulation]).unwrap();
    op.backward_modulation(&d_modulation, [&dy, &x, &statistics]).unwrap();
    [values(&y), values(&dx), values(&d_modulation)]
}

#[test]
fn fast_path_equals_reference_on_odd_shapes() {
    for (rows, width) in [(1, 2), (3, 5), (7, 33), (65, 16), (4, 100)] {
        for affine in [false, true] {
            let op = op(rows, width, affine);
            let (x, state, dy) = (normal(1, rows * width), normal(2, 2 * width), normal(3, rows * width));
            let reference = run::<f64>(op, &x, &state, &dy);
            simd::with_each(|set| {
                for (fast, reference) in run::<f32>(op, &x, &state, &dy).iter().zip(&reference) {
                    // Rows of two values may lie close together, where 1/σ magnifies rounding.
                    let tolerance = if width == 2 { 1e-4 } else { 1e-5 };
                    assert_close(&format!("{op:?}, {set:?}"), fast, reference, tolerance);
                }
            });
        }
    }
}

#[test]
fn fast_modulated_path_equals_reference_on_odd_shapes() {
    for (samples, tokens, width) in [(1, 1, 3), (2, 5, 17), (3, 65, 32), (5, 2, 50)] {
        let op = ModulatedNorm { rows: samples * tokens, width, tokens };
        let len = op.rows * width;
        let (x, modulation, dy) = (normal(1, len), normal(2, 2 * samples * width), normal(3, len));
        let reference = run_modulated::<f64>(op, &x, &modulation, &dy);
        simd::with_each(|set| {
            for (fast, reference) in run_modulated::<f32>(op, &x, &modulation, &dy).iter().zip(&reference) {
                assert_close(&format!("{op:?}, {set:?}"), fast, reference, 1e-5);
            }
        });
    }
}

#[test]
fn gradients_equal_finite_differences() {
    for affine in [false, true] {
        let op = op(3, 5, affine);
        let (x, state, dy) = (normal(1, 15), normal(2, 10), normal(3, 15));
        let [_, dx, gradients] = run::<f64>(op, &x, &state, &dy);
        assert_gradient("dx", &x, &dx, |x| inner(&dy, &run::<f64>(op, x, &state, &dy)[0]));
        if affine {
            assert_gradient("state", &state, &gradients, |state| inner(&dy, &run::<f64>(op, &x, state, &dy)[0]));
        }
    }
    let op = ModulatedNorm { rows: 6, width: 4, tokens: 3 };
    let (x, modulation, dy) = (normal(1, 24), normal(2, 16), normal(3, 24));
    let [_, dx, gradient] = run_modulated::<f64>(op, &x, &modulation, &dy);
    assert_gradient("dx", &x, &dx, |x| inner(&dy, &run_modulated::<f64>(op, x, &modulation, &dy)[0]));
    assert_gradient("modulation", &modulation, &gradient, |modulation| {
        inner(&dy, &run_modulated::<f64>(op, &x, modulation, &dy)[0])
    });
}

#[test]
fn a_row_has_mean_zero_and_deviation_one_and_scale_and_shift_move_it() {
    let [y, ..] = run::<f32>(op(2, 2, false), &[1.0, 3.0, -100.0, 100.0], &[0.0; 4], &[0.0; 4]);
    assert_close("y", &y, &[-1.0, 1.0, -1.0, 1.0], 1e-5);
    let [y, ..] = run::<f32>(op(1, 2, true), &[1.0, 3.0], &[5.0, 6.0, 2.0, 3.0], &[0.0; 2]);
    assert_close("y", &y, &[3.0, 9.0], 1e-5);
    let op = ModulatedNorm { rows: 2, width: 2, tokens: 1 };
    let [y, ..] =
        run_modulated::<f32>(op, &[1.0, 3.0, 3.0, 1.0], &[0.0, 1.0, 5.0, 6.0, -1.0, 0.0, 1.0, 2.0], &[0.0; 4]);
    assert_close("y", &y, &[4.0, 8.0, 1.0, 1.0], 1e-5);
}
