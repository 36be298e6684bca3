use super::MaxPool2;
use crate::ops::Real;
use crate::ops::testing::{assert_gradient, inner, normal, poisoned, tensor, values};
use candle_core::WithDType;

fn run<T: Real + WithDType>(op: MaxPool2, x: &[f64], dy: &[f64]) -> [Vec<f64>; 2] {
    let (x, y) = (tensor::<T>(x), poisoned::<T>(op.samples * op.output()));
    op.forward(&y, &x).unwrap();
    op.backward(&x, &tensor::<T>(dy)).unwrap();
    [values(&y), values(&x)]
}

#[test]
fn fast_path_equals_reference_on_odd_shapes() {
    for (samples, height, width, channels) in [(1, 2, 2, 1), (2, 3, 3, 5), (3, 9, 9, 7), (1, 5, 4, 33), (2, 26, 26, 3)]
    {
        let op = MaxPool2 { samples, height, width, channels };
        // Halves, so that windows hold equal values and f32 is exact.
        let x: Vec<f64> = normal(1, samples * op.input()).iter().map(|x| (x * 2.0).round() / 2.0).collect();
        let dy: Vec<f64> = normal(2, samples * op.output()).iter().map(|x| f64::from(*x as f32)).collect();
        assert_eq!(run::<f32>(op, &x, &dy), run::<f64>(op, &x, &dy), "{op:?}");
    }
}

#[test]
fn the_gradient_of_a_unique_maximum_arrives_whole() {
    // candle's autograd hands on a quarter of it.
    let op = MaxPool2 { samples: 1, height: 2, width: 2, channels: 1 };
    assert_eq!(run::<f32>(op, &[1.0, 4.0, 2.0, 3.0], &[8.0])[1], [0.0, 8.0, 0.0, 0.0]);
    assert_eq!(run::<f32>(op, &[4.0, 4.0, 2.0, 4.0], &[8.0])[1], [8.0, 0.0, 0.0, 0.0]);
}

#[test]
fn gradient_equals_finite_differences() {
    let op = MaxPool2 { samples: 2, height: 5, width: 4, channels: 3 };
    let (x, dy) = (normal(1, 2 * op.input()), normal(2, 2 * op.output()));
    let [_, dx] = run::<f64>(op, &x, &dy);
    assert_gradient("dx", &x, &dx, |x| inner(&dy, &run::<f64>(op, x, &dy)[0]));
}
