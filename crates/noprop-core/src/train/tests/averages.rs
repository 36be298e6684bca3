//! Moving averages of weights.

use super::resume::interrupted;
use super::*;
use crate::error::Code;

fn averaged(ema: f64, batch: usize) -> FitOptions {
    FitOptions { ema: Some(ema), ..options(batch) }
}

#[test]
fn a_block_ends_with_the_average_of_its_weights_which_changes_nothing_of_its_steps() {
    for (config, data) in [(mlp(1), vectors(50)), (cnn(1), images(41))] {
        let (plain, averaged) = (plan(config.clone(), options(8), &data), plan(config, averaged(0.8, 8), &data));
        let len = plain.model.layout.weights();
        let mut expected: Vec<f64> = Vec::new();
        let steps = plain.steps();
        let device = Device::Cpu;
        let mut job = BlockJob::start(&plain, 1, &device).unwrap();
        let mut trainer = Trainer::new(&plain, &device).unwrap();
        expected.extend(job.state().unwrap()[..len].iter().map(|value| f64::from(*value)));
        for step in 1..=steps {
            job.step(&plain, &mut trainer, &StopFlag::new()).unwrap();
            let keep = 0.8_f64.min((1.0 + step as f64) / (10.0 + step as f64));
            let state = job.state().unwrap();
            for (expected, value) in expected.iter_mut().zip(state) {
                *expected = keep * *expected + (1.0 - keep) * f64::from(value);
            }
        }
        let found = self::job(&averaged, 1, u64::MAX);
        assert_eq!(found.state().unwrap(), job.state().unwrap());
        let weights = found.weights(&averaged).unwrap();
        assert_eq!(weights.len(), len);
        assert_ne!(weights, job.weights(&plain).unwrap());
        for (found, expected) in weights.iter().zip(&expected) {
            // Rounding to f32 in each of some 20 steps.
            assert!((f64::from(*found) - expected).abs() < 1e-5 * expected.abs().max(1.0), "{found} {expected}");
        }
    }
}

#[test]
fn averages_are_the_same_under_any_schedule_and_interruption() {
    for (config, data) in [(mlp(4), vectors(50)), (cnn(3), images(41))] {
        invariance::check(&config, &averaged(0.9, 8), &data);
        let expected = sha256(plan(config.clone(), averaged(0.9, 8), &data));
        assert_ne!(expected, sha256(plan(config.clone(), options(8), &data)));
        let directory = tempfile::tempdir().unwrap();
        let (found, interruptions) = interrupted(&config, &averaged(0.9, 8), &data, directory.path());
        assert!(interruptions >= 2, "only {interruptions} interruptions");
        assert_eq!(found, expected);
    }
}

#[test]
fn validations_and_the_best_weights_are_those_of_the_average() {
    let (data, held) = (vectors(50), vectors(20));
    let of = |options: FitOptions| {
        let plan = plan(mlp(1), options, &data).validated(held.clone(), crate::inference::measure_chain).unwrap();
        (job(&plan, 1, u64::MAX).progress.validation, plan)
    };
    let ((plain, _), (averaged, plan)) = (of(options(8)), of(averaged(0.9, 8)));
    assert_eq!((plain.len(), averaged.len()), (3, 3));
    assert_ne!(plain[2].loss, averaged[2].loss);
    // The score after the last epoch is that of the weights that the block ends with.
    let job = job(&plan, 1, u64::MAX);
    let weights = job.weights_now(&plan).unwrap();
    let mut validator = crate::train::validation::Validator::new(&plan.model).unwrap();
    let validation = plan.validation.as_ref().unwrap();
    let score = validator.score(&plan.model, validation, (1, 3), &weights, &StopFlag::new()).unwrap();
    assert_eq!(score, averaged[2]);
}

#[test]
fn a_run_is_not_resumed_with_another_average_and_none_is_kept_on_gpus() {
    let data = vectors(50);
    let directory = tempfile::tempdir().unwrap();
    let with = |ema| FitOptions { ema, ..resume::checkpointed(options(8), directory.path()) };
    train(plan(mlp(2), with(Some(0.9)), &data));
    for ema in [None, Some(0.99)] {
        let error = Training::start(plan(mlp(2), with(ema), &data), Box::new(|_| {})).err().unwrap();
        assert_eq!(error.code, Code::CheckpointMismatch);
        assert!(error.what.contains("training.ema differs"), "{error}");
    }
    let device = crate::DeviceChoice::AllCuda;
    let error = Plan::new(mlp(2).check().unwrap(), FitOptions { device, ..averaged(0.9, 8) }, data).err().unwrap();
    assert!(error.code == Code::Device && error.what.contains("ema serves on the processor alone"), "{error}");
}

#[test]
fn a_lengthened_run_goes_on_with_its_average() {
    let data = vectors(50);
    let with = |epochs| FitOptions { epochs, ..averaged(0.9, 8) };
    let expected = sha256(plan(mlp(2), with(4), &data));
    let directory = tempfile::tempdir().unwrap();
    let kept = |epochs| resume::checkpointed(with(epochs), directory.path());
    train(plan(mlp(2), kept(2), &data));
    assert_eq!(sha256(plan(mlp(2), kept(4), &data)), expected);
}
