use super::Linear;
use crate::ops::adamw::AdamW;
use crate::ops::multiply::Precision;
use crate::ops::simd::with_each;
use crate::ops::testing::{assert_close, assert_gradient, inner, normal, slot, tensor, values};
use crate::tensor::Real;
use candle_core::WithDType;

const F32: Precision = Precision::F32;

fn op(samples: usize, inputs: usize, outputs: usize) -> Linear {
    let weight = slot(2 + outputs, inputs * outputs);
    Linear { samples, inputs, outputs, weight, bias: Some(slot(2, outputs)), precision: F32 }
}

/// y, dx, dw, db.
fn run<T: Real + WithDType>(op: Linear, x: &[f64], w: &[f64], b: &[f64], dy: &[f64]) -> [Vec<f64>; 4] {
    let state = tensor::<T>(&[&[9.0, 9.0], b, w].concat());
    // The product must not read what the destination held, so it holds NaN.
    let y = tensor::<T>(&vec![f64::NAN; dy.len()]);
    let dx = tensor::<T>(&vec![f64::NAN; x.len()]);
    let gradients = tensor::<T>(&vec![f64::NAN; 2 + b.len() + w.len()]);
    let (x, dy) = (tensor::<T>(x), tensor::<T>(dy));
    op.forward(&y, &x, &state).unwrap();
    op.backward_data(&dx, &dy, &state).unwrap();
    op.backward_weights(&gradients, &x, &dy).unwrap();
    let gradients = values(&gradients);
    [values(&y), values(&dx), gradients[2 + b.len()..].to_vec(), gradients[2..2 + b.len()].to_vec()]
}

#[test]
fn fast_path_equals_reference_on_odd_shapes() {
    for (samples, inputs, outputs) in [(1, 1, 1), (1, 7, 5), (3, 10, 1), (128, 33, 17), (5, 300, 129), (13, 2048, 31)] {
        let (x, w) = (normal(1, samples * inputs), normal(2, inputs * outputs));
        let (b, dy) = (normal(3, outputs), normal(4, samples * outputs));
        for precision in Precision::OF_PROCESSORS {
            let op = Linear { precision, ..op(samples, inputs, outputs) };
            let reference = run::<f64>(op, &x, &w, &b, &dy);
            with_each(|set| {
                let fast = run::<f32>(op, &x, &w, &b, &dy);
                for (name, (fast, reference)) in ["y", "dx", "dw", "db"].iter().zip(fast.iter().zip(&reference)) {
                    assert_close(&format!("{name} of {op:?}, {}", set.as_str()), fast, reference, 1e-5);
                }
            });
        }
    }
}

#[test]
fn bf16_rounds_the_factors_and_nothing_else() {
    // The factors lose their last bits; a sum that needs more bits than a factor has, and the bias, keep theirs.
    let op = Linear { precision: Precision::Bf16, ..op(1, 2, 1) };
    let run = |x: [f64; 2], bias: f64| run::<f32>(op, &x, &[1.0, 1.0], &[bias], &[1.0])[0][0];
    with_each(|_| {
        assert_eq!(run([1.0 + 2.0_f64.powi(-9), 0.0], 0.0), 1.0);
        assert_eq!(run([1.0, 2.0_f64.powi(-12)], 0.0), 1.0 + 2.0_f64.powi(-12));
        assert_eq!(run([1.0, 0.0], 2.0_f64.powi(-12)), 1.0 + 2.0_f64.powi(-12));
    });
}

#[test]
fn a_sample_alone_gives_the_bits_that_it_gives_in_a_batch() {
    with_each(|set| {
        for (inputs, outputs) in [(1, 1), (300, 10), (129, 333), (128, 512), (257, 67)] {
            let (x, w, b) = (normal(1, 14 * inputs), normal(2, inputs * outputs), normal(3, outputs));
            let forward = |samples: usize| {
                let (y, dy) = (samples * outputs, vec![0.0; samples * outputs]);
                run::<f32>(op(samples, inputs, outputs), &x[..samples * inputs], &w, &b, &dy)[0][..y].to_vec()
            };
            assert_eq!(forward(1), forward(14)[..outputs], "{inputs} to {outputs} with {set:?}");
        }
    });
}

