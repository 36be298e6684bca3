use super::{Backward, Conv3x3, Dims, winograd};
use crate::error::{Code, Result};
use crate::ops::dropout::{self, Dropout};
use crate::ops::multiply::Precision;
use crate::ops::simd;
use crate::ops::testing::{assert_close, assert_gradient, inner, normal, poisoned, slot, tensor, values};
use crate::tensor::{Buffer, Real, StopFlag};
use candle_core::WithDType;

/// Relative to the greatest value; sums have up to 9 · 64 or 2 · 11 · 11 terms of order 1, and the transforms add a few.
const TOLERANCE: f64 = 2e-5;

/// Everything that goes into one batch.
struct Case {
    dims: Dims,
    samples: usize,
    x: Vec<f64>,
    w: Vec<f64>,
    b: Vec<f64>,
    dy: Vec<f64>,
    rate: f64,
    precision: Precision,
}

/// Writes dx and the gradients from dy, x and the state.
type Backwards = fn(&Conv3x3<'_>, [&Buffer; 2], Backward<'_>, [&Buffer; 2]) -> Result<()>;

/// Everything that comes out: y (values only), dx, dw, db.
type Outcome = [Vec<f64>; 4];

impl Case {
    fn new((height, width, cin, cout, pool): (usize, usize, usize, usize, bool), samples: usize, rate: f64) -> Self {
        let dims = Dims { height, width, cin, cout, pool };
        let w = normal(2, dims.weights()).iter().map(|w| w * 0.2).collect();
        let (x, dy) = (normal(1, samples * dims.input()), normal(4, samples * dims.output()));
        Self { dims, samples, x, w, b: normal(3, cout), dy, rate, precision: Precision::F32 }
    }

    fn run<T: Real + WithDType>(&self) -> Result<Outcome> {
        self.run_with::<T>(|op, [dx, gradients], backward, [x, state]| {
            op.backward_data(dx, backward, state)?;
            op.backward_weights(gradients, x, backward)
        })
    }

    fn run_with<T: Real + WithDType>(&self, backwards: Backwards) -> Result<Outcome> {
        let Self { dims, samples, x, w, b, dy, rate, precision } = self;
        let (nw, nb) = (dims.weights(), dims.cout);
        // The parameters lie behind 3 other values, to catch a forgotten offset.
        let state = tensor::<T>(&[&[9.0, 9.0, 9.0], &b[..], w].concat());
        let stop = StopFlag::new();
        let (dims, samples, precision) = (*dims, *samples, *precision);
        let op = Conv3x3 { dims, samples, weight: slot(3 + nb, nw), bias: slot(3, nb), precision, stop: &stop };
        // Buffers for one sample more than there are.
        let stored = (samples + 1) * dims.stored();
        let (y, dx) = (poisoned::<T>(stored), poisoned::<T>(samples * dims.input()));
        let gradients = poisoned::<T>(3 + nb + nw);
        let (x, dy) = (tensor::<T>(x), tensor::<T>(dy));
        let ids: Vec<u32> = (0..samples as u32).collect();
        let dropout =
            Dropout { rate: *rate, seed: 5, stage: 0, blocks: &[2], epoch: 1, samples: &ids, len: dims.output() };
        op.forward(&y, &x, &state, Some(dropout))?;
        let backward = Backward { dy: &dy, y: &y, scale: dropout::scale(*rate) };
        backwards(&op, [&dx, &gradients], backward, [&x, &state])?;
        let gradients = values(&gradients);
        let y = values(&y)[..samples * dims.output()].to_vec();
        Ok([y, values(&dx), gradients[3 + nb..].to_vec(), gradients[3..3 + nb].to_vec()])
    }
}

/// `(height, width, cin, cout, pool)`.
type Sides = (usize, usize, usize, usize, bool);

/// Sides and samples: one output pixel, widths that split and do not, channels that are no
/// multiple of a vector (direct) and that fill panels of each instruction set (Winograd), one sample, an odd number of
/// samples, odd sizes that pooling crops.
const SHAPES: [(Sides, usize); 19] = [
    ((3, 3, 1, 1, false), 1),
    ((3, 3, 5, 3, false), 2),
    ((4, 3, 1, 32, false), 3),
    ((4, 4, 1, 32, true), 3),
    ((3, 4, 2, 33, false), 1),
    ((5, 9, 3, 7, false), 3),
    ((6, 15, 4, 31, true), 2),
    ((5, 16, 1, 16, false), 5),
    ((7, 17, 40, 35, true), 3),
    ((4, 30, 2, 8, true), 1),
    ((28, 28, 1, 4, true), 3),
    ((11, 11, 17, 40, false), 2),
    ((3, 3, 32, 32, false), 1),
    ((4, 5, 32, 64, false), 3),
    ((4, 4, 32, 32, true), 5),
    ((5, 7, 16, 48, true), 2),
    ((13, 13, 32, 64, false), 3),
    ((11, 11, 64, 32, true), 5),
    ((9, 6, 64, 96, false), 2),
];

