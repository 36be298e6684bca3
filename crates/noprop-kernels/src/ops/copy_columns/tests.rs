use super::CopyColumns;
use crate::ops::simd;
use crate::ops::testing::{assert_gradient, inner, normal, poisoned, tensor, values};
use crate::tensor::Real;
use candle_core::WithDType;

fn copies<T: Real + WithDType>() {
    let op = CopyColumns { rows: 2, width: 2, from_stride: 3, from_offset: 1, to_stride: 4, to_offset: 1, add: false };
    let (y, x) = (poisoned::<T>(9), tensor::<T>(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    op.forward(&y, &x).unwrap();
    let y = values(&y);
    assert_eq!((y[1], y[2], y[5], y[6]), (2.0, 3.0, 5.0, 6.0));
    assert!([0, 3, 4, 7, 8].iter().all(|i| y[*i].is_nan()), "{y:?}");
    let dx = tensor::<T>(&[1.0; 6]);
    let dy = tensor::<T>(&[0.0, 10.0, 20.0, 0.0, 0.0, 30.0, 40.0, 0.0]);
    CopyColumns { add: true, ..op }.backward(&dx, &dy).unwrap();
    assert_eq!(values(&dx), [1.0, 11.0, 21.0, 1.0, 31.0, 41.0]);
    // A source that serves all rows.
    let y = tensor::<T>(&[0.0; 8]);
    CopyColumns { from_stride: 0, ..op }.forward(&y, &x).unwrap();
    assert_eq!(values(&y), [0.0, 2.0, 3.0, 0.0, 0.0, 2.0, 3.0, 0.0]);
}

#[test]
fn columns_are_copied_or_added_and_nothing_else_changes() {
    simd::with_each(|_| {
        copies::<f32>();
        copies::<f64>();
    });
}

#[test]
fn gradient_equals_finite_differences() {
    for add in [false, true] {
        let op = CopyColumns { rows: 3, width: 2, from_stride: 4, from_offset: 2, to_stride: 3, to_offset: 1, add };
        let (x, y, dy) = (normal(1, 12), normal(2, 9), normal(3, 9));
        let forward = |x: &[f64]| {
            let y = tensor::<f64>(&y);
            op.forward(&y, &tensor::<f64>(x)).unwrap();
            values(&y)
        };
        let dx = tensor::<f64>(&[0.0; 12]);
        op.backward(&dx, &tensor::<f64>(&dy)).unwrap();
        assert_gradient("dx", &x, &values(&dx), |x| inner(&dy, &forward(x)));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let op = CopyColumns { rows: 2, width: 2, from_stride: 2, from_offset: 0, to_stride: 2, to_offset: 1, add: false };
    let x = tensor::<f32>(&[0.0; 4]);
    assert!(op.forward(&tensor::<f32>(&[0.0; 4]), &x).is_err());
    assert!(op.forward(&tensor::<f32>(&[0.0; 5]), &x).is_ok());
    // Rows of the destination that overlap.
    assert!(CopyColumns { to_stride: 1, ..op }.forward(&tensor::<f32>(&[0.0; 5]), &x).is_err());
}
