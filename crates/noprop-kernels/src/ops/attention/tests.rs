use super::Attention;
use crate::ops::simd;
use crate::ops::testing::{assert_close, assert_gradient, inner, normal, poisoned, tensor, values};
use crate::tensor::Real;
use candle_core::WithDType;

/// out, probabilities, d_qkv, each with a value behind it that must stay as it is.
fn run<T: Real + WithDType>(op: Attention, qkv: &[f64], d_out: &[f64]) -> [Vec<f64>; 3] {
    let (out, d_qkv) = (poisoned::<T>(op.out_len() + 1), poisoned::<T>(qkv.len() + 1));
    let probabilities = poisoned::<T>(op.probabilities_len() + 1);
    let (qkv, d_out) = (tensor::<T>(qkv), tensor::<T>(d_out));
    op.forward([&out, &probabilities], &qkv).unwrap();
    op.backward(&d_qkv, [&d_out, &qkv, &probabilities]).unwrap();
    [out, probabilities, d_qkv].map(|tensor| {
        let mut values = values(&tensor);
        assert!(values.pop().unwrap().is_nan(), "wrote past the last value");
        values
    })
}

fn op(samples: usize, tokens: usize, width: usize, heads: usize) -> Attention {
    Attention { samples, tokens, width, heads }
}

#[test]
fn fast_path_equals_reference_on_odd_shapes() {
    for op in [
        op(1, 1, 1, 1),
        op(2, 5, 6, 2),
        op(1, 65, 128, 4),
        op(2, 17, 48, 3),
        op(1, 100, 64, 1),
        op(3, 2, 35, 5),
        op(1, 31, 33, 1),
    ] {
        let (qkv, d_out) = (normal(1, 3 * op.out_len()), normal(2, op.out_len()));
        let reference = run::<f64>(op, &qkv, &d_out);
        simd::with_each(|set| {
            for (fast, reference) in run::<f32>(op, &qkv, &d_out).iter().zip(&reference) {
                assert_close(&format!("{op:?}, {set:?}"), fast, reference, 5e-6);
            }
        });
    }
}

#[test]
fn gradient_equals_finite_differences() {
    for op in [op(2, 3, 4, 2), op(1, 4, 3, 1)] {
        let (qkv, d_out) = (normal(1, 3 * op.out_len()), normal(2, op.out_len()));
        let [_, _, d_qkv] = run::<f64>(op, &qkv, &d_out);
        assert_gradient("qkv", &qkv, &d_qkv, |qkv| inner(&d_out, &run::<f64>(op, qkv, &d_out)[0]));
    }
}

#[test]
fn probabilities_sum_to_one_and_a_great_score_takes_all() {
    // One head of one value: scores are products of two values.
    let op = op(1, 3, 1, 1);
    let qkv = [1.0, 100.0, 7.0, 1.0, -100.0, 8.0, 0.0, 0.0, 9.0];
    simd::with_each(|_| {
        let [out, probabilities, _] = run::<f32>(op, &qkv, &[1.0; 3]);
        let third = 1.0 / 3.0;
        let expected = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, third, third, third];
        assert_close("probabilities", &probabilities, &expected, 1e-6);
        assert_close("out", &out, &[7.0, 7.0, 8.0], 1e-6);
    });
}

#[test]
fn nan_is_not_lost_and_heads_that_do_not_divide_the_width_are_refused() {
    simd::with_each(|_| {
        let mut qkv = normal(1, 3 * 40);
        qkv[0] = f64::NAN;
        let [out, ..] = run::<f32>(op(1, 20, 2, 1), &qkv, &[1.0; 40]);
        assert!(out[0].is_nan() && !out[2].is_nan());
    });
    let out = poisoned::<f32>(6);
    assert!(op(1, 2, 3, 2).forward([&out, &poisoned::<f32>(8)], &tensor::<f32>(&[0.0; 18])).is_err());
}
