//! Validation while training, early stopping, and runs that are ended with what there is.

use super::resume::{checkpointed, interrupted_by};
use super::*;
use crate::config::{EarlyStopping, from_json};
use crate::error::Code;
use crate::inference::{evaluate, measure_chain};
use crate::method::{Draw, Drawn};
use crate::model::Model;
use crate::train::validation::Validator;
use crate::train::{End, Score};
use crate::{SampleOptions, config::CheckedConfig};

/// Samples that [`vectors`] does not begin with, and more of a puzzle.
fn held(samples: usize) -> Arc<Dataset> {
    let stream = Stream::new(9, Purpose::Init, 0, 0, 0);
    let value = |index: usize| {
        let signal = if index % 6 == index / 6 % 3 { 0.5 } else { 0.0 };
        (signal + 0.4 * stream.normal(index as u32)) as f32
    };
    let pixels = Pixels::F32((0..samples * 6).map(value).collect());
    let labels = (0..samples).map(|sample| CLASSES[sample % 3]).collect();
    Arc::new(Dataset::from_arrays(pixels, InputShape::Vector { len: 6 }, Some(labels)).unwrap())
}

fn validated(config: ModelConfig, options: FitOptions) -> Plan {
    plan(config, options, &vectors(50)).validated(held(40), measure_chain).unwrap()
}

/// A net of one linear layer on z, whose matrix is `scale` times the unit matrix, and a softmax.
fn reading_z(blocks: usize, scale: f32) -> (CheckedConfig, Vec<f32>) {
    let json = format!(
        r#"{{"input":[6],"classes":[4,7,19],"blocks":{blocks},"net":{{"type":"graph","nodes":[
            {{"op":"linear","from":"z","units":3}},{{"op":"softmax"}}]}}}}"#
    );
    let config = from_json::<ModelConfig>(&json).unwrap().check().unwrap();
    let mut weights = vec![0.0; config.layout.weights()];
    let matrix = config.layout.entries().iter().find(|entry| entry.shape == [3, 3]).unwrap().slot.offset;
    (0..3).for_each(|k| weights[matrix + 4 * k] = scale);
    (config, weights)
}

fn score(config: &CheckedConfig, weights: &[f32], block: usize) -> Score {
    let plan = Plan::new(config.clone(), options(8), vectors(50)).unwrap();
    // More samples than are worked on together, and not a multiple.
    let plan = plan.validated(held(301), measure_chain).unwrap();
    let state = candle_core::Tensor::from_slice(weights, (1, weights.len()), &Device::Cpu).unwrap();
    let state = crate::tensor::Buffer::new(state).unwrap();
    let validation = plan.validation.as_ref().unwrap();
    Validator::new(&plan.model).unwrap().score(&plan.model, validation, (block, 2), &state, &StopFlag::new()).unwrap()
}

#[test]
fn a_block_is_measured_on_noised_labels_of_its_own_share() {
    // It says a third of each class: (2/3)² + 2 · (1/3)², and the first class of 0, 1, 2, 0, …
    let (config, none) = reading_z(4, 0.0);
    let found = score(&config, &none, 2);
    assert!((found.loss - 2.0 / 3.0).abs() < 1e-6 && found.epoch == 2, "{found:?}");
    assert_eq!(found.accuracy, 101.0 / 301.0);
    // It says what z says: block 1 gets noise (a share of 1e-4), block 4 half of the label.
    let (_, weights) = reading_z(4, 8.0);
    let [first, last] = [1, 4].map(|block| score(&config, &weights, block).accuracy);
    // ᾱ_3 = cos²(π/8) = 0.854: a class wins over another with Φ(√0.854 / √(2 · 0.146)) = Φ(1.71) = 0.956, over both with about 0.92.
    assert!((first - 1.0 / 3.0).abs() < 0.09 && (last - 0.92).abs() < 0.05, "{first}, {last}");
}

