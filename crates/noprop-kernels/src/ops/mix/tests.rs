use super::Mix;
use crate::ops::testing::{assert_close, assert_gradient, inner, normal, poisoned, tensor, values};
use crate::tensor::Slot;

const OP: Mix = Mix { len: 6, slot: Slot { offset: 1, len: 1 } };

fn forward(z: &[f64], estimate: &[f64], state: &[f64]) -> Vec<f64> {
    let y = poisoned::<f64>(7);
    OP.forward(&y, &tensor::<f64>(z), &tensor::<f64>(estimate), &tensor::<f64>(state)).unwrap();
    let mut y = values(&y);
    assert!(y.pop().unwrap().is_nan(), "wrote past the last value");
    y
}

#[test]
fn a_share_of_the_way_is_gone() {
    let found = forward(&[1.0; 6], &[3.0; 6], &[9.0, 0.5_f64.atanh(), 9.0]);
    assert_close("state", &found, &[2.0; 6], 1e-12);
}

#[test]
fn gradients_equal_finite_differences() {
    let (z, estimate, dy, state) = (normal(1, 6), normal(2, 6), normal(3, 6), normal(4, 3));
    let backward = |of_estimate| {
        let dx = poisoned::<f64>(6);
        OP.backward(&dx, &tensor::<f64>(&dy), &tensor::<f64>(&state), of_estimate).unwrap();
        values(&dx)
    };
    assert_gradient("z", &z, &backward(false), |z| inner(&dy, &forward(z, &estimate, &state)));
    assert_gradient("estimate", &estimate, &backward(true), |estimate| inner(&dy, &forward(&z, estimate, &state)));
    let gradients = tensor::<f64>(&[0.0; 3]);
    let [dy_there, z_there, estimate_there, state_there] =
        [&dy, &z, &estimate, &state].map(|values| tensor::<f64>(values));
    OP.backward_share(&gradients, &dy_there, &z_there, &estimate_there, &state_there).unwrap();
    assert_gradient("state", &state, &values(&gradients), |state| inner(&dy, &forward(&z, &estimate, state)));
}

#[test]
fn a_share_that_is_not_there_is_refused() {
    let op = Mix { slot: Slot { offset: 3, len: 1 }, ..OP };
    // A clone would share the storage, which is locked while it is written to.
    let [y, z, estimate] = [0.0; 3].map(|value| tensor::<f64>(&[value; 6]));
    assert!(op.forward(&y, &z, &estimate, &tensor::<f64>(&[0.0; 3])).is_err());
    OP.forward(&y, &z, &estimate, &tensor::<f64>(&[0.0; 3])).unwrap();
}
