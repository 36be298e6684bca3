use super::Mul;
use crate::ops::simd;
use crate::ops::testing::{assert_close, assert_gradient, inner, normal, poisoned, tensor, values};
use crate::tensor::Real;
use candle_core::WithDType;

fn run<T: Real + WithDType>(a: &[f64], b: &[f64]) -> Vec<f64> {
    let y = poisoned::<T>(a.len() + 1);
    Mul { len: a.len() }.forward(&y, &tensor::<T>(a), &tensor::<T>(b)).unwrap();
    let mut y = values(&y);
    assert!(y.pop().unwrap().is_nan(), "wrote past the last value");
    y
}

#[test]
fn fast_path_equals_reference_on_odd_lengths() {
    for len in [1, 7, 16, 33, 500] {
        let (a, b) = (normal(1, len), normal(2, len));
        let reference = run::<f64>(&a, &b);
        simd::with_each(|set| assert_close(&format!("{len}, {set:?}"), &run::<f32>(&a, &b), &reference, 2e-7));
    }
}

#[test]
fn gradient_equals_finite_differences() {
    let (a, b, dy) = (normal(1, 6), normal(2, 6), normal(3, 6));
    assert_gradient("a", &a, &run::<f64>(&dy, &b), |a| inner(&dy, &run::<f64>(a, &b)));
    assert_gradient("b", &b, &run::<f64>(&dy, &a), |b| inner(&dy, &run::<f64>(&a, b)));
}
