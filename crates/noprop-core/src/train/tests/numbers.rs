//! Models of numbers: how good they get, the units that they keep, and what they refuse.

use super::*;
use crate::config::from_json;
use crate::data::Targets;
use crate::error::Code;
use crate::inference::{NumberOptions, evaluate, evaluate_numbers, measure_chain, predict, predict_numbers};
use crate::number_scores::number_scores;
use crate::optim::LearningRateSchedule;
use crate::{Model, SampleOptions};
use serde_json::Value;

/// Friedman (1991), as scikit-learn's `make_friedman1`: 10 sin(π x0 x1) + 20 (x2 − ½)² + 10 x3 + 5 x4 of ten uniform values, with
/// normal noise; and as a second target −1000 times a linear function, far from 0.
pub(super) fn friedman(samples: usize, seed: usize, noise: f64) -> Arc<Dataset> {
    let stream = Stream::new(5, Purpose::Init, 0, 0, seed);
    let x: Vec<f64> = (0..samples * 10).map(|index| stream.uniform(index as u32)).collect();
    let beside = Stream::new(6, Purpose::Init, 0, 0, seed);
    let targets = x.chunks_exact(10).enumerate().flat_map(|(sample, x)| {
        let clean = 10.0 * crate::math::sin(std::f64::consts::PI * x[0] * x[1])
            + 20.0 * (x[2] - 0.5).powi(2)
            + 10.0 * x[3]
            + 5.0 * x[4];
        [clean + noise * beside.normal(sample as u32), 1e6 - 1000.0 * (x[0] + x[9])]
    });
    let values = targets.map(|value| value as f32).collect();
    let pixels = Pixels::F32(x.iter().map(|value| *value as f32).collect());
    Arc::new(Dataset::with_targets(pixels, InputShape::Vector { len: 10 }, Targets { width: 2, values }).unwrap())
}

pub(super) fn config(method: &str, blocks: usize) -> ModelConfig {
    let json = format!(
        r#"{{"method":{method},"input":[10],"targets":2,"blocks":{blocks},"net":{{"type":"mlp","hidden":[64,64]}},"seed":3}}"#
    );
    from_json(&json).unwrap()
}

