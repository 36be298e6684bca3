use super::{Goodness, Streams};
use crate::math;
use crate::ops::testing::{assert_close, assert_gradient, normal, poisoned, slot, tensor, values};

/// A sample of three values whose class is the second of two; its label stands in the place of the first values, or before them.
#[test]
fn every_stream_carries_its_label() {
    let root = |row: &[f64]| (row.iter().map(|value| value * value).sum::<f64>() / row.len() as f64).sqrt();
    for (before, rest) in [(0, &[7.0][..]), (2, &[5.0, 6.0, 7.0])] {
        let op = Streams { samples: 1, streams: 3, width: 3 + before, before, classes: 2 };
        let y = poisoned::<f64>(3 * op.width);
        op.forward(&y, &tensor::<f64>(&[5.0, 6.0, 7.0]), &tensor::<f64>(&[-1.0, 1.0])).unwrap();
        let expected: Vec<f64> = [[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]]
            .into_iter()
            .flat_map(|label| {
                let row = [&label, rest].concat();
                let root = root(&row);
                row.into_iter().map(move |value| value / root)
            })
            .collect();
        assert_close("streams", &values(&y), &expected, 1e-7);
        let alone = Streams { streams: 1, ..op };
        let y = poisoned::<f64>(op.width);
        alone.forward(&y, &tensor::<f64>(&[5.0, 6.0, 7.0]), &tensor::<f64>(&[0.0, 0.0])).unwrap();
        assert_close("the stream without a label", &values(&y), &expected[2 * op.width..], 1e-7);
    }
}

fn op() -> Goodness {
    Goodness { samples: 2, width: 4, means: slot(1, 4), peer: 0.3 }
}

#[test]
fn rows_have_the_length_of_their_width() {
    let y = poisoned::<f64>(8);
    op().forward(&y, &tensor::<f64>(&[3.0, -9.0, 4.0, 0.0, -1.0, -1.0, -1.0, -1.0]), 2).unwrap();
    assert_close("rows", &values(&y), &[1.2, 0.0, 1.6, 0.0, 0.0, 0.0, 0.0, 0.0], 1e-7);
}

/// The means of `state` moved on by those of a.
fn moved(state: &[f64], a: &[f64]) -> Vec<f64> {
    let state = tensor::<f64>(state);
    op().update_means(&state, &tensor::<f64>(a)).unwrap();
    values(&state)
}

#[test]
fn means_are_those_of_right_labels() {
    // Rows of a right label twice, of a wrong one, of none.
    let rows = [[1.0, -5.0, 2.0, 0.0], [3.0, 1.0, -1.0, 0.0], [9.0; 4], [9.0; 4], [9.0; 4], [9.0; 4]];
    let found = moved(&[7.0, 0.5, 0.5, 0.5, 0.5, 8.0], &rows.concat());
    assert_close("means", &found, &[7.0, 0.65, 0.5, 0.55, 0.45, 8.0], 1e-12);
}

/// Where all values are above 0 the gradient is exactly that of the loss; below 0 it is that of the peer normalisation alone.
#[test]
fn the_gradient_equals_finite_differences() {
    let (op, state) = (op(), normal(1, 6));
    let a: Vec<f64> = normal(2, 16).into_iter().map(|value| value.abs() + 0.1).collect();
    let gradient = |a: &[f64]| {
        let da = poisoned::<f64>(17);
        op.backward(&da, &tensor::<f64>(a), &tensor::<f64>(&moved(&state, a))).unwrap();
        let mut found = values(&da);
        assert!(found.pop().unwrap().is_nan(), "wrote past the last value");
        found
    };
    let loss = |a: &[f64]| {
        let judged = a.chunks_exact(4).enumerate().map(|(row, a)| {
            let logit = a.iter().map(|a| a * a).sum::<f64>() - 4.0;
            let sign = if row < 2 { 1.0 } else { -1.0 };
            math::ln(1.0 + math::exp(-sign * logit)) / 4.0
        });
        let means = &moved(&state, a)[1..5];
        let mean = means.iter().sum::<f64>() / 4.0;
        judged.sum::<f64>() + op.peer * means.iter().map(|m| (mean - m).powi(2)).sum::<f64>() / 4.0
    };
    assert_gradient("a", &a, &gradient(&a), loss);
    let (mut below, found) = (a.clone(), gradient(&a));
    below[0] = -1.0;
    let peer = gradient(&below)[0];
    assert!(peer != 0.0 && (peer - found[0]).abs() > 1e-3, "{peer}");
    let means = &moved(&state, &below)[1..5];
    assert_close("below 0", &[peer], &[op.peer_factor() * (means[0] - means.iter().sum::<f64>() / 4.0)], 1e-12);
    below[8] = -1.0;
    assert_eq!(gradient(&below)[8], 0.0, "a wrong label has no peers");
}

#[test]
fn what_is_too_short_is_refused() {
    let (op, long) = (op(), || tensor::<f64>(&[0.0; 24]));
    assert!(op.forward(&tensor::<f64>(&[0.0; 7]), &long(), 2).is_err());
    assert!(op.update_means(&tensor::<f64>(&[0.0; 4]), &long()).is_err());
    assert!(op.backward(&tensor::<f64>(&[0.0; 15]), &long(), &long()).is_err());
    let streams = Streams { samples: 2, streams: 3, width: 4, before: 2, classes: 2 };
    assert!(streams.forward(&long(), &tensor::<f64>(&[0.0; 3]), &long()).is_err());
    assert!(streams.forward(&long(), &long(), &tensor::<f64>(&[0.0; 3])).is_err());
}
