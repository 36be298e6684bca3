use super::Relu;
use crate::ops::testing::{tensor, values};
use crate::tensor::Real;
use candle_core::WithDType;

fn run<T: Real + WithDType>() {
    let x = [-2.0, 0.0, 3.0, -0.5, 1.0];
    let y = tensor::<T>(&x);
    let op = Relu { len: 4 };
    op.forward(&y).unwrap();
    // The fifth value is outside of the batch.
    assert_eq!(values(&y), [0.0, 0.0, 3.0, 0.0, 1.0]);
    let dy = tensor::<T>(&[1.0, 1.0, 1.0, 1.0, 1.0]);
    op.backward(&dy, &y, 1.25).unwrap();
    // The gradient at 0 is 0 (candle's autograd says 1).
    assert_eq!(values(&dy), [0.0, 0.0, 1.25, 0.0, 1.0]);
}

#[test]
fn forward_and_backward() {
    run::<f32>();
    run::<f64>();
}