/// Blocks of `diffusion-blocks`, each at noise levels of its own range, which differ from sample to sample.
#[test]
fn a_block_that_owns_a_range_of_noise_is_measured_in_it() {
    let model = |method: &str| {
        let json = format!(
            r#"{{"input":[6],"classes":[4,7,19],"blocks":4,"method":{method},"net":{{"type":"graph","nodes":[
                {{"op":"time-features","name":"noise","from":"time","width":4}},
                {{"op":"linear","from":["z","noise"],"units":3}}]}}}}"#
        );
        from_json::<ModelConfig>(&json).unwrap().check().unwrap()
    };
    let weights = |config: &CheckedConfig, scale: f32| {
        let mut weights = vec![0.0; config.layout.weights()];
        let matrix = config.layout.entries().iter().find(|entry| entry.shape == [7, 3]).unwrap().slot.offset;
        (0..3).for_each(|k| weights[matrix + 4 * k] = scale);
        weights
    };
    // û = softmax(8 z): a noisier label tells less.
    let config = model(r#"{"type":"diffusion-blocks"}"#);
    let [first, last] = [1, 4].map(|block| score(&config, &weights(&config, 8.0), block));
    assert!((0.4..0.8).contains(&first.accuracy) && last.accuracy == 1.0, "{first:?} {last:?}");
    assert!(first.loss > 0.4 && last.loss < 1e-3, "{first:?} {last:?}");
    // A net that says nothing leaves û = skip · (u + σ ε), whose mean square error is 3 σ² d² / (σ² + d²) with d² = 1/3.
    let config = model(r#"{"type":"diffusion-blocks","loss":"mse","preconditioning":true}"#);
    let [first, last] = [1, 4].map(|block| score(&config, &weights(&config, 0.0), block));
    for (block, found) in [(1, first), (4, last)] {
        let mut drawn = Drawn::new(301, 3);
        let (samples, classes): (Vec<_>, Vec<_>) = (0..301).map(|sample| (sample, sample % 3)).unzip();
        let (samples, seed) = (&samples, config.config.seed);
        let draw = Draw { seed, job: block, epoch: 0, samples, classes: &classes, numbers: None, own: &[] };
        config.method.draw_validation(&draw, &mut drawn);
        let square = |time: &f32| crate::math::exp(8.0 * f64::from(*time));
        let errors = drawn.times.iter().map(square).map(|square| square / (square + 1.0 / 3.0));
        let expected = errors.sum::<f64>() / 301.0;
        assert!((found.loss / expected - 1.0).abs() < 0.15, "{found:?} {expected}");
    }
    assert_eq!(score(&config, &weights(&config, 0.0), 4), last);
}

fn stopping(patience: usize, restore_best: bool) -> FitOptions {
    let early_stopping = Some(EarlyStopping { patience, min_delta: 0.0, restore_best });
    FitOptions { epochs: 40, early_stopping, learning_rate: 2e-2, ..options(8) }
}

/// The end of each block: epochs, why, best epoch.
fn ends(events: &[Event]) -> Vec<(usize, End, Option<usize>)> {
    let mut ends: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Block { block, losses, reason, best_epoch, .. } => {
                Some((*block, losses.len(), *reason, *best_epoch))
            }
            _ => None,
        })
        .collect();
    ends.sort_by_key(|end| end.0);
    ends.into_iter().map(|(_, epochs, reason, best)| (epochs, reason, best)).collect()
}

fn run_all(plan: Plan) -> (Vec<Event>, WeightStore) {
    let (blocks, in_flight) = (plan.model.config.blocks, plan.options.in_flight.unwrap());
    let run = Run::start(plan);
    let events = run.drive(&(1..=blocks).collect::<Vec<_>>(), in_flight, |_| false);
    (events, run.finish())
}

#[test]
fn blocks_end_when_they_get_no_better_with_their_best_weights() {
    let (events, store) = run_all(validated(mlp(4), stopping(2, true)));
    let ends = ends(&events);
    assert!(ends.iter().any(|end| end.1 == End::EarlyStopping), "{ends:?}");
    for (index, (epochs, reason, best)) in ends.iter().enumerate() {
        let best = best.unwrap();
        assert!(*reason == End::Epochs || *epochs == best + 2, "{ends:?}");
        // The learning rate is constant: the best epoch is the last one of a shorter training.
        let shorter = FitOptions { epochs: best, learning_rate: 2e-2, ..options(8) };
        let expected = train(plan(mlp(4), shorter, &vectors(50))).read(index + 1).unwrap();
        assert_eq!(store.read(index + 1).unwrap(), expected, "block {}", index + 1);
    }
    // Without, they end with their last weights.
    let (events, store) = run_all(validated(mlp(1), stopping(2, false)));
    let [(epochs, End::EarlyStopping, None)] = self::ends(&events)[..] else { panic!("{events:?}") };
    let shorter = FitOptions { epochs, learning_rate: 2e-2, ..options(8) };
    assert_eq!(store.read(1).unwrap(), train(plan(mlp(1), shorter, &vectors(50))).read(1).unwrap());
}

