use super::{GlobalMean, Kind, Pool};
use crate::ops::simd;
use crate::ops::testing::{assert_close, assert_gradient, inner, normal, poisoned, tensor, values};
use crate::tensor::Real;
use candle_core::WithDType;

/// y and dx, each with a value behind it that must stay as it is.
fn run<T: Real + WithDType>(op: Pool, x: &[f64], dy: &[f64]) -> [Vec<f64>; 2] {
    let (y, dx) = (poisoned::<T>(op.output_len() + 1), poisoned::<T>(x.len() + 1));
    let (x, dy) = (tensor::<T>(x), tensor::<T>(dy));
    op.forward(&y, &x).unwrap();
    op.backward(&dx, [&dy, &x, &y]).unwrap();
    [y, dx].map(|tensor| without_last(values(&tensor)))
}

fn without_last(mut values: Vec<f64>) -> Vec<f64> {
    assert!(values.pop().unwrap().is_nan(), "wrote past the last value");
    values
}

fn run_global<T: Real + WithDType>(op: GlobalMean, x: &[f64], dy: &[f64]) -> [Vec<f64>; 2] {
    let (y, dx) = (poisoned::<T>(dy.len() + 1), poisoned::<T>(x.len() + 1));
    op.forward(&y, &tensor::<T>(x)).unwrap();
    op.backward(&dx, &tensor::<T>(dy)).unwrap();
    [y, dx].map(|tensor| without_last(values(&tensor)))
}

const KINDS: [Kind; 2] = [Kind::Max, Kind::Mean];

#[test]
fn fast_path_equals_reference_on_odd_shapes() {
    for kind in KINDS {
        for (samples, height, width, channels) in [(1, 2, 2, 1), (2, 5, 7, 3), (3, 4, 6, 17), (1, 1, 3, 2)] {
            let op = Pool { kind, samples, height, width, channels };
            // Single precision, so that equal values are equal in both.
            let x: Vec<f64> = normal(1, op.input_len()).iter().map(|x| f64::from(*x as f32)).collect();
            let dy = normal(2, op.output_len());
            let reference = run::<f64>(op, &x, &dy);
            simd::with_each(|set| {
                for (fast, reference) in run::<f32>(op, &x, &dy).iter().zip(&reference) {
                    assert_close(&format!("{op:?}, {set:?}"), fast, reference, 2e-7);
                }
            });
        }
    }
    for (samples, positions, channels) in [(1, 1, 1), (2, 65, 17), (3, 7, 100)] {
        let op = GlobalMean { samples, positions, channels };
        let (x, dy) = (normal(1, samples * positions * channels), normal(2, samples * channels));
        let reference = run_global::<f64>(op, &x, &dy);
        simd::with_each(|set| {
            for (fast, reference) in run_global::<f32>(op, &x, &dy).iter().zip(&reference) {
                assert_close(&format!("{op:?}, {set:?}"), fast, reference, 1e-6);
            }
        });
    }
}

#[test]
fn gradients_equal_finite_differences() {
    for kind in KINDS {
        let op = Pool { kind, samples: 2, height: 5, width: 4, channels: 2 };
        let (x, dy) = (normal(1, op.input_len()), normal(2, op.output_len()));
        let [_, dx] = run::<f64>(op, &x, &dy);
        assert_gradient("dx", &x, &dx, |x| inner(&dy, &run::<f64>(op, x, &dy)[0]));
    }
    let op = GlobalMean { samples: 2, positions: 3, channels: 2 };
    let (x, dy) = (normal(1, 12), normal(2, 4));
    let [_, dx] = run_global::<f64>(op, &x, &dy);
    assert_gradient("dx", &x, &dx, |x| inner(&dy, &run_global::<f64>(op, x, &dy)[0]));
}

#[test]
fn the_first_of_equals_gets_the_gradient_and_nan_is_not_lost() {
    let op = |kind| Pool { kind, samples: 1, height: 3, width: 4, channels: 1 };
    let x = [1.0, 2.0, 5.0, 5.0, 2.0, 0.0, 5.0, 5.0, 9.0, 9.0, 9.0, 9.0];
    simd::with_each(|_| {
        let [y, dx] = run::<f32>(op(Kind::Max), &x, &[10.0, 20.0]);
        assert_eq!(y, [2.0, 5.0]);
        assert_eq!(dx, [0.0, 10.0, 20.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let [y, dx] = run::<f32>(op(Kind::Mean), &x, &[10.0, 20.0]);
        assert_eq!(y, [1.25, 5.0]);
        assert_eq!(dx, [2.5, 2.5, 5.0, 5.0, 2.5, 2.5, 5.0, 5.0, 0.0, 0.0, 0.0, 0.0]);
        for place in 0..4 {
            let op = Pool { height: 2, width: 2, ..op(Kind::Max) };
            let mut x = [1.0; 4];
            x[place] = f64::NAN;
            assert!(run::<f32>(op, &x, &[1.0])[0][0].is_nan(), "{place}");
        }
    });
}