#[test]
fn fast_paths_equal_the_reference_on_odd_shapes() {
    for (shape, samples) in SHAPES {
        let case = Case::new(shape, samples, 0.2);
        let reference = case.run::<f64>().unwrap();
        simd::with_each(|set| {
            let fast = case.run::<f32>().unwrap();
            for (name, (fast, reference)) in ["y", "dx", "dw", "db"].iter().zip(fast.iter().zip(&reference)) {
                assert_close(&format!("{name} of {shape:?} x {samples}, {}", set.as_str()), fast, reference, TOLERANCE);
            }
        });
    }
}

/// The reference of a device's way against that of the processor's.
#[test]
fn gradients_by_way_of_the_spread_one_equal_the_direct_ones() {
    for (shape, samples) in SHAPES {
        let case = Case::new(shape, samples, 0.2);
        let spread = case.run_with::<f64>(|op, [dx, gradients], backward, [x, state]| {
            let da = poisoned::<f64>((op.samples + 1) * op.dims.spread());
            op.spread(&da, backward)?;
            op.spread_backward_data(dx, &da, backward.scale, state)?;
            op.spread_backward_weights(gradients, x, &da, backward.scale)
        });
        for (name, (spread, direct)) in
            ["y", "dx", "dw", "db"].iter().zip(spread.unwrap().iter().zip(&case.run::<f64>().unwrap()))
        {
            assert_close(&format!("{name} of {shape:?} x {samples}"), spread, direct, 1e-14);
        }
    }
}

#[test]
fn direct_bf16_kernels_equal_the_reference_on_odd_shapes() {
    let mut compared = 0;
    for (shape, samples) in SHAPES {
        let mut case = Case { precision: Precision::Bf16, ..Case::new(shape, samples, 0.2) };
        // Gradients that a factor of 1 / (1 − 0.2) leaves exact in f32 and f64 alike, so that both round the same values.
        case.dy.iter_mut().for_each(|dy| *dy = Precision::Bf16.factor(*dy));
        let reference = case.run::<f64>().unwrap();
        simd::with_each(|set| {
            if winograd::suits(&case.dims) {
                return;
            }
            compared += 1;
            let fast = case.run::<f32>().unwrap();
            for (name, (fast, reference)) in ["y", "dx", "dw", "db"].iter().zip(fast.iter().zip(&reference)) {
                assert_close(&format!("{name} of {shape:?} x {samples}, {}", set.as_str()), fast, reference, TOLERANCE);
            }
        });
    }
    assert!(compared >= 8);
}

/// Factors of 8 bits are off by 2⁻⁹ at most, and transforms of a few of them by little more.
#[test]
fn bf16_is_close_to_f32() {
    for (shape, samples) in SHAPES {
        let exact = Case::new(shape, samples, 0.2);
        let rounded = Case { precision: Precision::Bf16, ..Case::new(shape, samples, 0.2) };
        simd::with_each(|set| {
            let ([exact, ..], [rounded, ..]) = (exact.run::<f32>().unwrap(), rounded.run::<f32>().unwrap());
            assert_close(&format!("y of {shape:?} x {samples}, {}", set.as_str()), &rounded, &exact, 1e-2);
            assert!(exact.len() < 100 || exact != rounded, "{shape:?}, {}: nothing was rounded", set.as_str());
        });
    }
}

#[test]
fn gradients_equal_finite_differences() {
    for pool in [false, true] {
        let mut case = Case::new((5, 7, 2, 3, pool), 2, 0.3);
        let [_, dx, dw, db] = case.run::<f64>().unwrap();
        let (direction, x, w, b) = (case.dy.clone(), case.x.clone(), case.w.clone(), case.b.clone());
        let mut loss = |x: &[f64], w: &[f64], b: &[f64]| {
            (case.x, case.w, case.b) = (x.to_vec(), w.to_vec(), b.to_vec());
            inner(&direction, &case.run::<f64>().unwrap()[0])
        };
        let loss = std::cell::RefCell::new(&mut loss);
        assert_gradient("dx", &x, &dx, |x| loss.borrow_mut()(x, &w, &b));
        assert_gradient("dw", &w, &dw, |w| loss.borrow_mut()(&x, w, &b));
        assert_gradient("db", &b, &db, |b| loss.borrow_mut()(&x, &w, b));
    }
}

