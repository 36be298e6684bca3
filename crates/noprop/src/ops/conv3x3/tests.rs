use super::{Conv3x3, Dims};
use crate::error::{Code, Result};
use crate::ops::testing::{assert_close, assert_gradient, inner, normal, poisoned, slot, tensor, values};
use crate::ops::{Real, StopFlag, simd};
use candle_core::WithDType;

/// Relative to the greatest value; sums have up to 9 · 40 or 3 · 17 · 20 terms of order 1.
const TOLERANCE: f64 = 2e-5;

/// The four results of one batch: y, dx, dw, db.
fn run<T: Real + WithDType>(
    dims: Dims,
    samples: usize,
    x: &[f64],
    w: &[f64],
    b: &[f64],
    dy: &[f64],
) -> Result<[Vec<f64>; 4]> {
    let (nw, nb) = (dims.weights(), dims.cout);
    // The parameters lie behind 3 other values, to catch a forgotten offset.
    let state = tensor::<T>(&[&[9.0, 9.0, 9.0], b, w].concat());
    let stop = StopFlag::new();
    let op = Conv3x3 { dims, samples, weight: slot(3 + nb, nw), bias: slot(3, nb), stop: &stop };
    let (y, dx) = (poisoned::<T>(samples * dims.output()), poisoned::<T>(samples * dims.input()));
    let gradients = poisoned::<T>(3 + nb + nw);
    let (x, dy) = (tensor::<T>(x), tensor::<T>(dy));
    op.forward_relu(&y, &x, &state)?;
    op.backward_data(&dx, &dy, &state)?;
    op.backward_weights(&gradients, &x, &dy)?;
    let gradients = values(&gradients);
    Ok([values(&y), values(&dx), gradients[3 + nb..].to_vec(), gradients[3..3 + nb].to_vec()])
}

fn inputs(d: &Dims, samples: usize) -> [Vec<f64>; 4] {
    [
        normal(1, samples * d.input()),
        normal(2, d.weights()).iter().map(|w| w * 0.2).collect(),
        normal(3, d.cout),
        normal(4, samples * d.output()),
    ]
}

#[test]
fn fast_path_equals_reference_on_odd_shapes() {
    // (height, width, cin, cout, samples): one output pixel, widths that split and do not, channels that are no multiple
    // of a vector, one sample, an odd number of samples.
    let shapes = [
        (3, 3, 1, 1, 1),
        (3, 3, 5, 3, 2),
        (4, 3, 1, 32, 3),
        (3, 4, 2, 33, 1),
        (5, 9, 3, 7, 3),
        (6, 15, 4, 31, 2),
        (5, 16, 1, 16, 5),
        (4, 17, 40, 35, 3),
        (3, 30, 2, 8, 1),
        (28, 28, 1, 4, 3),
        (13, 13, 32, 64, 1),
        (11, 11, 17, 40, 2),
    ];
    for (height, width, cin, cout, samples) in shapes {
        let dims = Dims { height, width, cin, cout };
        let [x, w, b, dy] = inputs(&dims, samples);
        let reference = run::<f64>(dims, samples, &x, &w, &b, &dy).unwrap();
        simd::with_each(|set| {
            let fast = run::<f32>(dims, samples, &x, &w, &b, &dy).unwrap();
            for (name, (fast, reference)) in ["y", "dx", "dw", "db"].iter().zip(fast.iter().zip(&reference)) {
                assert_close(&format!("{name} of {dims:?} x {samples}, {}", set.as_str()), fast, reference, TOLERANCE);
            }
        });
    }
}

#[test]
fn gradients_equal_finite_differences() {
    let dims = Dims { height: 4, width: 5, cin: 2, cout: 3 };
    let samples = 2;
    let [x, w, b, direction] = inputs(&dims, samples);
    let forward = |x: &[f64], w: &[f64], b: &[f64]| run::<f64>(dims, samples, x, w, b, &direction).unwrap()[0].clone();
    // The ReLU's mask belongs to the layer behind this operation, so it is applied to dy here.
    let y = forward(&x, &w, &b);
    let dy: Vec<f64> = direction.iter().zip(&y).map(|(d, y)| if *y > 0.0 { *d } else { 0.0 }).collect();
    let [_, dx, dw, db] = run::<f64>(dims, samples, &x, &w, &b, &dy).unwrap();
    assert_gradient("dx", &x, &dx, |x| inner(&direction, &forward(x, &w, &b)));
    assert_gradient("dw", &w, &dw, |w| inner(&direction, &forward(&x, w, &b)));
    assert_gradient("db", &b, &db, |b| inner(&direction, &forward(&x, &w, b)));
}

#[test]
fn a_sample_does_not_depend_on_its_batch() {
    let dims = Dims { height: 7, width: 9, cin: 3, cout: 5 };
    let [x, w, b, dy] = inputs(&dims, 4);
    let [together, dx_together, _, _] = run::<f32>(dims, 4, &x, &w, &b, &dy).unwrap();
    for s in 0..4 {
        let (x, dy) = (&x[s * dims.input()..][..dims.input()], &dy[s * dims.output()..][..dims.output()]);
        let [alone, dx_alone, _, _] = run::<f32>(dims, 1, x, &w, &b, dy).unwrap();
        assert_eq!(alone, together[s * dims.output()..][..dims.output()]);
        assert_eq!(dx_alone, dx_together[s * dims.input()..][..dims.input()]);
    }
}

#[test]
fn a_raised_flag_stops_the_kernel() {
    let dims = Dims { height: 5, width: 5, cin: 1, cout: 1 };
    let stop = StopFlag::new();
    stop.stop();
    let op = Conv3x3 { dims, samples: 1, weight: slot(0, 9), bias: slot(9, 1), stop: &stop };
    let (state, x, y) = (tensor::<f32>(&[0.5; 10]), tensor::<f32>(&[1.0; 25]), tensor::<f32>(&[0.0; 9]));
    assert_eq!(op.forward_relu(&y, &x, &state).unwrap_err().code, Code::Cancelled);
    assert_eq!(op.backward_data(&x, &y, &state).unwrap_err().code, Code::Cancelled);
    assert_eq!(op.backward_weights(&state, &x, &y).unwrap_err().code, Code::Cancelled);
}