#[test]
fn gradients_equal_finite_differences() {
    let op = op(3, 4, 5);
    let (x, w, b, dy) = (normal(1, 12), normal(2, 20), normal(3, 5), normal(4, 15));
    let [_, dx, dw, db] = run::<f64>(op, &x, &w, &b, &dy);
    assert_gradient("dx", &x, &dx, |x| inner(&dy, &run::<f64>(op, x, &w, &b, &dy)[0]));
    assert_gradient("dw", &w, &dw, |w| inner(&dy, &run::<f64>(op, &x, w, &b, &dy)[0]));
    assert_gradient("db", &b, &db, |b| inner(&dy, &run::<f64>(op, &x, &w, b, &dy)[0]));
}

#[test]
fn two_products_into_one_output_are_a_layer_on_concatenated_inputs() {
    let (a, b, w, bias) = (normal(1, 2 * 3), normal(2, 2 * 4), normal(3, 7 * 5), normal(4, 5));
    let state = tensor::<f32>(&[w.clone(), bias.clone()].concat());
    let y = tensor::<f32>(&[f64::NAN; 10]);
    let weight = slot(0, 35);
    let first = Linear {
        samples: 2,
        inputs: 3,
        outputs: 5,
        weight: weight.part(0, 15),
        bias: Some(slot(35, 5)),
        precision: F32,
    };
    let second = Linear { samples: 2, inputs: 4, outputs: 5, weight: weight.part(15, 20), bias: None, precision: F32 };
    first.forward(&y, &tensor::<f32>(&a), &state).unwrap();
    second.forward(&y, &tensor::<f32>(&b), &state).unwrap();
    let concatenated = [&a[..3], &b[..4], &a[3..], &b[4..]].concat();
    let whole = run::<f64>(op(2, 7, 5), &concatenated, &w, &bias, &[0.0; 10]);
    assert_close("y", &values(&y), &whole[0], 1e-5);
}

/// The state after two steps, with gradients that are stored or are not.
fn trained<T: Real + WithDType>(op: Linear, stored: bool) -> Vec<f64> {
    let parameters = 2 + op.outputs + op.inputs * op.outputs;
    let state = tensor::<T>(&[normal(1, parameters), vec![7.0; 3], vec![0.0; 2 * parameters]].concat());
    for step in 1..=2 {
        let x = tensor::<T>(&normal(10 + step as usize, op.samples * op.inputs));
        let dy = tensor::<T>(&normal(20 + step as usize, op.samples * op.outputs));
        let optimiser = AdamW::new(1e-2, 1e-1, step, parameters, 3);
        if !stored {
            op.update(&optimiser, &state, &x, &dy).unwrap();
            continue;
        }
        let gradients = tensor::<T>(&vec![0.0; parameters]);
        op.backward_weights(&gradients, &x, &dy).unwrap();
        for slot in op.bias.into_iter().chain([op.weight]) {
            optimiser.step_part(&state, &gradients, slot).unwrap();
        }
    }
    values(&state)
}

#[test]
fn an_update_equals_stored_gradients_and_a_step_of_the_optimiser_bit_for_bit() {
    with_each(|set| {
        // One part of the gradient, several, and a last one of a single row.
        for (samples, inputs, outputs) in [(1, 1, 1), (5, 30, 17), (130, 417, 33)] {
            for precision in Precision::OF_PROCESSORS {
                let op = Linear { precision, ..op(samples, inputs, outputs) };
                assert_eq!(trained::<f32>(op, false), trained::<f32>(op, true), "{op:?} with {set:?}");
                let without_bias = Linear { bias: None, ..op };
                assert_eq!(trained::<f32>(without_bias, false), trained::<f32>(without_bias, true), "{set:?}");
            }
        }
    });
    let op = op(5, 30, 17);
    assert_eq!(trained::<f64>(op, false), trained::<f64>(op, true));
}
