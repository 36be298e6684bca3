//! Trainings that go on from the weights of a model.

use super::resume::{checkpointed, interrupted_by};
use super::*;
use crate::error::Code;
use crate::model::Model;
use serde_json::Value;

fn trained(data: &Arc<Dataset>) -> Arc<Model> {
    let model = Model::new(mlp(3)).unwrap();
    Arc::new(model.with_weights(train(plan(mlp(3), options(8), data)), Value::Null))
}

fn continued(model: &Arc<Model>, options: FitOptions, round: u64, data: &Arc<Dataset>) -> Plan {
    plan(mlp(3), options, data).continued(model.clone(), round).unwrap()
}

#[test]
fn it_begins_with_the_weights_of_the_model_and_other_noise() {
    let data = vectors(50);
    let model = trained(&data);
    let plan = continued(&model, options(8), 1, &data);
    let job = BlockJob::start(&plan, 2, &Device::Cpu).unwrap();
    let state = job.state().unwrap();
    let weights = model.block(2, &Device::Cpu).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(state[..weights.len()], weights);
    assert!(state[weights.len()..].iter().all(|moment| *moment == 0.0));
    // Each round has an order of its own.
    let order = |plan: &Plan| plan.order(0).unwrap().to_vec();
    let fresh = self::plan(mlp(3), options(8), &data);
    assert_ne!(order(&plan), order(&fresh));
    // Noise and dropout are drawn by the plan's seed.
    assert_ne!(plan.model.config.seed, fresh.model.config.seed);
    assert_ne!(order(&plan), order(&continued(&model, options(8), 2, &data)));
}

#[test]
fn it_lowers_the_loss_further_and_is_the_same_however_it_is_run() {
    let data = vectors(50);
    let model = trained(&data);
    let run = Run::start(continued(&model, options(8), 1, &data));
    let events = run.drive(&[1, 2, 3], 3, |_| false);
    let expected = run.finish().sha256().unwrap();
    let first = Run::start(plan(mlp(3), options(8), &data));
    let losses = |events: &[Event]| {
        let of = |event: &Event| match event {
            Event::Block { losses, .. } => Some(losses[0]),
            _ => None,
        };
        events.iter().filter_map(of).sum::<f64>()
    };
    assert!(losses(&events) < losses(&first.drive(&[1, 2, 3], 3, |_| false)));
    let two = FitOptions { threads: Some(2), ..options(8) };
    assert_eq!(sha256(continued(&model, two, 1, &data)), expected);
    let directory = tempfile::tempdir().unwrap();
    let options = checkpointed(options(8), directory.path());
    let (run, interruptions) = interrupted_by(|| continued(&model, options.clone(), 1, &data), 3, 12);
    assert!(interruptions >= 2, "only {interruptions} interruptions");
    assert_eq!(run.finish().sha256().unwrap(), expected);
    // It is not resumed from other weights.
    let other = Arc::new(
        Model::new(mlp(3)).unwrap().with_weights(train(continued(&model, self::options(8), 1, &data)), Value::Null),
    );
    let error = Training::start(continued(&other, options, 1, &data), Box::new(|_| {})).err().unwrap();
    assert_eq!(error.code, Code::CheckpointMismatch);
    assert!(error.what.contains("training.from"), "{error}");
}

#[test]
fn a_model_without_weights_is_refused() {
    let data = vectors(50);
    let model = Arc::new(Model::new(mlp(3)).unwrap());
    let error = plan(mlp(3), options(8), &data).continued(model, 1).err().unwrap();
    assert_eq!(error.code, Code::NotTrained);
}

#[test]
fn a_run_can_be_given_more_epochs_where_the_learning_rate_is_constant() {
    let data = vectors(50);
    let expected = sha256(plan(mlp(3), FitOptions { epochs: 5, ..options(8) }, &data));
    let directory = tempfile::tempdir().unwrap();
    let with = |epochs| FitOptions { epochs, ..checkpointed(options(8), directory.path()) };
    // One block in its second epoch, another not begun.
    let halt = |event: &Event| matches!(event, Event::Block { block: 2, .. });
    interrupt(plan(mlp(3), with(2), &data), &[2, 1], 1, halt);
    for epochs in [3, 3, 5, 5] {
        let run = Run::start(plan(mlp(3), with(epochs), &data));
        let events = run.drive(&[1, 2, 3], 3, |_| false);
        assert_eq!(events.iter().filter(|event| matches!(event, Event::Block { .. })).count(), 3);
        let found = run.finish().sha256().unwrap();
        assert_eq!(found == expected, epochs == 5);
    }
    let resumed = Run::start(plan(mlp(3), with(5), &data)).drive(&[2], 1, |_| false);
    assert!(matches!(resumed[..], [Event::Block { block: 2, resumed: true, .. }]), "{resumed:?}");
    let error = Training::start(plan(mlp(3), with(4), &data), Box::new(|_| {})).err().unwrap();
    assert!(error.code == Code::CheckpointMismatch && error.hint.contains("more epochs, not fewer"), "{error}");
}

#[test]
fn a_one_cycle_run_says_why_it_cannot_be_lengthened() {
    let data = vectors(50);
    let directory = tempfile::tempdir().unwrap();
    let with = |epochs| {
        let learning_rate_schedule = LearningRateSchedule::OneCycle;
        FitOptions { epochs, learning_rate_schedule, ..checkpointed(options(8), directory.path()) }
    };
    train(plan(mlp(2), with(2), &data));
    let error = Training::start(plan(mlp(2), with(3), &data), Box::new(|_| {})).err().unwrap();
    assert!(error.code == Code::CheckpointMismatch && error.hint.contains("schedule of the learning rate"), "{error}");
}

#[test]
fn a_learning_rate_that_is_found_serves_and_is_the_same_each_time() {
    let data = vectors(50);
    let find = |rate| {
        let options =
            FitOptions { learning_rate: rate, learning_rate_schedule: LearningRateSchedule::OneCycle, ..options(8) };
        crate::train::find_learning_rate(plan(mlp(3), options, &data), &StopFlag::new()).unwrap()
    };
    let found = find(1e-3);
    assert_eq!(found, find(0.5));
    // At 1e-6 nothing is learned and at 1 everything is spoiled; what lies between serves.
    assert!((1e-4..0.1).contains(&found.learning_rate), "{found:?}");
    assert!(found.curve.is_sorted_by(|a, b| a.learning_rate < b.learning_rate));
    let last_loss = |rate| {
        let options = FitOptions { learning_rate: rate, ..options(8) };
        job(&plan(mlp(3), options, &data), 1, u64::MAX).progress.losses[2]
    };
    assert!(last_loss(found.learning_rate) < last_loss(1e-6).min(last_loss(1.0)));
    let stop = StopFlag::new();
    stop.stop();
    let error = crate::train::find_learning_rate(plan(mlp(3), options(8), &data), &stop).unwrap_err();
    assert_eq!(error.code, Code::Cancelled);
}