#[test]
fn a_sample_does_not_depend_on_its_batch() {
    let shapes = [(7, 9, 3, 5, true), (7, 10, 32, 32, false), (8, 8, 32, 32, true)];
    for (shape, precision) in
        shapes.into_iter().flat_map(|shape| Precision::OF_PROCESSORS.map(|precision| (shape, precision)))
    {
        let together = Case { precision, ..Case::new(shape, 5, 0.0) };
        let [y, dx, ..] = together.run::<f32>().unwrap();
        let d = together.dims;
        for s in 0..5 {
            let mut alone = Case { precision, ..Case::new(shape, 1, 0.0) };
            alone.x = together.x[s * d.input()..][..d.input()].to_vec();
            alone.dy = together.dy[s * d.output()..][..d.output()].to_vec();
            let [y_alone, dx_alone, ..] = alone.run::<f32>().unwrap();
            assert_eq!(y_alone, y[s * d.output()..][..d.output()]);
            assert_eq!(dx_alone, dx[s * d.input()..][..d.input()]);
        }
    }
}

/// A stage that hands on its 4×4 input's middle, channel by channel: pooling sees `window`. Returns y and dx of each channel.
/// One channel takes the direct kernels, 32 take Winograd's.
fn middle(channels: usize, window: [f64; 4], dy: f64) -> Vec<(f64, Vec<f64>)> {
    let mut case = Case::new((4, 4, channels, channels, true), 1, 0.0);
    let same = |index: usize| index / channels % channels == index % channels;
    case.w = (0..case.w.len()).map(|at| f64::from(u8::from(at / channels / channels == 4 && same(at)))).collect();
    (case.b, case.dy, case.x) = (vec![0.0; channels], vec![dy; channels], vec![0.0; 16 * channels]);
    for (place, value) in [5, 6, 9, 10].iter().zip(window) {
        case.x[place * channels..][..channels].fill(value);
    }
    let [y, dx, ..] = case.run::<f32>().unwrap();
    let of = |channel: usize| dx[channel..].iter().step_by(channels).copied().collect();
    (0..channels).map(|channel| (y[channel], of(channel))).collect()
}

#[test]
fn the_gradient_of_a_window_arrives_whole_at_its_first_maximum() {
    // candle's autograd hands on a quarter of it. Where the ReLU cut everything off, no gradient passes.
    let windows = [
        ([1.0, 4.0, 2.0, 3.0], Some(6)),
        ([4.0, 4.0, 2.0, 4.0], Some(5)),
        ([0.0, 1.0, 2.0, 2.0], Some(9)),
        ([1.0, 2.0, 2.0, 0.0], Some(6)),
        ([-1.0, -2.0, 0.0, -3.0], None),
    ];
    for (channels, (window, place)) in [1, 32].into_iter().flat_map(|channels| windows.map(|window| (channels, window)))
    {
        simd::with_each(|set| {
            for (y, dx) in middle(channels, window, 8.0) {
                let what = format!("{window:?}, {channels} channels, {}", set.as_str());
                assert_eq!(y, window.iter().fold(0.0, |most: f64, value| most.max(*value)), "{what}");
                let expected: Vec<f64> = (0..16).map(|at| if Some(at) == place { 8.0 } else { 0.0 }).collect();
                assert_eq!(dx, expected, "{what}");
            }
        });
    }
}

#[test]
fn a_raised_flag_stops_the_kernels() {
    for channels in [1, 32] {
        let dims = Dims { height: 5, width: 5, cin: channels, cout: channels, pool: false };
        let stop = StopFlag::new();
        stop.stop();
        let (weight, bias) = (slot(0, dims.weights()), slot(dims.weights(), channels));
        let op = Conv3x3 { dims, samples: 1, weight, bias, precision: Precision::F32, stop: &stop };
        let state = tensor::<f32>(&vec![0.5; dims.weights() + channels]);
        let (x, y) = (tensor::<f32>(&vec![1.0; dims.input()]), poisoned::<f32>(dims.output()));
        let gradients = poisoned::<f32>(dims.weights() + channels);
        let dy = tensor::<f32>(&vec![1.0; dims.output()]);
        let backward = Backward { dy: &dy, y: &y, scale: 1.0 };
        assert_eq!(op.forward(&y, &x, &state, None).unwrap_err().code, Code::Cancelled);
        assert_eq!(op.backward_data(&x, backward, &state).unwrap_err().code, Code::Cancelled);
        assert_eq!(op.backward_weights(&gradients, &x, backward).unwrap_err().code, Code::Cancelled);
    }
}