/// Method, blocks, and how much of the first target it explains at least here. A net for velocities learns more slowly; and with the noise that
/// DiffusionBlocks draws, the greatest is rare, so that the first step is poor.
const METHODS: [(&str, usize, f64); 4] = [
    (r#""dt""#, 4, 0.92),
    (r#""fm""#, 1, 0.8),
    (r#"{"type":"diffusion-blocks","loss":"mse"}"#, 2, 0.5),
    (r#"{"type":"diffusion-blocks","loss":"mse","preconditioning":true}"#, 2, 0.7),
];

fn trained(config: ModelConfig, options: FitOptions, data: &Arc<Dataset>) -> Model {
    let plan = plan(config.clone(), options, data);
    let fitted = plan.model.clone();
    Model::new(config).unwrap().with_weights(train(plan), Value::Null).with_fitted(fitted)
}

#[test]
fn every_method_that_has_a_meaning_for_numbers_learns_them() {
    let (data, test) = (friedman(1500, 0, 1.0), friedman(500, 1, 0.0));
    for (method, blocks, least) in METHODS {
        let options = FitOptions {
            epochs: 120,
            learning_rate: 3e-3,
            learning_rate_schedule: LearningRateSchedule::OneCycle,
            ..options(50)
        };
        let model = trained(config(method, blocks), options, &data);
        let (sampling, stop) = (SampleOptions::default(), StopFlag::new());
        // A single run of fm is a draw of what is possible; the mean is what is expected.
        let numbers = NumberOptions { runs: method.contains("fm").then_some(20), ..NumberOptions::default() };
        let found = evaluate_numbers(&model, &test, &sampling, &numbers, &stop).unwrap();
        // A linear model has 0.75 of the first target; the mean has 0.
        assert!(found.targets[0].r2 > least && found.targets[1].r2 > 0.92, "{method}: {:?}", found.targets);
        let predicted = predict_numbers(&model, &test, &sampling, &numbers, &stop).unwrap();
        let by_hand = number_scores(&test.targets().unwrap().values, &predicted.values, 2);
        assert_eq!(by_hand, found.targets);
        assert_eq!(found.r2_per_block.len(), model.checked.jobs());
        // They are those of the first run.
        if numbers.runs.is_none() {
            assert_eq!(*found.r2_per_block.last().unwrap(), found.r2);
        }
        // The form of the training loss.
        let units = |target: usize| f64::from(model.checked.config.targets.as_ref().unwrap().std[target]).powi(2);
        let loss: f64 = (0..2).map(|target| found.targets[target].mse / units(target)).sum();
        assert!((found.loss - loss).abs() < 1e-12);
    }
}

#[test]
fn jobs_of_numbers_are_the_same_under_any_schedule_and_interruption() {
    for (method, blocks, _) in METHODS {
        let data = friedman(60, 0, 1.0);
        invariance::check(&config(method, blocks), &options(8), &data);
        let expected = sha256(plan(config(method, blocks), options(8), &data));
        let directory = tempfile::tempdir().unwrap();
        let (found, interruptions) = resume::interrupted(&config(method, blocks), &options(8), &data, directory.path());
        assert!(interruptions >= 1 && found == expected, "{method}: {interruptions} interruptions");
    }
}

/// In units of deviations it is all the same where the targets lie.
#[test]
fn units_belong_to_the_model() {
    let data = friedman(200, 0, 1.0);
    let Targets { values, .. } = data.targets().unwrap();
    // Powers of two and whole numbers, so that nothing is rounded otherwise.
    let moved = Targets { width: 2, values: values.iter().map(|value| value * 4.0).collect() };
    let moved = Arc::new(Dataset::with_targets(data.pixels().clone(), data.shape(), moved).unwrap());
    let [one, other] = [&data, &moved].map(|data| trained(config(r#""dt""#, 2), options(50), data));
    assert_eq!(one.weights_sha256().unwrap(), other.weights_sha256().unwrap());
    let ask = |model: &Model| {
        predict_numbers(model, &data, &SampleOptions::default(), &NumberOptions::default(), &StopFlag::new()).unwrap()
    };
    for (one, other) in ask(&one).values.iter().zip(ask(&other).values) {
        assert_eq!(one * 4.0, other);
    }
    // The file keeps them.
    let path = tempfile::tempdir().unwrap();
    let path = path.path().join("model.safetensors");
    one.save(&path).unwrap();
    let loaded = Model::load(&path).unwrap();
    assert_eq!(loaded.checked.config, one.checked.config);
    assert_eq!(ask(&loaded), ask(&one));
    // A training that goes on keeps them, one from the beginning does not.
    let one = Arc::new(one);
    let goes_on = plan(one.checked.config.clone(), options(50), &moved).continued(one.clone(), 1).unwrap();
    assert_eq!(goes_on.model.config.targets, one.checked.config.targets);
    let anew = plan(one.checked.config.clone(), options(50), &moved);
    assert_eq!(anew.model.config.targets, other.checked.config.targets);
}

#[test]
fn intervals_hold_about_what_they_are_to_and_follow_the_noise() {
    let widths = [0.5, 3.0].map(|noise| {
        let (data, test) = (friedman(1500, 0, noise), friedman(300, 1, noise));
        let options = FitOptions { epochs: 25, learning_rate: 3e-3, ..options(50) };
        let model = trained(config(r#""dt""#, 10), options, &data);
        let asked = NumberOptions { runs: Some(20), interval: Some(0.9) };
        let (sampling, stop) = (SampleOptions::default(), StopFlag::new());
        let found = evaluate_numbers(&model, &test, &sampling, &asked, &stop).unwrap();
        let interval = found.interval.unwrap();
        assert_eq!((interval.asked, found.runs), (0.9, 20));
        let predicted = predict_numbers(&model, &test, &sampling, &asked, &stop).unwrap();
        let [low, high] = predicted.interval.unwrap();
        let inside = (0..600)
            .step_by(2)
            .filter(|at| {
                low[*at] <= test.targets().unwrap().values[*at] && test.targets().unwrap().values[*at] <= high[*at]
            })
            .count();
        assert_eq!(interval.coverage_per_target[0], inside as f64 / 300.0);
        assert!(interval.coverage_per_target[0] > 0.5, "{interval:?}");
        interval.mean_width[0]
    });
    assert!(widths[1] > 2.0 * widths[0], "{widths:?}");
}

#[test]
fn blocks_of_numbers_are_validated_and_end_early() {
    let (data, held) = (friedman(200, 0, 1.0), friedman(60, 1, 1.0));
    let stopping: FitOptions =
        from_json(r#"{"epochs":30,"learningRate":0.02,"threads":1,"earlyStopping":{"patience":2}}"#).unwrap();
    let plan = plan(config(r#""dt""#, 2), stopping, &data).validated(held, measure_chain).unwrap();
    let run = Run::start(plan);
    let events = run.drive(&[1, 2], 2, |_| false);
    let scores = events.iter().filter_map(|event| match event {
        Event::Block { validation, .. } => Some(validation.clone()),
        _ => None,
    });
    let scores: Vec<_> = scores.flatten().collect();
    assert!(!scores.is_empty());
    for score in &scores {
        // R² and the loss of two targets in units of the training's deviations say the same, but for the held-out spread.
        assert!(score.accuracy < 1.0 && (1.0 - score.accuracy - score.loss / 2.0).abs() < 0.5, "{score:?}");
    }
    run.finish();
}

#[test]
fn what_has_no_meaning_is_refused_in_words() {
    let (numbers, classes) = (friedman(20, 0, 1.0), vectors(20));
    let refused = |json: &str| from_json::<ModelConfig>(json).and_then(ModelConfig::check).unwrap_err();
    for (rest, word) in [
        (r#""method":"ct","targets":2"#, "method ct"),
        (r#""method":"backprop","targets":2"#, "method backprop"),
        (r#""method":"diffusion-blocks","targets":2"#, "cross-entropy"),
        (
            r#""method":{"type":"diffusion-blocks","loss":"mse","partition":"equal-information"},"targets":1"#,
            "partition",
        ),
        (r#""embedding":{"type":"orthogonal","dim":3},"targets":2"#, "embedding"),
        (r#""targets":0"#, "targets"),
        (r#""targets":2,"classes":[0,1]"#, "both"),
        (r#""blocks":2"#, "option classes is missing"),
    ] {
        let error = refused(&format!(r#"{{"input":[10],{rest}}}"#));
        assert!(error.code == Code::Option && error.what.contains(word), "{rest}: {error}");
    }
    let of = |model: ModelConfig, data: &Arc<Dataset>| {
        Plan::new(model.check().unwrap(), options(8), data.clone()).err().unwrap()
    };
    let on_numbers = ModelConfig { input: numbers.shape(), ..mlp(2) };
    assert_eq!(of(on_numbers, &numbers).code, Code::Label);
    let on_classes = ModelConfig { input: classes.shape(), ..config(r#""dt""#, 2) };
    assert_eq!(of(on_classes, &classes).code, Code::Label);
    let model = trained(config(r#""dt""#, 2), options(8), &numbers);
    let (sampling, stop) = (SampleOptions::default(), StopFlag::new());
    assert_eq!(evaluate(&model, &numbers, sampling.clone(), &stop).unwrap_err().code, Code::Option);
    assert_eq!(predict(&model, &numbers, sampling.clone(), &stop).unwrap_err().code, Code::Option);
    let sure = SampleOptions { confidence: Some(0.9), ..sampling };
    let error = predict_numbers(&model, &numbers, &sure, &NumberOptions::default(), &stop).unwrap_err();
    assert!(error.what.contains("confidence"), "{error}");
}
