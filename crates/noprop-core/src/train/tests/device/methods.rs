//! Every method, and every option of its steps: the nets run on the emulation, and all that is drawn and judged is the
//! processor's.

use super::super::{methods as all, numbers};
use super::*;
use crate::Model;
use crate::config::ClassWeights;
use crate::inference::{SampleOptions, evaluate, predict};
use crate::method::SamplerChoice;
use crate::optim::Optimizer;
use crate::rng::{Purpose, Stream};
use crate::storage::WeightStore;
use candle_core::Tensor;
use serde_json::Value;

/// Those of all methods, and prototypes of which a net sees four channels of the image and one of the state, which it does not convolve.
fn methods() -> impl Iterator<Item = (ModelConfig, Arc<Dataset>)> {
    let net = serde_json::from_str(r#"{"type":"resnet","widths":[3,4],"hidden":5}"#).unwrap();
    let embedding = EmbeddingConfig::Prototype { vectors: Vec::new(), learned: false };
    all::methods().into_iter().chain([(ModelConfig { net, embedding, ..cnn(2) }, images(40))])
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
    let weighted = || FitOptions { class_weights: Some(ClassWeights::Each(vec![2.0, 0.5, 1.0])), ..options(8) };
    let clipped = |most| FitOptions { clip_norm: Some(most), ..options(8) };
    vec![
        (of(CE, mlp(3)), FitOptions { label_smoothing: 0.2, ..options(8) }),
        (of(r#""diffusion-blocks""#, mlp(3)), FitOptions { label_smoothing: 0.2, optimizer: sgd, ..options(8) }),
        (mlp(3), FitOptions { optimizer: sgd, ..options(8) }),
        (mlp(3), FitOptions { weighting: Weighting::Snr, ..clipped(1e-3) }),
        (of(r#""ct""#, mlp(1)), clipped(1e-3)),
        (of(r#""fm""#, mlp(1)), FitOptions { optimizer: sgd, ..clipped(0.1) }),
        (of(r#""backprop""#, mlp(3)), FitOptions { optimizer: Optimizer::Adam {}, ..clipped(1e-2) }),
        (of(r#"{"type":"adjoint","steps":3}"#, mlp(1)), clipped(1e-3)),
        (mlp(3), weighted()),
        (of(CE, mlp(3)), weighted()),
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
    let plain = ModelConfig { net: NetConfig::Mlp { hidden: vec![8, 7], dropout: 0.0 }, ..mlp(1) };
    let baselines = [of(r#"{"type":"adjoint","steps":3}"#, mlp(1)), of(r#""forward-forward""#, plain)];
    let more = [heads, learned(mlp(2)), learned(of(r#""ct""#, mlp(1)))].into_iter().chain(baselines);
    let more = more.map(|config| (config, options(8)));
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

/// A model whose weights are another's but for about half a unit in the last place, up or down.
fn rounded_otherwise(model: &Model) -> Model {
    let lens = model.checked.weights_of_jobs();
    let store = WeightStore::temporary_of(&lens).unwrap();
    for (job, len) in lens.iter().enumerate() {
        let weights =
            Tensor::flatten_all(&model.block(job + 1, &Device::Cpu).unwrap()).unwrap().to_vec1::<f32>().unwrap();
        let signs = Stream::new(3, Purpose::Init, job, 0, 0);
        let moved = |(place, weight): (usize, &f32)| {
            weight * (1.0 + (f32::EPSILON / 2.0).copysign(signs.normal(place as u32) as f32))
        };
        let moved: Vec<f32> = weights.iter().enumerate().map(moved).collect();
        assert_eq!(moved.len(), *len);
        store.write(job + 1, &moved).unwrap();
    }
    model.with_weights(store, Value::Null)
}

/// The states after every move are sums in another order: what is likely differs by roundings, as it does where weights are rounded otherwise.
#[test]
fn every_method_predicts_as_on_the_processor() {
    for (config, data) in methods() {
        let plan = plan(config.clone(), FitOptions { epochs: 1, ..options(8) }, &data);
        let fitted = plan.model.clone();
        let model = Model::new(config.clone()).unwrap().with_weights(train(plan), Value::Null).with_fitted(fitted);
        let rounded = rounded_otherwise(&model);
        let samplers = match config.method.name() {
            "fm" => vec![None, Some(SamplerChoice::Heun)],
            _ => vec![None],
        };
        for sampler in samplers {
            let steps = ["fm", "ct"].contains(&config.method.name()).then_some(4);
            let options = |device: &str| {
                let device = device.parse().unwrap();
                SampleOptions { device, sampler, steps, threads: Some(1), ..SampleOptions::default() }
            };
            let predict =
                |model: &Model, device: &str| predict(model, &data, options(device), &StopFlag::new()).unwrap();
            let right =
                |device: &str| evaluate(&model, &data, options(device), &StopFlag::new()).unwrap().accuracy_per_block;
            let (expected, found) = (predict(&model, "cpu"), predict(&model, "emulated"));
            assert_eq!(found.labels, expected.labels, "{:?}", config.method);
            assert_eq!(right("cpu").len(), right("emulated").len());
            let differ = |found: &[f32]| {
                let pairs = found.iter().zip(&expected.probabilities);
                pairs.fold(0.0_f32, |most, (found, expected)| most.max((found - expected).abs()))
            };
            let (error, by_rounding) = (differ(&found.probabilities), differ(&predict(&rounded, "cpu").probabilities));
            let (method, embedding) = (&config.method, &config.embedding);
            assert!(error <= 1e-6 + 10.0 * by_rounding, "{method:?} {embedding:?}: {error}, by rounding {by_rounding}");
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
