use super::{Conv, Dims, Padding, winograd};
use crate::error::{Code, Result};
use crate::ops::multiply::Precision;
use crate::ops::simd;
use crate::ops::testing::{assert_close, assert_gradient, inner, normal, poisoned, slot, tensor, values};
use crate::tensor::{Real, StopFlag};
use candle_core::WithDType;
use std::cell::RefCell;

/// Relative to the greatest value; sums have up to 9 · 64 or 4 · 21 · 20 terms of order 1, and the transforms add a few.
const TOLERANCE: f64 = 2e-5;

/// Everything that goes into one batch.
struct Case {
    dims: Dims,
    samples: usize,
    x: Vec<f64>,
    w: Vec<f64>,
    b: Option<Vec<f64>>,
    dy: Vec<f64>,
    precision: Precision,
}

/// Everything that comes out: y, dx, dw, db.
type Outcome = [Vec<f64>; 4];
const NAMES: [&str; 4] = ["y", "dx", "dw", "db"];

impl Case {
    fn new(dims: Dims, samples: usize, bias: bool) -> Self {
        let w = normal(2, dims.weights()).iter().map(|w| w * 0.2).collect();
        let (x, dy) = (normal(1, samples * dims.input()), normal(4, samples * dims.output()));
        let b = bias.then(|| normal(3, dims.cout));
        Self { dims, samples, x, w, b, dy, precision: Precision::F32 }
    }

    fn run<T: Real + WithDType>(&self) -> Result<Outcome> {
        let Self { dims, samples, x, w, b, dy, precision } = self;
        let (nw, nb) = (dims.weights(), dims.cout);
        // The parameters lie behind 3 other values, to catch a forgotten offset.
        let none = vec![f64::NAN; nb];
        let state = tensor::<T>(&[&[9.0, 9.0, 9.0], b.as_ref().unwrap_or(&none).as_slice(), w].concat());
        let stop = StopFlag::new();
        let bias = b.is_some().then(|| slot(3, nb));
        let op =
            Conv { dims: *dims, samples: *samples, weight: slot(3 + nb, nw), bias, precision: *precision, stop: &stop };
        // Buffers for one sample more than there are.
        let (y, dx) = (poisoned::<T>((samples + 1) * dims.output()), poisoned::<T>((samples + 1) * dims.input()));
        let gradients = poisoned::<T>(3 + nb + nw);
        let (x, dy) = (tensor::<T>(x), tensor::<T>(dy));
        op.forward(&y, &x, &state)?;
        op.backward_data(&dx, &dy, &state)?;
        op.backward_weights(&gradients, &x, &dy)?;
        let split = |values: Vec<f64>, of_sample: usize| {
            let (used, behind) = values.split_at(samples * of_sample);
            assert!(behind.len() == of_sample && behind.iter().all(|value| value.is_nan()), "{dims:?}");
            used.to_vec()
        };
        let gradients = values(&gradients);
        assert!(gradients[..if b.is_some() { 3 } else { 3 + nb }].iter().all(|value| value.is_nan()));
        let db = if b.is_some() { gradients[3..3 + nb].to_vec() } else { Vec::new() };
        Ok([split(values(&y), dims.output()), split(values(&dx), dims.input()), gradients[3 + nb..].to_vec(), db])
    }
}

/// Rows, columns and channels of x, channels of y, and samples: one pixel; images smaller than a kernel and a tile; odd
/// ones, whose tiles are cut; channels that fill no vector, vectors and panels of each instruction set; more tiles than are
/// worked on at a time, and more pixels.
const SHAPES: [([usize; 4], usize); 12] = [
    ([1, 1, 1, 1], 1),
    ([1, 1, 16, 32], 3),
    ([2, 2, 3, 5], 2),
    ([2, 2, 32, 16], 3),
    ([7, 5, 1, 16], 2),
    ([7, 5, 5, 3], 3),
    ([7, 5, 16, 40], 2),
    ([5, 7, 32, 64], 3),
    ([9, 10, 3, 32], 4),
    ([4, 13, 40, 16], 2),
    ([21, 20, 16, 16], 4),
    ([3, 4, 40, 1], 35),
];

