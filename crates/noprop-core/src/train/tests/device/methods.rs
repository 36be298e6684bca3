//! Every method that has kernels, and every option of its steps: the nets run on the emulation, and all that is drawn and judged is the
//! processor's.

use super::super::{methods as all, numbers};
use super::*;
use crate::Model;
use crate::inference::{SampleOptions, evaluate, predict};
use crate::method::SamplerChoice;
use crate::optim::Optimizer;
use serde_json::Value;

/// Those of all methods that have kernels.
fn methods() -> impl Iterator<Item = (ModelConfig, Arc<Dataset>)> {
    let runs = |config: &ModelConfig| config.clone().check().unwrap().runs_on_gpus();
    all::methods().into_iter().filter(move |(config, _)| runs(config))
}

#[test]
fn all_methods_run_but_those_that_are_named() {
    let refused: Vec<_> = all::methods()
        .into_iter()
        .filter(|(config, _)| !config.clone().check().unwrap().runs_on_gpus())
        .map(|(config, _)| (config.method.name(), config.embedding.name()))
        .collect();
    let expected = [
        ("adjoint", "one-hot"),
        ("adjoint", "one-hot"),
        ("forward-forward", "one-hot"),
        ("forward-forward", "one-hot"),
        ("backprop", "prototype"),
        ("backprop", "prototype"),
    ];
    assert_eq!(refused, expected);
    // Its states are mixed, which a convolution is not: they have no room for more channels.
    let (config, data) = all::methods()
        .into_iter()
        .find(|(config, _)| config.method.name() == "backprop" && !config.clone().check().unwrap().runs_on_gpus())
        .unwrap();
    let options = on("emulated", options(8));
    let error = Plan::new(config.check().unwrap(), options, data).err().unwrap();
    assert!(error.code == Code::Device && error.hint.contains("convolve"), "{error}");
}

/// The gradients of a step are those of the processor, and so is its loss. First moments are a tenth of gradients, and those of descent are
/// gradients; the bound is that of [`check_a_step`], of which this is the same for any job.
fn check_gradients(config: &ModelConfig, options: &FitOptions, data: &Arc<Dataset>) {
    let reference = plan(config.clone(), options.clone(), data);
    let plan = plan(config.clone(), on("emulated", options.clone()), data);
    for number in 1..=plan.model.jobs() {
        let layout = plan.model.layout_of(number);
        let (n, all) = (layout.parameters(), layout.weights());
        let [found] = &stacked(&plan, &[number], 1)[..] else { panic!("a state") };
        let expected = job(&reference, number, 1).state().unwrap();
        let parts = [("moments", all..all + n), ("squares", all + n..all + 2 * n), ("statistics", n..all)];
        for (part, range) in parts.into_iter().filter(|(_, range)| expected[range.clone()].iter().any(|v| *v != 0.0)) {
            let error = relative(&found[range.clone()], &expected[range]);
            assert!(error < 1e-4, "{:?} {:?}, job {number}, {part}: {error}", config.method, config.embedding);
        }
        // Every tensor by itself, but for those whose gradients are little but roundings, as those of biases before a batch norm are.
        let most = expected[all..all + n].iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        for entry in layout.entries().iter().filter(|entry| entry.name.starts_with("params.")) {
            let [found, expected] = [found, &expected].map(|state| entry.slot.of(&state[all..]));
            let greatest = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            if greatest > 1e-3 * most {
                let error = relative(found, expected);
                assert!(error < 1e-2, "{:?}, job {number}, {}: {error}", config.method, entry.name);
            }
        }
    }
}

#[test]
fn a_step_of_every_method_has_the_processors_gradients() {
    for (config, data) in methods() {
        check_gradients(&config, &options(16), &data);
    }
}

fn of(method: &str, config: ModelConfig) -> ModelConfig {
    ModelConfig { method: serde_json::from_str(method).unwrap(), ..config }
}

const CE: &str = r#"{"type":"dt","loss":"ce"}"#;

