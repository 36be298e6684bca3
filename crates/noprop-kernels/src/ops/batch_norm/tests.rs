use super::BatchNorm;
use crate::ops::testing::{assert_close, assert_gradient, inner, normal, poisoned, slot, tensor, values};
use crate::tensor::Real;
use candle_core::WithDType;

/// State: `[bias | weight | running mean | running variance]`.
fn op(samples: usize, width: usize, relu: bool) -> BatchNorm {
    let at = |i: usize| slot(i * width, width);
    BatchNorm { samples, width, weight: at(1), bias: at(0), running_mean: at(2), running_variance: at(3), relu }
}

/// y, dx, gradients `[bias | weight]`, state after the update, evaluation output.
fn run<T: Real + WithDType>(op: BatchNorm, x: &[f64], parameters: &[f64], dy: &[f64]) -> [Vec<f64>; 5] {
    let w = op.width;
    let state = tensor::<T>(&[parameters, &vec![0.0; w], &vec![1.0; w]].concat());
    let (y, dx) = (poisoned::<T>(x.len()), poisoned::<T>(x.len()));
    let (statistics, gradients) = (poisoned::<T>(2 * w), poisoned::<T>(2 * w));
    let (x, dy) = (tensor::<T>(x), tensor::<T>(dy));
    op.statistics(&statistics, &x).unwrap();
    op.forward_training(&y, &x, &statistics, &state).unwrap();
    op.backward_weights(&gradients, [&dy, &y, &x, &statistics]).unwrap();
    op.backward_data(&dx, [&dy, &y, &x, &statistics, &state, &gradients]).unwrap();
    op.update_running(&state, &statistics).unwrap();
    let evaluated = poisoned::<T>(op.samples * w);
    op.forward_evaluation(&evaluated, &x, &state).unwrap();
    [values(&y), values(&dx), values(&gradients), values(&state), values(&evaluated)]
}

#[test]
fn fast_path_equals_reference_on_odd_shapes() {
    for (samples, width) in [(1, 1), (1, 33), (2, 5), (96, 17), (128, 64)] {
        for relu in [false, true] {
            let op = op(samples, width, relu);
            let (x, parameters) = (normal(1, samples * width), normal(2, 2 * width));
            let dy = normal(3, samples * width);
            let (fast, reference) = (run::<f32>(op, &x, &parameters, &dy), run::<f64>(op, &x, &parameters, &dy));
            for (fast, reference) in fast.iter().zip(&reference) {
                // One sample has variance 0: there 1/√ε = 316 magnifies rounding.
                assert_close(&format!("{op:?}"), fast, reference, if samples == 1 { 1e-3 } else { 2e-5 });
            }
        }
    }
}

#[test]
fn gradients_equal_finite_differences() {
    for relu in [false, true] {
        let op = op(5, 3, relu);
        let (x, parameters, dy) = (normal(1, 15), normal(2, 6), normal(3, 15));
        let [_, dx, gradients, _, _] = run::<f64>(op, &x, &parameters, &dy);
        assert_gradient("dx", &x, &dx, |x| inner(&dy, &run::<f64>(op, x, &parameters, &dy)[0]));
        assert_gradient("parameters", &parameters, &gradients, |p| inner(&dy, &run::<f64>(op, &x, p, &dy)[0]));
    }
}

#[test]
fn running_statistics_move_by_the_momentum_and_use_the_unbiased_variance() {
    let [_, _, _, state, _] = run::<f64>(op(2, 1, false), &[1.0, 3.0], &[0.0, 1.0], &[0.0, 0.0]);
    assert_close("running", &state[2..], &[0.2, 0.9 + 0.1 * 2.0], 1e-12);
}
