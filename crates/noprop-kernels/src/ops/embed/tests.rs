use super::Embed;
use crate::ops::testing::{assert_gradient, inner, normal, poisoned, tensor, values};

fn run(from: &[f64], rows: &[f64], is_transposed: bool) -> Vec<f64> {
    let op = Embed { samples: 2, classes: 3, width: 4, is_transposed };
    let to = poisoned::<f64>(2 * op.sizes().1 + 1);
    op.forward(&to, &tensor::<f64>(from), &tensor::<f64>(rows)).unwrap();
    let mut to = values(&to);
    assert!(to.pop().unwrap().is_nan(), "wrote past the last value");
    to
}

#[test]
fn a_class_has_its_row() {
    let rows: Vec<f64> = (0..12).map(f64::from).collect();
    let found = run(&[0.0, 1.0, 0.0, 0.5, 0.0, 0.5], &rows, false);
    assert_eq!(found, [4.0, 5.0, 6.0, 7.0, 4.0, 5.0, 6.0, 7.0]);
}

#[test]
fn the_gradient_equals_finite_differences() {
    let (shares, rows, dy) = (normal(1, 6), normal(2, 12), normal(3, 8));
    assert_gradient("shares", &shares, &run(&dy, &rows, true), |shares| inner(&dy, &run(shares, &rows, false)));
}

#[test]
fn rows_that_are_missing_are_refused() {
    let op = Embed { samples: 1, classes: 2, width: 2, is_transposed: false };
    // A clone would share the storage, which is locked while it is written to.
    let [to, from] = [0.0; 2].map(|value| tensor::<f64>(&[value; 2]));
    assert!(op.forward(&to, &from, &tensor::<f64>(&[0.0; 3])).is_err());
    op.forward(&to, &from, &tensor::<f64>(&[0.0; 4])).unwrap();
}
