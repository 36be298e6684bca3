use super::Softmax;
use crate::ops::testing::{assert_close, assert_gradient, inner, normal, tensor, values};

#[test]
fn probabilities_sum_to_one_and_survive_great_logits() {
    let op = Softmax { samples: 2, classes: 3 };
    let p = tensor::<f32>(&[1000.0, 999.0, -1000.0, 0.0, 0.0, 0.0]);
    op.forward(&p).unwrap();
    let e = crate::math::exp(-1.0);
    assert_close("p", &values(&p), &[1.0 / (1.0 + e), e / (1.0 + e), 0.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0], 1e-6);
}

#[test]
fn gradient_equals_finite_differences() {
    let op = Softmax { samples: 3, classes: 4 };
    let (logits, dp) = (normal(1, 12), normal(2, 12));
    let forward = |logits: &[f64]| {
        let p = tensor::<f64>(logits);
        op.forward(&p).unwrap();
        p
    };
    let gradient = tensor::<f64>(&dp);
    op.backward(&gradient, &forward(&logits)).unwrap();
    assert_gradient("logits", &logits, &values(&gradient), |logits| inner(&dp, &values(&forward(logits))));
}
