//! Validation and early stopping of methods of one job, which are measured as the models that they are.

use super::methods::methods;
use super::resume::{checkpointed, interrupted_by};
use super::validation::chain;
use super::*;
use crate::SampleOptions;
use crate::config::EarlyStopping;
use crate::inference::{evaluate, measure_chain};
use crate::model::Model;
use crate::train::End;

/// The methods of one job that are not blocks with noise of their own.
fn of_one_job() -> Vec<(ModelConfig, Arc<Dataset>)> {
    let is_whole = |config: &ModelConfig| {
        let checked = config.clone().check().unwrap();
        checked.jobs() == 1 && !checked.method.is_validated()
    };
    methods().into_iter().filter(|(config, _)| is_whole(config)).collect()
}

fn accuracy_and_loss(config: &ModelConfig, plan: Plan, data: &Dataset) -> (f64, f64) {
    let fitted = plan.model.clone();
    let model = Model::new(config.clone()).unwrap().with_weights(train(plan), serde_json::Value::Null);
    let found = evaluate(&model.with_fitted(fitted), data, SampleOptions::default(), &StopFlag::new()).unwrap();
    (found.accuracy, found.loss)
}

#[test]
fn each_is_measured_as_a_shorter_training_would_be_and_no_bit_changes() {
    let found = of_one_job();
    let names: std::collections::BTreeSet<_> = found.iter().map(|(config, _)| config.method.name()).collect();
    let expected = ["adjoint", "backprop", "classifier", "ct", "dt", "fm", "forward-forward"];
    assert_eq!(names.into_iter().collect::<Vec<_>>(), expected);
    for (config, data) in found {
        let plan = |options: FitOptions| plan(config.clone(), options, &data);
        let run = Run::start(plan(options(20)).validated(data.clone(), measure_chain).unwrap());
        let events = run.drive(&[1], 1, |_| false);
        assert_eq!(run.finish().sha256().unwrap(), sha256(plan(options(20))), "{config:?}");
        let scores: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Epoch { epoch, validation_loss, validation_accuracy, .. } => {
                    Some((*epoch, validation_accuracy.unwrap(), validation_loss.unwrap()))
                }
                _ => None,
            })
            .collect();
        assert_eq!((scores.len(), &chain(&events)[..]), (3, &scores[..2]), "{config:?}");
        // The learning rate is constant, so this is a shorter training.
        let shorter = plan(FitOptions { epochs: 2, ..options(20) });
        let expected = accuracy_and_loss(&config, shorter, &data);
        assert_eq!((scores[1].1, scores[1].2), expected, "{config:?}");
    }
}

#[test]
fn each_ends_early_with_its_best_weights_however_it_is_run() {
    // Labels of other samples, so that what is learned does not last.
    let held = |data: &Arc<Dataset>| {
        let labels = (0..data.samples()).map(|sample| CLASSES[(sample / 2 + sample) % 3]).collect();
        let pixels = Pixels::F32((0..data.samples() * 6).map(|index| (index * 7 % 11) as f32 / 11.0).collect());
        Arc::new(Dataset::from_arrays(pixels, InputShape::Vector { len: 6 }, Some(labels)).unwrap())
    };
    let early_stopping = Some(EarlyStopping { patience: 2, min_delta: 0.0, restore_best: true });
    let stopping = FitOptions { epochs: 60, early_stopping, learning_rate: 2e-2, ..options(20) };
    let vectors = of_one_job().into_iter().filter(|(config, _)| config.input.len() == 6);
    for (config, data) in vectors {
        let (held, directory) = (held(&data), tempfile::tempdir().unwrap());
        let new =
            |options: FitOptions| plan(config.clone(), options, &data).validated(held.clone(), measure_chain).unwrap();
        let run = Run::start(new(stopping.clone()));
        let events = run.drive(&[1], 1, |_| false);
        let Some(Event::Block { losses, reason: End::EarlyStopping, best_epoch: Some(best), .. }) = events.last()
        else {
            panic!("{config:?}: {:?}", events.last());
        };
        assert_eq!(losses.len(), best + 2, "{config:?}");
        let expected = run.finish().sha256().unwrap();
        let shorter = FitOptions { epochs: *best, learning_rate: 2e-2, ..options(20) };
        assert_eq!(expected, sha256(plan(config.clone(), shorter, &data)), "{config:?}");
        let threads = FitOptions { threads: Some(2), ..stopping.clone() };
        let (run, _) = interrupted_by(|| new(checkpointed(threads.clone(), directory.path())), 1, 60);
        assert_eq!(run.finish().sha256().unwrap(), expected, "{config:?}");
    }
}

#[test]
fn a_net_with_a_head_beside_it_is_measured_at_the_end_alone() {
    let method = serde_json::from_str(r#""fm""#).unwrap();
    let config = ModelConfig { method, head: HeadConfig::Softmax, ..mlp(1) };
    let options = FitOptions { validation_every: Some(1), ..options(8) };
    let plan = plan(config, options, &vectors(50)).validated(vectors(40), measure_chain).unwrap();
    let error = Training::start(plan, Box::new(|_| {})).err().unwrap();
    assert!(error.what.contains("does not apply to method fm with a head"), "{error}");
}
