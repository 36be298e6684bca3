use super::Embed;
use crate::ops::testing::{assert_gradient, inner, normal, poisoned, tensor, values};

fn run(from: &[f64], rows: &[f64], is_transposed: bool) -> Vec<f64> {
    let op = Embed { samples: 2, classes: 3, width: 4, offset: 0, is_transposed };
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

/// The gradient of embeddings that lie among other values: the first product writes it, a further one adds its own.
#[test]
fn the_gradient_of_the_embeddings_equals_finite_differences() {
    let op = Embed { samples: 2, classes: 3, width: 4, offset: 2, is_transposed: false };
    let (state, dy) = (normal(2, 15), [normal(3, 8), normal(4, 8)]);
    let shares = [normal(5, 6), normal(6, 6)];
    let product = |from: &[f64], state: &[f64]| {
        let to = poisoned::<f64>(8);
        op.forward(&to, &tensor::<f64>(from), &tensor::<f64>(state)).unwrap();
        values(&to)
    };
    let gradients = tensor::<f64>(&[7.0; 15]);
    for (use_of, (shares, dy)) in shares.iter().zip(&dy).enumerate() {
        op.backward_rows(&gradients, &tensor::<f64>(shares), &tensor::<f64>(dy), use_of > 0).unwrap();
    }
    let found = values(&gradients);
    assert!(found[..2].iter().chain(&found[14..]).all(|value| *value == 7.0), "wrote beside the embeddings");
    let loss = |rows: &[f64]| {
        let state = [&state[..2], rows, &state[14..]].concat();
        shares.iter().zip(&dy).map(|(shares, dy)| inner(dy, &product(shares, &state))).sum()
    };
    assert_gradient("embeddings", &state[2..14], &found[2..14], loss);
    assert!(
        op.backward_rows(&tensor::<f64>(&[0.0; 13]), &tensor::<f64>(&shares[0]), &tensor::<f64>(&dy[0]), false)
            .is_err()
    );
}

#[test]
fn rows_that_are_missing_are_refused() {
    let op = Embed { samples: 1, classes: 2, width: 2, offset: 0, is_transposed: false };
    // A clone would share the storage, which is locked while it is written to.
    let [to, from] = [0.0; 2].map(|value| tensor::<f64>(&[value; 2]));
    assert!(op.forward(&to, &from, &tensor::<f64>(&[0.0; 3])).is_err());
    op.forward(&to, &from, &tensor::<f64>(&[0.0; 4])).unwrap();
}
