use super::Positions;
use crate::ops::simd;
use crate::ops::testing::{assert_close, assert_gradient, inner, normal, poisoned, slot, tensor, values};
use crate::tensor::Real;
use candle_core::WithDType;

/// y and the parameter's gradient, of flat buffers with a value more at each end.
fn run<T: Real + WithDType>(samples: usize, x: &[f64], parameter: &[f64], dy: &[f64]) -> [Vec<f64>; 2] {
    let len = parameter.len();
    let op = Positions { samples, len, parameter: slot(1, len) };
    let y = tensor::<T>(&[x, &[7.0]].concat());
    op.forward(&y, &tensor::<T>(&[&[f64::NAN], parameter, &[f64::NAN]].concat())).unwrap();
    let gradients = poisoned::<T>(len + 2);
    op.backward_weights(&gradients, &tensor::<T>(&[dy, &[f64::NAN]].concat())).unwrap();
    let (mut y, gradients) = (values(&y), values(&gradients));
    assert_eq!(y.pop(), Some(7.0));
    assert!(gradients[0].is_nan() && gradients[len + 1].is_nan());
    [y, gradients[1..=len].to_vec()]
}

#[test]
fn fast_path_equals_reference_on_odd_shapes() {
    for (samples, len) in [(1, 1), (2, 5), (7, 33), (96, 17), (3, 200)] {
        let (x, parameter, dy) = (normal(1, samples * len), normal(2, len), normal(3, samples * len));
        let reference = run::<f64>(samples, &x, &parameter, &dy);
        simd::with_each(|set| {
            for (fast, reference) in run::<f32>(samples, &x, &parameter, &dy).iter().zip(&reference) {
                assert_close(&format!("[{samples}, {len}], {set:?}"), fast, reference, 2e-6);
            }
        });
    }
}

#[test]
fn gradient_equals_finite_differences() {
    let (x, parameter, dy) = (normal(1, 12), normal(2, 4), normal(3, 12));
    let [_, gradient] = run::<f64>(3, &x, &parameter, &dy);
    assert_gradient("parameter", &parameter, &gradient, |p| inner(&dy, &run::<f64>(3, &x, p, &dy)[0]));
}
