use super::super::ReadoutChoice;
use super::super::{evaluate, predict};
use super::*;
use crate::config::from_json;
use crate::data::{InputShape, Pixels};
use crate::rng::{Purpose, Stream};
use crate::storage::WeightStore;

/// Coordinates of two blocks: the first tells the class in noise, the second is noise.
fn table(samples: usize, classes: usize) -> (Vec<Vec<f64>>, Vec<u32>) {
    let stream = Stream::new(8, Purpose::Init, 0, 0, 0);
    let targets: Vec<u32> = (0..samples as u32).map(|sample| sample % classes as u32).collect();
    let of = |signal: f64, from: usize| -> Vec<f64> {
        let value = |at: usize| {
            let is_class = targets[at / classes] as usize == at % classes;
            signal * f64::from(u8::from(is_class)) + stream.normal((from + at) as u32)
        };
        (0..samples * classes).map(value).collect()
    };
    (vec![of(1.5, 0), of(0.0, 10_000)], targets)
}

#[test]
fn slopes_are_those_of_finite_differences() {
    let (table, targets) = table(60, 3);
    let weights = [0.4, -0.7];
    let here = at(&weights, &table, &targets, 3, true);
    let moved = |one: usize, by: f64| {
        let mut weights = weights;
        weights[one] += by;
        at(&weights, &table, &targets, 3, true)
    };
    for one in 0..2 {
        let (up, down) = (moved(one, 1e-5), moved(one, -1e-5));
        assert!((here.gradient[one] - (up.loss - down.loss) / 2e-5).abs() < 1e-8);
        for other in 0..=one {
            let slope = (up.gradient[other] - down.gradient[other]) / 2e-5;
            assert!((here.curvature[one * 2 + other] - slope).abs() < 1e-7);
        }
    }
}

#[test]
fn the_weights_are_of_the_least_loss_and_noise_has_nearly_none() {
    let (table, targets) = table(3000, 3);
    let (weights, loss) = fit(&table, &targets, 3, &StopFlag::new()).unwrap();
    let end = at(&weights, &table, &targets, 3, true);
    assert!(end.gradient.iter().all(|slope| slope.abs() < 1e-7), "{:?}", end.gradient);
    assert!(loss < at(&[1.0, 0.0], &table, &targets, 3, false).loss);
    // Unit noise on 1.5: the logits are 1.5 times the values.
    assert!((weights[0] - 1.5).abs() < 0.1 && weights[1].abs() < 0.1, "{weights:?}");
    // Where all are right, weights end somewhere.
    let clear = vec![targets.iter().flat_map(|t| (0..3).map(move |k| f64::from(u8::from(k == *t)))).collect()];
    let (weights, loss) = fit(&clear, &targets, 3, &StopFlag::new()).unwrap();
    assert!((5.0..60.0).contains(&weights[0]) && loss < 1e-3, "{weights:?} {loss}");
}

fn model(embedding: &str) -> Model {
    let json = format!(
        r#"{{"input":[6],"classes":[0,1,2],"blocks":3,"net":{{"type":"mlp","hidden":[8]}},"embedding":{embedding}}}"#
    );
    let model = Model::new(from_json(&json).unwrap()).unwrap();
    let store = WeightStore::temporary(3, model.checked.layout.weights()).unwrap();
    for block in 1..=3 {
        store.write(block, &model.checked.layout.initial_weights(1, block)).unwrap();
    }
    model.with_weights(store, serde_json::Value::Null)
}

fn data() -> Dataset {
    let stream = Stream::new(4, Purpose::Init, 0, 0, 0);
    let pixels = (0..300 * 6).map(|at| stream.normal(at) as f32).collect();
    let labels = (0..300).map(|sample| sample % 3).collect();
    Dataset::from_arrays(Pixels::F32(pixels), InputShape::Vector { len: 6 }, Some(labels)).unwrap()
}

#[test]
fn embeddings_that_hold_no_shares_are_refused() {
    let (model, stop) = (model(r#"{"type":"orthogonal","dim":2}"#), StopFlag::new());
    let error = fit_readout(&model, &data(), &SampleOptions::default(), &stop).unwrap_err();
    assert!(error.code == Code::Option && error.expected.contains("at least as many values"), "{error}");
}

#[test]
fn what_was_fitted_is_read_and_is_the_same_for_any_threads() {
    for embedding in [r#"{"type":"one-hot"}"#, r#"{"type":"orthogonal","dim":5}"#] {
        let (model, data, stop) = (model(embedding), data(), StopFlag::new());
        let with = |threads| SampleOptions { threads: Some(threads), ..SampleOptions::default() };
        let fitted = fit_readout(&model, &data, &with(1), &stop).unwrap();
        assert_eq!(fit_readout(&model, &data, &with(3), &stop).unwrap(), fitted);
        let options = SampleOptions { readout: ReadoutChoice::Fitted, ..with(2) };
        let error = predict(&model, &data, options.clone(), &stop).unwrap_err();
        assert!(error.code == Code::Option && error.hint.contains("fitReadout"), "{error}");
        model.set_readout(serde_json::json!(fitted));
        let found = evaluate(&model, &data, options.clone(), &stop).unwrap();
        // Probabilities are those of the softmax, but for rounding to f32 of the states.
        assert!((found.metrics.log_loss - fitted.log_loss).abs() < 1e-4, "{embedding}: {found:?} {fitted:?}");
        let plain = evaluate(&model, &data, with(2), &stop).unwrap();
        assert_eq!(found.exit.unwrap().whole_accuracy, plain.accuracy);
        let early = SampleOptions { stop_after: Some(1), ..options };
        assert!(predict(&model, &data, early, &stop).unwrap_err().what.contains("does not go with"));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model");
        model.save(&path).unwrap();
        assert_eq!(weights(&Model::load(&path).unwrap()).unwrap(), fitted.weights);
        model.set_readout(serde_json::json!({ "weights": [1.0], "logLoss": 0.0, "samples": 1, "fingerprint": "" }));
        assert_eq!(weights(&model).unwrap_err().code, Code::ModelFormat);
    }
}