/// Every kernel, stride and padding of every shape that leaves an output.
fn shapes() -> Vec<(Dims, usize)> {
    let mut shapes = Vec::new();
    for ([height, width, cin, cout], samples) in SHAPES {
        for (kernel, stride) in [(1, 1), (1, 2), (3, 1), (3, 2)] {
            for padding in [Padding::Same, Padding::Valid] {
                shapes.push((Dims { height, width, cin, cout, kernel, stride, padding }, samples));
            }
        }
    }
    shapes.retain(|(dims, _)| dims.output() > 0);
    shapes
}

#[test]
fn outputs_are_as_large_as_in_pytorch() {
    let out = |side, kernel, stride, padding| {
        let d = Dims { height: side, width: side, cin: 1, cout: 1, kernel, stride, padding };
        assert_eq!(d.out_height(), d.out_width());
        d.out_height()
    };
    let (same, valid) = (Padding::Same, Padding::Valid);
    assert_eq!([out(7, 3, 1, same), out(7, 3, 2, same), out(8, 3, 2, same), out(1, 3, 2, same)], [7, 4, 4, 1]);
    assert_eq!([out(7, 1, 1, same), out(7, 1, 2, same), out(8, 1, 2, valid)], [7, 4, 4]);
    assert_eq!([out(7, 3, 1, valid), out(7, 3, 2, valid), out(8, 3, 2, valid), out(2, 3, 1, valid)], [5, 3, 3, 0]);
    assert_eq!([out(0, 1, 1, same), out(0, 3, 1, same)], [0, 0]);
    let d = Dims { height: 8, width: 6, cin: 3, cout: 5, kernel: 3, stride: 2, padding: same };
    assert_eq!([d.input(), d.output(), d.weights(), d.multiply_adds()], [144, 60, 135, 12 * 135]);
}

#[test]
fn fast_paths_equal_the_reference_on_odd_shapes() {
    let (mut of_winograd, mut all) = (0, 0);
    for (at, (dims, samples)) in shapes().into_iter().enumerate() {
        let case = Case::new(dims, samples, at % 3 > 0);
        let reference = case.run::<f64>().unwrap();
        simd::with_each(|set| {
            all += 1;
            of_winograd += usize::from(winograd::suits(&dims));
            let fast = case.run::<f32>().unwrap();
            for (name, (fast, reference)) in NAMES.iter().zip(fast.iter().zip(&reference)) {
                assert_close(&format!("{name} of {dims:?} x {samples}, {}", set.as_str()), fast, reference, TOLERANCE);
            }
        });
    }
    assert!(of_winograd >= 20 && all > 3 * of_winograd, "{of_winograd} of {all}");
}

#[test]
fn bf16_products_equal_the_reference_on_odd_shapes() {
    for (at, (dims, samples)) in shapes().into_iter().enumerate() {
        let case = Case { precision: Precision::Bf16, ..Case::new(dims, samples, at % 3 > 0) };
        let reference = case.run::<f64>().unwrap();
        simd::with_each(|set| {
            if winograd::suits(&dims) {
                return;
            }
            let fast = case.run::<f32>().unwrap();
            for (name, (fast, reference)) in NAMES.iter().zip(fast.iter().zip(&reference)) {
                assert_close(&format!("{name} of {dims:?} x {samples}, {}", set.as_str()), fast, reference, TOLERANCE);
            }
        });
    }
}

/// Factors of 8 bits are off by 2⁻⁹ at most, and transforms of a few of them by little more.
#[test]
fn bf16_is_close_to_f32() {
    for (dims, samples) in shapes() {
        let exact = Case::new(dims, samples, true);
        let rounded = Case { precision: Precision::Bf16, ..Case::new(dims, samples, true) };
        simd::with_each(|set| {
            let (exact, rounded) = (exact.run::<f32>().unwrap(), rounded.run::<f32>().unwrap());
            for (name, (exact, rounded)) in NAMES.iter().zip(exact.iter().zip(&rounded)) {
                let what = format!("{name} of {dims:?} x {samples}, {}", set.as_str());
                assert_close(&what, rounded, exact, 1.5e-2);
                assert!(*name == "db" || exact.len() < 100 || exact != rounded, "{what}: nothing was rounded");
            }
        });
    }
}

