use super::SquaredError;
use crate::ops::testing::{assert_close, assert_gradient, normal, poisoned, tensor, values};

#[test]
fn loss_of_a_known_batch() {
    let op = SquaredError { classes: &[1, 0], width: 2 };
    let loss = poisoned::<f32>(1);
    op.forward(&loss, &tensor::<f32>(&[0.0, 1.0, 0.5, 0.5])).unwrap();
    assert_close("loss", &values(&loss), &[0.25], 1e-7);
}

#[test]
fn gradient_equals_finite_differences() {
    let op = SquaredError { classes: &[2, 0, 1], width: 4 };
    let estimate = normal(1, 12);
    let gradient = poisoned::<f64>(12);
    op.backward(&gradient, &tensor::<f64>(&estimate), 0.7).unwrap();
    assert_gradient("estimate", &estimate, &values(&gradient), |estimate| {
        let loss = poisoned::<f64>(1);
        op.forward(&loss, &tensor::<f64>(estimate)).unwrap();
        0.7 * values(&loss)[0]
    });
}

#[test]
fn a_class_outside_the_width_is_refused() {
    let op = SquaredError { classes: &[4], width: 4 };
    assert!(op.forward(&poisoned::<f32>(1), &tensor::<f32>(&[0.0; 4])).is_err());
}