#[test]
fn validation_alone_changes_no_bit() {
    let options = FitOptions { validation_every: Some(2), ..options(8) };
    let (events, store) = run_all(validated(mlp(3), options.clone()));
    let plain = FitOptions { validation_every: None, ..options };
    assert_eq!(store.sha256().unwrap(), sha256(plan(mlp(3), plain, &vectors(50))));
    let seen: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Epoch { block: 2, epoch, validation_loss, validation_accuracy, .. } => {
                Some((*epoch, validation_loss.is_some(), validation_accuracy.is_some()))
            }
            _ => None,
        })
        .collect();
    // Every second epoch, and after the last one.
    assert_eq!(seen, [(1, false, false), (2, true, true), (3, true, true)]);
}

#[test]
fn early_stopping_is_the_same_for_all_threads_orders_and_interruptions() {
    let (events, store) = run_all(validated(mlp(4), stopping(2, true)));
    let (expected, expected_ends) = (store.sha256().unwrap(), ends(&events));
    for (threads, in_flight) in [(1, 1), (2, 4), (3, 2)] {
        let options = FitOptions { threads: Some(threads), in_flight: Some(in_flight), ..stopping(2, true) };
        let run = Run::start(validated(mlp(4), options));
        let events = run.drive(&[3, 1, 4, 2], in_flight, |_| false);
        assert_eq!((run.finish().sha256().unwrap(), ends(&events)), (expected.clone(), expected_ends.clone()));
    }
    for threads in [1, 2] {
        let directory = tempfile::tempdir().unwrap();
        let options = FitOptions { threads: Some(threads), ..stopping(2, true) };
        let new = || validated(mlp(4), checkpointed(options.clone(), directory.path()));
        let (run, interruptions) = interrupted_by(new, 4, 60);
        assert!(interruptions >= 3, "only {interruptions} interruptions");
        let early = run.training.early_ends();
        assert_eq!(run.finish().sha256().unwrap(), expected, "{threads} threads");
        for end in early {
            assert_eq!((end.epochs, end.reason), (expected_ends[end.block - 1].0, End::EarlyStopping));
        }
    }
}