#[test]
fn gradients_equal_finite_differences() {
    for (kernel, stride) in [(1, 1), (1, 2), (3, 1), (3, 2)] {
        for padding in [Padding::Same, Padding::Valid] {
            let dims = Dims { height: 5, width: 4, cin: 2, cout: 3, kernel, stride, padding };
            let mut case = Case::new(dims, 2, true);
            let [_, dx, dw, db] = case.run::<f64>().unwrap();
            let (direction, x, w, b) = (case.dy.clone(), case.x.clone(), case.w.clone(), case.b.clone().unwrap());
            let mut loss = |x: &[f64], w: &[f64], b: &[f64]| {
                (case.x, case.w, case.b) = (x.to_vec(), w.to_vec(), Some(b.to_vec()));
                inner(&direction, &case.run::<f64>().unwrap()[0])
            };
            let loss = RefCell::new(&mut loss);
            assert_gradient("dx", &x, &dx, |x| loss.borrow_mut()(x, &w, &b));
            assert_gradient("dw", &w, &dw, |w| loss.borrow_mut()(&x, w, &b));
            assert_gradient("db", &b, &db, |b| loss.borrow_mut()(&x, &w, b));
        }
    }
}

#[test]
fn a_sample_does_not_depend_on_its_batch() {
    for (kernel, stride, channels) in [(1, 1, 5), (1, 2, 16), (3, 1, 5), (3, 2, 16), (3, 1, 16), (3, 1, 64)] {
        for precision in Precision::OF_PROCESSORS {
            let padding = Padding::Same;
            let dims = Dims { height: 9, width: 14, cin: channels, cout: channels, kernel, stride, padding };
            let together = Case { precision, ..Case::new(dims, 7, false) };
            let [y, dx, ..] = together.run::<f32>().unwrap();
            for s in 0..7 {
                let mut alone = Case { precision, ..Case::new(dims, 1, false) };
                alone.x = together.x[s * dims.input()..][..dims.input()].to_vec();
                alone.dy = together.dy[s * dims.output()..][..dims.output()].to_vec();
                let [y_alone, dx_alone, ..] = alone.run::<f32>().unwrap();
                assert!(y_alone == y[s * dims.output()..][..dims.output()], "{dims:?}");
                assert!(dx_alone == dx[s * dims.input()..][..dims.input()], "{dims:?}");
            }
        }
    }
}

/// How far the greater tiles are off, of the greatest value.
#[test]
fn winograd_loses_few_bits_over_large_sums() {
    let dims = Dims { height: 16, width: 16, cin: 64, cout: 32, kernel: 3, stride: 1, padding: Padding::Same };
    let case = Case::new(dims, 6, false);
    let (fast, reference) = (case.run::<f32>().unwrap(), case.run::<f64>().unwrap());
    for (name, (fast, reference)) in NAMES.iter().zip(fast.iter().zip(&reference)).take(3) {
        let most = reference.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        let off = fast.iter().zip(reference).map(|(fast, reference)| (fast - reference).abs()).fold(0.0, f64::max);
        println!("{name} is off by {:.1e} at most, of the greatest", off / most);
        assert!(off / most <= 5e-6, "{name}: {off} of {most}");
    }
}

