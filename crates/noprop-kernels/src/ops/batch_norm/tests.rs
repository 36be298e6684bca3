use super::BatchNorm;
use crate::ops::simd::with_each;
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
    for (samples, width) in [(1, 1), (1, 33), (2, 5), (96, 17), (128, 64), (4097, 16), (9000, 3)] {
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

#[test]
fn statistics_of_very_many_rows_lose_no_bits() {
    // A mean far above the deviation.
    let (samples, width) = (70_001, 5);
    let x: Vec<f64> = normal(4, 4099).into_iter().cycle().take(samples * width).map(|x| 30.0 + x).collect();
    let statistics = poisoned::<f32>(2 * width);
    op(samples, width, false).statistics(&statistics, &tensor::<f32>(&x)).unwrap();
    let reference = poisoned::<f64>(2 * width);
    op(samples, width, false).statistics(&reference, &tensor::<f64>(&x)).unwrap();
    let (statistics, reference) = (values(&statistics), values(&reference));
    for (found, expected) in statistics.iter().zip(&reference) {
        assert!((found - expected).abs() <= 2e-6 * expected.abs(), "{found} is not {expected}");
    }
}

/// Every instruction set rounds each operation alike, and sums of rows have one order.
#[test]
fn every_instruction_set_gives_the_bits_of_the_plain_loops() {
    for (samples, width) in [(7, 5), (128, 40), (5000, 17)] {
        let op = op(samples, width, true);
        let (x, parameters) = (normal(1, samples * width), normal(2, 2 * width));
        let dy = normal(3, samples * width);
        let statistics = poisoned::<f32>(2 * width);
        op.statistics(&statistics, &tensor::<f32>(&x)).unwrap();
        let statistics: Vec<f32> = statistics.flatten_all().unwrap().to_vec1().unwrap();
        let plain = |at: usize| {
            let column = at % width;
            let inverse = 1.0 / (statistics[width + column] + super::EPSILON as f32).sqrt();
            let normal = (x[at] as f32 - statistics[column]) * inverse;
            f64::from((parameters[width + column] as f32 * normal + parameters[column] as f32).max(0.0))
        };
        let expected: Vec<f64> = (0..samples * width).map(plain).collect();
        let first = run::<f32>(op, &x, &parameters, &dy);
        assert!(first[0] == expected, "{samples} x {width}");
        with_each(|set| assert!(run::<f32>(op, &x, &parameters, &dy) == first, "{}", set.as_str()));
    }
}

/// GB/s of both directions on the pixels of images, beside the memory's:
/// `cargo test --release -p noprop-kernels --lib batch_norm::tests::speed -- --ignored --nocapture`.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "a measurement"]
fn speed() {
    use crate::ops::testing::seconds_of;
    let peak = crate::peak::peak_gigabytes(1, crate::peak::BEYOND_CACHES).unwrap();
    println!("memory: {peak:.1} GB/s");
    for (samples, width) in [(128 * 1024, 64), (128 * 256, 128), (128 * 64, 256), (128 * 1024, 16), (128, 256)] {
        let op = op(samples, width, true);
        let fill = |len: usize| tensor::<f32>(&normal(2, 4099).into_iter().cycle().take(len).collect::<Vec<_>>());
        let [x, y, dx, dy] = [(); 4].map(|()| fill(samples * width));
        let (state, gradients, statistics) = (fill(4 * width), fill(2 * width), fill(2 * width));
        let gigabytes = 4.0 * (samples * width) as f64 / 1e9;
        let line = |name: &str, passes: f64, work: &dyn Fn()| {
            let seconds = seconds_of(work);
            println!(
                "{samples:7} x {width:3} {name:16} {:8.2} ms {:6.1} GB/s",
                1e3 * seconds,
                passes * gigabytes / seconds
            );
        };
        line("statistics", 1.0, &|| op.statistics(&statistics, &x).unwrap());
        line("forward", 2.0, &|| op.forward_training(&y, &x, &statistics, &state).unwrap());
        line("backward weights", 3.0, &|| op.backward_weights(&gradients, [&dy, &y, &x, &statistics]).unwrap());
        line("backward data", 4.0, &|| {
            op.backward_data(&dx, [&dy, &y, &x, &statistics, &state, &gradients]).unwrap();
        });
    }
}