/// What is beside the ordinary in a step, by method.
fn optional() -> Vec<(ModelConfig, FitOptions)> {
    let sgd = Optimizer::Sgd { momentum: 0.9 };
    let clipped = |most| FitOptions { clip_norm: Some(most), ..options(8) };
    vec![
        (of(CE, mlp(3)), FitOptions { label_smoothing: 0.2, ..options(8) }),
        (of(r#""diffusion-blocks""#, mlp(3)), FitOptions { label_smoothing: 0.2, optimizer: sgd, ..options(8) }),
        (mlp(3), FitOptions { optimizer: sgd, ..options(8) }),
        (mlp(3), FitOptions { weighting: Weighting::Snr, ..clipped(1e-3) }),
        (of(r#""ct""#, mlp(1)), clipped(1e-3)),
        (of(r#""fm""#, mlp(1)), FitOptions { optimizer: sgd, ..clipped(0.1) }),
        (of(r#""backprop""#, mlp(3)), FitOptions { optimizer: Optimizer::Adam {}, ..clipped(1e-2) }),
    ]
}

#[test]
fn options_of_steps_are_those_of_the_processor() {
    for (config, options) in optional() {
        check_gradients(&config, &options, &vectors(50));
    }
    // A limit that is met changes what is found, so the test above has seen it.
    let shortest = |clip_norm| {
        let plan = plan(mlp(1), FitOptions { clip_norm, ..on("emulated", options(8)) }, &vectors(50));
        stacked(&plan, &[1], 1)
    };
    assert!(shortest(Some(1e-3)) != shortest(None));
    assert!(shortest(Some(1e9)) == shortest(Some(1e8)));
}

/// The losses of a whole run follow those of the processor.
#[test]
fn runs_of_methods_follow_the_processors() {
    let losses = |config: &ModelConfig, options: FitOptions| {
        let run = Run::start(plan(config.clone(), options, &vectors(50)));
        let jobs = run.training.plan().model.jobs();
        let events = run.drive(&(1..=jobs).collect::<Vec<_>>(), jobs, |_| false);
        run.finish();
        let mut losses = vec![Vec::new(); jobs];
        for event in events {
            if let Event::Block { block, losses: all, .. } = event {
                losses[block - 1] = all;
            }
        }
        losses.concat()
    };
    for (config, options) in optional() {
        let (expected, found) = (losses(&config, options.clone()), losses(&config, on("emulated", options)));
        assert!(!found.is_empty() && found.len() == expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found / expected - 1.0).abs() < 1e-3, "{:?}: {found} and {expected}", config.method);
        }
    }
}

#[test]
fn no_bit_depends_on_jobs_in_flight_devices_or_interruptions() {
    let heads = ModelConfig { head: HeadConfig::Softmax, ..mlp(3) };
    let learned = |config| ModelConfig { embedding: EmbeddingConfig::Learned { dim: 4 }, ..config };
    let more = [heads, learned(mlp(2)), learned(of(r#""ct""#, mlp(1)))].map(|config| (config, options(8)));
    for (config, options) in optional().into_iter().chain(more) {
        let data = vectors(50);
        let options = FitOptions { epochs: 2, ..options };
        let jobs = config.clone().check().unwrap().jobs();
        let with = |devices: &str, in_flight: usize| {
            let options = FitOptions { in_flight: Some(in_flight), ..on(devices, options.clone()) };
            let run = Run::start(plan(config.clone(), options, &data));
            run.drive(&(1..=jobs).rev().collect::<Vec<_>>(), in_flight, |_| false);
            run.finish().sha256().unwrap()
        };
        let expected = with("emulated", 1);
        for devices in ["emulated", "emulated:2"] {
            assert_eq!(with(devices, jobs), expected, "{:?} on {devices}", config.method);
        }
        let directory = tempfile::tempdir().unwrap();
        let (found, interruptions) = interrupted(&config, &on("emulated", options.clone()), &data, directory.path());
        assert!(interruptions >= 1, "{:?}", config.method);
        assert_eq!(found, expected, "{:?}, {interruptions} interruptions", config.method);
    }
}

/// The states after every move are sums in another order: what is likely differs by roundings, those of a few steps of a chain.
#[test]
fn every_method_predicts_as_on_the_processor() {
    for (config, data) in methods() {
        let plan = plan(config.clone(), FitOptions { epochs: 1, ..options(8) }, &data);
        let fitted = plan.model.clone();
        let model = Model::new(config.clone()).unwrap().with_weights(train(plan), Value::Null).with_fitted(fitted);
        let samplers = match config.method.name() {
            "fm" => vec![None, Some(SamplerChoice::Heun)],
            _ => vec![None],
        };
        for sampler in samplers {
            let steps = ["fm", "ct"].contains(&config.method.name()).then_some(4);
            let run = |device: &str| {
                let device = device.parse().unwrap();
                let options = SampleOptions { device, sampler, steps, threads: Some(1), ..SampleOptions::default() };
                let found = predict(&model, &data, options.clone(), &StopFlag::new()).unwrap();
                (found, evaluate(&model, &data, options, &StopFlag::new()).unwrap().accuracy_per_block)
            };
            let ((expected, right), (found, also_right)) = (run("cpu"), run("emulated"));
            assert_eq!(found.labels, expected.labels, "{:?}", config.method);
            assert_eq!(right.len(), also_right.len());
            for (found, expected) in found.probabilities.iter().zip(&expected.probabilities) {
                assert!(
                    (found - expected).abs() < 1e-4,
                    "{:?} {:?}: {found} {expected}",
                    config.method,
                    config.embedding
                );
            }
        }
    }
}

/// Numbers are labels of another kind: their vectors are drawn where labels are.
#[test]
fn numbers_are_learned_as_on_the_processor() {
    let data = numbers::friedman(60, 0, 1.0);
    for (method, blocks) in [(r#""dt""#, 2), (r#""fm""#, 1)] {
        check_gradients(&numbers::config(method, blocks), &options(16), &data);
    }
}