#[test]
fn a_raised_flag_stops_the_kernels() {
    for (channels, kernel, stride) in [(1, 1, 1), (1, 3, 2), (32, 3, 1)] {
        let padding = Padding::Same;
        let dims = Dims { height: 5, width: 5, cin: channels, cout: channels, kernel, stride, padding };
        let stop = StopFlag::new();
        stop.stop();
        let (weight, precision) = (slot(0, dims.weights()), Precision::F32);
        let op = Conv { dims, samples: 1, weight, bias: None, precision, stop: &stop };
        let state = tensor::<f32>(&vec![0.5; dims.weights()]);
        let (x, y) = (tensor::<f32>(&vec![1.0; dims.input()]), poisoned::<f32>(dims.output()));
        let (gradients, dy) = (poisoned::<f32>(dims.weights()), tensor::<f32>(&vec![1.0; dims.output()]));
        assert_eq!(op.forward(&y, &x, &state).unwrap_err().code, Code::Cancelled);
        assert_eq!(op.backward_data(&x, &dy, &state).unwrap_err().code, Code::Cancelled);
        assert_eq!(op.backward_weights(&gradients, &x, &dy).unwrap_err().code, Code::Cancelled);
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused_whatever_they_are() {
    let dims = Dims { height: 3, width: 3, cin: 2, cout: 2, kernel: 3, stride: 1, padding: Padding::Same };
    let stop = StopFlag::new();
    let refused = |dims: Dims, samples: usize, bias: usize| {
        let (weight, precision) = (slot(0, 36), Precision::F32);
        let op = Conv { dims, samples, weight, bias: Some(slot(36, bias)), precision, stop: &stop };
        let (state, x, y) = (tensor::<f32>(&[0.5; 40]), tensor::<f32>(&[1.0; 18]), poisoned::<f32>(18));
        let outcomes =
            [op.forward(&y, &x, &state), op.backward_data(&x, &y, &state), op.backward_weights(&state, &x, &y)];
        let refused = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        assert!(refused == 0 || refused == 3);
        refused > 0
    };
    assert!(!refused(dims, 1, 2) && refused(dims, 2, 2) && refused(dims, 1, 3));
    let most = usize::MAX;
    for dims in [
        Dims { height: 0, ..dims },
        Dims { height: most, ..dims },
        Dims { width: most / 2, height: most / 2, ..dims },
        Dims { cin: 0, ..dims },
        Dims { cin: most, ..dims },
        Dims { cout: most, ..dims },
        Dims { kernel: 2, ..dims },
        Dims { kernel: most, ..dims },
        Dims { stride: 0, ..dims },
        Dims { stride: 3, ..dims },
        Dims { height: 2, padding: Padding::Valid, ..dims },
    ] {
        assert!(refused(dims, 1, 2) && refused(dims, most, 2), "{dims:?}");
    }
}

/// GFLOP/s by the definition of every direction on the shapes of residual nets for CIFAR-10, beside the processor's peak:
/// `cargo test --release -p noprop-kernels --lib conv::tests::speed -- --ignored --nocapture`.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "a measurement"]
fn speed() {
    use crate::ops::testing::seconds_of;
    let samples = std::env::var("NOPROP_SAMPLES").ok().and_then(|text| text.parse().ok()).unwrap_or(128);
    for precision in Precision::OF_PROCESSORS {
        let bf16 = std::env::var("NOPROP_BF16").is_ok();
        if precision.check_processor().is_err() || (precision == Precision::Bf16) != bf16 {
            continue;
        }
        println!("{}: peak {:.0} GFLOP/s", precision.as_str(), crate::peak::peak_gflops(1, precision).unwrap());
        for [side, cin, cout, kernel, stride] in [
            [32, 64, 64, 3, 1],
            [16, 128, 128, 3, 1],
            [8, 256, 256, 3, 1],
            [4, 512, 512, 3, 1],
            [32, 16, 16, 3, 1],
            [32, 3, 64, 3, 1],
            [32, 64, 128, 3, 2],
            [16, 128, 256, 3, 2],
            [32, 64, 128, 1, 2],
            [32, 64, 256, 1, 1],
        ] {
            let padding = Padding::Same;
            let dims = Dims { height: side, width: side, cin, cout, kernel, stride, padding };
            let stop = StopFlag::new();
            let op = Conv { dims, samples, weight: slot(0, dims.weights()), bias: None, precision, stop: &stop };
            let (state, gradients) = (tensor::<f32>(&normal(1, dims.weights())), poisoned::<f32>(dims.weights()));
            let fill = |len: usize| tensor::<f32>(&normal(2, 4099).into_iter().cycle().take(len).collect::<Vec<_>>());
            let (x, dx) = (fill(samples * dims.input()), fill(samples * dims.input()));
            let (y, dy) = (fill(samples * dims.output()), fill(samples * dims.output()));
            let times = [
                seconds_of(|| op.forward(&y, &x, &state).unwrap()),
                seconds_of(|| op.backward_data(&dx, &dy, &state).unwrap()),
                seconds_of(|| op.backward_weights(&gradients, &x, &dy).unwrap()),
            ];
            let flop = 2.0 * (samples * dims.multiply_adds()) as f64;
            let rates = times.map(|seconds| format!("{:6.0}", flop / seconds / 1e9)).join(" ");
            let sum = times.iter().sum::<f64>();
            println!(
                "{side:3}x{side:<3} {cin:4} to {cout:<4} kernel {kernel} stride {stride}: {rates} GFLOP/s, all three {:5.0} in {:6.1} ms",
                3.0 * flop / sum / 1e9,
                1e3 * sum
            );
        }
    }
}