/// What is told of all blocks together: epoch, accuracy and loss.
pub(super) fn chain(events: &[Event]) -> Vec<(usize, f64, f64)> {
    let of = |event: &Event| match event {
        Event::Chain { epoch, accuracy, loss } => Some((*epoch, *accuracy, *loss)),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

#[test]
fn the_chain_is_measured_where_all_blocks_are_at_the_same_epoch() {
    let (events, _) = run_all(validated(mlp(3), options(8)));
    let chain = chain(&events);
    // After the last of three epochs the whole is evaluated anyway.
    assert_eq!(chain.iter().map(|(epoch, ..)| *epoch).collect::<Vec<_>>(), [1, 2]);
    for (epoch, accuracy, loss) in chain {
        // The learning rate is constant, so this is a shorter training.
        let store = train(plan(mlp(3), FitOptions { epochs: epoch, ..options(8) }, &vectors(50)));
        let model = Model::new(mlp(3)).unwrap().with_weights(store, serde_json::Value::Null);
        let found = evaluate(&model, &held(40), SampleOptions::default(), &StopFlag::new()).unwrap();
        assert_eq!((accuracy, loss), (found.accuracy, found.loss), "epoch {epoch}");
    }
    // Blocks that are not in flight together are never at the same epoch.
    let (events, _) = run_all(validated(mlp(3), FitOptions { in_flight: Some(2), ..options(8) }));
    assert!(!events.iter().any(|event| matches!(event, Event::Chain { .. })));
}

#[test]
fn a_run_that_is_told_to_end_has_a_model_of_what_there_is_and_can_be_resumed() {
    let data = vectors(50);
    // So many that no block is finished when the run is told.
    let options = |batch| FitOptions { epochs: 1000, ..super::options(batch) };
    let expected = sha256(plan(mlp(3), options(8), &data));
    for kept in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        // Written when it is told, and not at each of so many steps.
        let at_the_end = || FitOptions { checkpoint_seconds: 1e9, ..checkpointed(options(8), directory.path()) };
        let chosen = if kept { at_the_end() } else { options(8) };
        let run = Run::start(plan(mlp(3), chosen.clone(), &data));
        let mut told = false;
        let events = run.drive(&[1, 2, 3], 3, |event| {
            if matches!(event, Event::Epoch { .. }) && !std::mem::replace(&mut told, true) {
                run.training.wrap_up().unwrap();
            }
            false
        });
        let stopped = ends(&events).iter().filter(|end| end.1 == End::Stopped).count();
        assert!(stopped > 0 && run.training.early_ends().len() == stopped, "{events:?}");
        let store = run.finish();
        // Every block is there, and has learned something.
        let layout = &plan(mlp(3), super::options(8), &data).model.layout;
        for block in 1..=3 {
            assert_ne!(store.read(block).unwrap(), layout.initial_weights(7, block));
        }
        if kept {
            assert_eq!(sha256(plan(mlp(3), chosen, &data)), expected);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |plan: Plan| Training::start(plan, Box::new(|_| {})).err().unwrap();
    for options in [stopping(2, true), FitOptions { validation_every: Some(2), ..options(8) }] {
        let error = refused(plan(mlp(1), options, &vectors(50)));
        assert_eq!(error.code, Code::Option);
        assert!(error.what.contains("needs validation samples"), "{error}");
    }
    for bad in [stopping(0, true), FitOptions { validation_every: Some(0), ..options(8) }] {
        assert_eq!(bad.check(1, 50).unwrap_err().code, Code::Option);
    }
    let other = Plan::new(mlp(1).check().unwrap(), options(8), vectors(50)).unwrap();
    assert_eq!(other.validated(images(4), measure_chain).err().unwrap().code, Code::Shape);
    // A checkpoint of other early stopping, or of another validation set, is another run.
    let directory = tempfile::tempdir().unwrap();
    let with = |patience| checkpointed(stopping(patience, true), directory.path());
    run_all(validated(mlp(1), with(2)));
    let error = refused(validated(mlp(1), with(3)));
    assert_eq!(error.code, Code::CheckpointMismatch);
    let other = plan(mlp(1), with(2), &vectors(50)).validated(held(41), measure_chain).unwrap();
    assert_eq!(refused(other).code, Code::CheckpointMismatch);
}

#[cfg(feature = "emulation")]
#[test]
fn devices_end_with_what_there_is_and_refuse_what_they_cannot_do_yet() {
    let data = vectors(50);
    let on = |options| FitOptions { device: "emulated".parse().unwrap(), ..options };
    let refused = plan(mlp(1), on(stopping(2, true)), &data).validated(held(40), measure_chain).unwrap();
    let error = Training::start(refused, Box::new(|_| {})).err().unwrap();
    assert!(error.code == Code::Option && error.what.contains("does not serve on GPUs yet"), "{error}");
    // Validation alone is left to the end of the run.
    let plan_of = |options| plan(mlp(3), on(options), &data).validated(held(40), measure_chain).unwrap();
    let (events, store) = run_all(plan_of(options(8)));
    assert!(!events.iter().any(|event| matches!(event, Event::Epoch { validation_loss: Some(_), .. })));
    let expected = store.sha256().unwrap();

    let directory = tempfile::tempdir().unwrap();
    let kept = || plan_of(checkpointed(options(8), directory.path()));
    let run = Run::start(kept());
    let mut told = false;
    let events = run.drive(&[1, 2, 3], 3, |event| {
        if !matches!(event, Event::Block { .. }) && !std::mem::replace(&mut told, true) {
            run.training.wrap_up().unwrap();
        }
        false
    });
    assert_eq!(ends(&events).len(), 3);
    run.finish();
    assert_eq!(sha256(kept()), expected);
}
