use super::TimeFeatures;
use crate::ops::testing::{assert_close, poisoned, tensor, values};
use crate::tensor::Real;
use candle_core::WithDType;

fn run<T: Real + WithDType>(width: usize, time: &[f64]) -> Vec<f64> {
    let y = poisoned::<T>(time.len() * width + 1);
    TimeFeatures { samples: time.len(), width }.forward(&y, &tensor::<T>(time)).unwrap();
    let mut y = values(&y);
    assert!(y.pop().unwrap().is_nan(), "wrote past the last value");
    y
}

#[test]
fn cosines_stand_before_sines_and_frequencies_fall_by_powers() {
    use crate::math::{cos, sin};
    // 1000 · 0.25, and a hundredth of that: 10000^(−1/2).
    let expected = [cos(250.0), cos(2.5), sin(250.0), sin(2.5), 1.0, 1.0, 0.0, 0.0];
    assert_close("y", &run::<f64>(4, &[0.25, 0.0]), &expected, 1e-13);
}

#[test]
fn single_precision_loses_nothing_but_the_last_rounding() {
    // Exact in f32.
    let time = [0.0, 0.25, 0.625, 0.998_046_875, 1.0];
    assert_close("y", &run::<f32>(34, &time), &run::<f64>(34, &time), 6e-8);
}

#[test]
fn an_odd_number_of_features_is_refused() {
    let op = TimeFeatures { samples: 1, width: 3 };
    assert!(op.forward(&poisoned::<f32>(3), &tensor::<f32>(&[0.5])).is_err());
}
