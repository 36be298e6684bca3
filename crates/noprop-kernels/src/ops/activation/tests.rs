use super::{Activation, Kind};
use crate::ops::simd;
use crate::ops::testing::{assert_close, assert_gradient, inner, normal, poisoned, tensor, values};
use crate::tensor::Real;
use candle_core::WithDType;

const KINDS: [Kind; 2] = [Kind::Gelu, Kind::Silu];

/// y and dx of all values but the last.
fn run<T: Real + WithDType>(kind: Kind, x: &[f64], dy: &[f64]) -> [Vec<f64>; 2] {
    let op = Activation { kind, len: x.len() - 1 };
    let (y, dx) = (poisoned::<T>(x.len()), poisoned::<T>(x.len()));
    op.forward(&y, &tensor::<T>(x)).unwrap();
    op.backward(&dx, &tensor::<T>(dy), &tensor::<T>(x)).unwrap();
    [y, dx].map(|tensor| {
        let mut values = values(&tensor);
        assert!(values.pop().unwrap().is_nan(), "wrote past the last value");
        values
    })
}

#[test]
fn fast_path_equals_reference_on_odd_lengths() {
    for kind in KINDS {
        for len in [1, 2, 8, 17, 65, 1000] {
            let x: Vec<f64> = normal(1, len).iter().map(|x| 4.0 * x).collect();
            let dy = normal(2, len);
            let reference = run::<f64>(kind, &x, &dy);
            simd::with_each(|set| {
                for (fast, reference) in run::<f32>(kind, &x, &dy).iter().zip(&reference) {
                    assert_close(&format!("{kind:?}, {len} values, {set:?}"), fast, reference, 1e-6);
                }
            });
        }
    }
}

#[test]
fn great_values_and_nan_survive() {
    let x = [0.0, 60.0, -60.0, 1e15, -1e15, f64::NAN, 0.0];
    for kind in KINDS {
        simd::with_each(|_| {
            let [y, dx] = run::<f32>(kind, &x, &[1.0; 7]);
            assert_close("y", &y[..5], &[0.0, 60.0, 0.0, f64::from(1e15_f32), 0.0], 1e-6);
            assert_close("dx", &dx[..5], &[0.5, 1.0, 0.0, 1.0, 0.0], 1e-6);
            assert!(y[5].is_nan() && dx[5].is_nan());
        });
    }
}

#[test]
fn gradient_equals_finite_differences() {
    for kind in KINDS {
        let (x, dy) = (normal(1, 12), [&normal(2, 11)[..], &[0.0]].concat());
        let [_, dx] = run::<f64>(kind, &x, &dy);
        assert_gradient("dx", &x[..11], &dx, |x| inner(&dy[..11], &run::<f64>(kind, &[x, &[0.0]].concat(), &dy)[0]));
    }
}

#[test]
fn gelu_is_the_form_with_tanh() {
    let tanh = |u: f64| 1.0 - 2.0 / (1.0 + crate::math::exp(2.0 * u));
    let x = normal(1, 10);
    let expected: Vec<f64> = x[..9]
        .iter()
        .map(|x| 0.5 * x * (1.0 + tanh((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x))))
        .collect();
    assert_close("y", &run::<f64>(Kind::Gelu, &x, &x)[0], &expected, 1e-14);
}
