//! Every method: jobs that do not depend on schedules and interruptions, steps that reach every tensor, and models that learn.

use super::*;
use crate::inference::evaluate;
use crate::{Model, SampleOptions};
use serde_json::Value;

/// Each method with a net of its kind; `images` are of 14×14.
pub(super) fn methods() -> Vec<(ModelConfig, Arc<Dataset>)> {
    let method = |json: &str| serde_json::from_str::<MethodConfig>(json).unwrap();
    let of = |json: &str, config: ModelConfig| {
        let method = method(json);
        ModelConfig { blocks: method.default_blocks().min(3), method, ..config }
    };
    let embedded =
        |dim: usize, config: ModelConfig| ModelConfig { embedding: EmbeddingConfig::Orthogonal { dim }, ..config };
    let learned =
        |dim: usize, config: ModelConfig| ModelConfig { embedding: EmbeddingConfig::Learned { dim }, ..config };
    let prototyped = |config: ModelConfig| ModelConfig {
        embedding: EmbeddingConfig::Prototype { vectors: Vec::new(), learned: false },
        ..config
    };
    let trained = |config: ModelConfig| {
        let embedding = EmbeddingConfig::Prototype { vectors: Vec::new(), learned: true };
        ModelConfig { embedding, ..config }
    };
    let headed = |head: HeadConfig, config: ModelConfig| ModelConfig { head, ..config };
    let vit = NetConfig::Vit { patch: 7, width: 8, depth: 1, heads: 2, mlp_ratio: 2, dropout: 0.1 };
    let db = r#"{"type":"diffusion-blocks"}"#;
    let ce = r#"{"type":"dt","loss":"ce"}"#;
    vec![
        (of(r#""backprop""#, mlp(3)), vectors(60)),
        (of(r#""backprop""#, cnn(2)), images(40)),
        (of(r#""classifier""#, mlp(1)), vectors(60)),
        (of(r#""classifier""#, cnn(1)), images(40)),
        (of(r#""adjoint""#, mlp(1)), vectors(60)),
        (of(r#"{"type":"adjoint","steps":3}"#, cnn(1)), images(40)),
        (of(r#""forward-forward""#, plain(mlp(1))), vectors(60)),
        (of(r#""forward-forward""#, plain(cnn(1))), images(40)),
        (of(r#""fm""#, mlp(1)), vectors(60)),
        (of(r#"{"type":"fm","noise":0.1}"#, cnn(1)), images(40)),
        (of(r#"{"type":"ct","units":5}"#, mlp(1)), vectors(60)),
        (of(db, mlp(3)), vectors(60)),
        (of(db, ModelConfig { net: vit, ..cnn(3) }), images(40)),
        (of(r#"{"type":"diffusion-blocks","loss":"mse","preconditioning":true}"#, mlp(3)), vectors(60)),
        (of(ce, mlp(3)), vectors(60)),
        (of(ce, cnn(3)), images(40)),
        (headed(HeadConfig::Softmax, embedded(5, of(ce, mlp(3)))), vectors(60)),
        (embedded(5, of(r#""dt""#, mlp(3))), vectors(60)),
        (embedded(2, of(r#""dt""#, cnn(3))), images(40)),
        (embedded(2, of(r#""dt""#, mlp(3))), vectors(60)),
        (embedded(5, of(r#""backprop""#, mlp(3))), vectors(60)),
        (learned(5, of(r#""dt""#, mlp(3))), vectors(60)),
        (learned(2, of(r#""dt""#, cnn(3))), images(40)),
        (learned(2, of(r#""dt""#, mlp(1))), vectors(60)),
        (learned(5, of(r#"{"type":"ct","units":5}"#, mlp(1))), vectors(60)),
        (learned(2, of(r#"{"type":"ct","units":5}"#, mlp(1))), vectors(60)),
        (learned(5, of(r#""fm""#, mlp(1))), vectors(60)),
        (learned(5, of(r#""backprop""#, mlp(3))), vectors(60)),
        (learned(2, of(r#""backprop""#, cnn(2))), images(40)),
        (learned(2, of(r#"{"type":"fm","noise":0.1}"#, mlp(1))), vectors(60)),
        (prototyped(of(r#""dt""#, mlp(3))), vectors(60)),
        (prototyped(of(r#""dt""#, cnn(2))), images(40)),
        (prototyped(of(r#""fm""#, mlp(1))), vectors(60)),
        (prototyped(of(r#""fm""#, cnn(1))), images(40)),
        (prototyped(of(r#"{"type":"ct","units":5}"#, mlp(1))), vectors(60)),
        (prototyped(of(r#"{"type":"ct","units":5}"#, cnn(1))), images(40)),
        (prototyped(of(db, mlp(3))), vectors(60)),
        (prototyped(of(db, cnn(2))), images(40)),
        (prototyped(of(r#""backprop""#, mlp(3))), vectors(60)),
        (prototyped(of(r#""backprop""#, cnn(2))), images(40)),
        (trained(of(r#""dt""#, mlp(3))), vectors(60)),
        (trained(of(r#""dt""#, cnn(2))), images(40)),
        (trained(of(r#""fm""#, mlp(1))), vectors(60)),
        (trained(of(r#""backprop""#, mlp(2))), vectors(60)),
        (trained(of(r#""backprop""#, cnn(2))), images(40)),
        (trained(of(r#"{"type":"ct","units":5}"#, mlp(1))), vectors(60)),
        (trained(of(r#"{"type":"ct","units":5}"#, cnn(1))), images(40)),
        (headed(HeadConfig::Posterior, prototyped(of(r#""dt""#, mlp(3)))), vectors(60)),
        (headed(HeadConfig::Softmax, of(r#""dt""#, mlp(3))), vectors(60)),
        (headed(HeadConfig::Posterior, embedded(5, of(r#""dt""#, mlp(3)))), vectors(60)),
        (headed(HeadConfig::Softmax, embedded(2, of(r#""fm""#, mlp(1)))), vectors(60)),
        (headed(HeadConfig::Posterior, of(db, mlp(3))), vectors(60)),
        (embedded(5, of(r#""fm""#, mlp(1))), vectors(60)),
        (embedded(2, of(r#""fm""#, mlp(1))), vectors(60)),
        (embedded(5, of(r#"{"type":"ct","units":5}"#, mlp(1))), vectors(60)),
        (embedded(2, of(r#"{"type":"ct","units":5}"#, mlp(1))), vectors(60)),
        (embedded(5, of(db, mlp(3))), vectors(60)),
        (embedded(5, of(r#"{"type":"diffusion-blocks","loss":"mse","preconditioning":true}"#, mlp(3))), vectors(60)),
    ]
}

/// With plain layers, which forward-forward has.
fn plain(config: ModelConfig) -> ModelConfig {
    ModelConfig { net: NetConfig::Mlp { hidden: vec![8, 7, 6], dropout: 0.0 }, ..config }
}

#[test]
fn a_job_is_the_same_under_any_schedule_and_interruption() {
    for (config, data) in methods() {
        invariance::check(&config, &options(8), &data);
        let expected = sha256(plan(config.clone(), options(8), &data));
        let directory = tempfile::tempdir().unwrap();
        let (found, interruptions) = resume::interrupted(&config, &options(8), &data, directory.path());
        assert!(interruptions >= 1 && found == expected, "{:?}: {interruptions} interruptions", config.method);
    }
}

#[test]
fn one_step_changes_every_tensor() {
    for (config, data) in methods() {
        let plan = plan(config, FitOptions { weight_decay: 0.0, ..options(30) }, &data);
        let [before, after] = [0, 1].map(|steps| {
            if steps == 0 {
                BlockJob::start(&plan, 1, &Device::Cpu).unwrap().state().unwrap()
            } else {
                job(&plan, 1, 1).state().unwrap()
            }
        });
        for entry in plan.model.layout.entries() {
            assert_ne!(entry.slot.of(&before), entry.slot.of(&after), "{:?} {}", plan.model.config.method, entry.name);
        }
    }
}

#[test]
fn every_method_learns() {
    for (config, _) in methods().into_iter().filter(|(config, _)| matches!(config.input, InputShape::Vector { .. })) {
        let net = NetConfig::Mlp { hidden: vec![32, 32], dropout: 0.0 };
        let (config, data) = (ModelConfig { net, ..config }, vectors(300));
        let options = FitOptions { epochs: 40, learning_rate: 5e-3, ..options(30) };
        let plan = plan(config.clone(), options, &data);
        let fitted = plan.model.clone();
        let model = Model::new(config.clone()).unwrap().with_weights(train(plan), Value::Null).with_fitted(fitted);
        let found = evaluate(&model, &data, SampleOptions::default(), &StopFlag::new()).unwrap();
        // A third by chance.
        assert!(found.accuracy > 0.9, "{:?} {:?}: {}", config.method, config.embedding, found.accuracy);
        let blocks = if model.checked.is_coupled() { model.checked.config.blocks } else { model.checked.method.jobs() };
        assert_eq!(found.accuracy_per_block.len(), blocks);
    }
}

/// What depends on the sample alone is computed once, and the answers are those of a net that computes it anew in every step.
#[test]
fn features_that_are_kept_are_those_that_are_computed_anew() {
    use crate::net::{Block, Buffers, Mode, Step};
    let resnet = NetConfig::Resnet {
        widths: vec![3, 4],
        depth: 1,
        hidden: 6,
        activation: crate::net::Activation::Relu,
        whitening: 0,
        identity: false,
    };
    let vit = NetConfig::Vit { patch: 7, width: 8, depth: 1, heads: 2, mlp_ratio: 2, dropout: 0.0 };
    for net in [cnn(1).net, resnet, vit, NetConfig::Mlp { hidden: vec![7, 6], dropout: 0.0 }] {
        let config = ModelConfig { method: serde_json::from_str(r#""fm""#).unwrap(), net: net.clone(), ..cnn(1) };
        let checked = config.check().unwrap();
        let buffers = || Buffers {
            stacked: 1,
            capacity: 4,
            dtype: candle_core::DType::F32,
            device: Device::Cpu,
            training: false,
            launched: false,
        };
        let graph = checked.method.graph(false).unwrap();
        let block = || Block::of_graph(&graph, &checked.layout, &buffers()).unwrap();
        let fill = |seed: usize, len: usize| {
            let stream = Stream::new(9, Purpose::Init, 0, 0, seed);
            let values: Vec<f32> = (0..len).map(|index| stream.normal(index as u32) as f32).collect();
            crate::tensor::Buffer::new(candle_core::Tensor::from_vec(values, (1, len), &Device::Cpu).unwrap()).unwrap()
        };
        let state = checked.layout.initial_weights(3, 1);
        let len = state.len();
        let state =
            crate::tensor::Buffer::new(candle_core::Tensor::from_vec(state, (1, len), &Device::Cpu).unwrap()).unwrap();
        let (x, other, gradients, stop) = (fill(1, 4 * 196), fill(99, 4 * 196), fill(0, 1), StopFlag::new());
        let pass = Step {
            state: &state,
            gradients: &gradients,
            optimiser: None,
            stop: &stop,
            samples: 4,
            precision: Precision::F32,
        };
        let mut kept = block();
        let mut whole = Block::of_graph(&graph, &checked.layout, &Buffers { training: true, ..buffers() }).unwrap();
        for round in 0..3 {
            let z = fill(10 + round, 12);
            let mut anew = block();
            // At inference all samples have one time.
            let times = [fill(20 + round, 1).flatten_all().unwrap().to_vec1::<f32>().unwrap()[0]; 4];
            for one in [&mut kept, &mut anew] {
                crate::ops::apply(&crate::train::values::CopyIn(&times), one.time().unwrap(), []).unwrap();
            }
            if round == 0 {
                kept.forward(pass, Mode::Evaluation, &x, &z).unwrap();
            } else {
                // The x of the first pass counts: this one is not read.
                let seen = if matches!(net, NetConfig::Mlp { .. }) { &x } else { &other };
                kept.forward_again(pass, Mode::Evaluation, seen, &z).unwrap();
            }
            anew.forward(pass, Mode::Evaluation, &x, &z).unwrap();
            let values = |block: &Block| block.estimate().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(values(&kept), values(&anew), "{net:?}, round {round}");
            // A program of training computes everything in one order.
            crate::ops::apply(&crate::train::values::CopyIn(&times), whole.time().unwrap(), []).unwrap();
            whole.forward(pass, Mode::Evaluation, &x, &z).unwrap();
            for (one, other) in values(&kept).iter().zip(values(&whole)) {
                // Sums of some hundred values in another order.
                assert!((one - other).abs() < 1e-5, "{net:?}, round {round}: {one} {other}");
            }
        }
    }
}

/// A head is the last job: its tensors move, it gives the probabilities, and blocks are those of a model without one, bit for bit.
#[test]
fn a_head_is_a_job_of_its_own() {
    for head in [HeadConfig::Softmax, HeadConfig::Posterior] {
        let (plain, data) = (mlp(2), vectors(60));
        let config = ModelConfig { head, ..plain.clone() };
        let weights = |config: &ModelConfig| train(plan(config.clone(), options(20), &data));
        let (with, without) = (weights(&config), weights(&plain));
        assert_eq!((with.blocks(), without.blocks()), (3, 2));
        for block in 1..=2 {
            assert_eq!(with.read(block).unwrap(), without.read(block).unwrap());
        }
        let checked = config.clone().check().unwrap();
        let layout = checked.layout_of(3);
        let names: Vec<_> = layout.entries().iter().map(|entry| (entry.name.as_str(), entry.shape.clone())).collect();
        assert_eq!(names, [("params.head.bias", vec![3]), ("params.head.weight", vec![3, 3])]);
        let (before, after) = (layout.initial_weights(7, 3), with.read(3).unwrap());
        assert!(before.iter().zip(&after).all(|(before, after)| before != after), "{before:?} {after:?}");
        // A file keeps it.
        let model = Model::new(config).unwrap().with_weights(with, Value::Null);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.safetensors");
        model.save(&path).unwrap();
        let loaded = Model::load(&path).unwrap();
        assert_eq!(loaded.weights_sha256().unwrap(), model.weights_sha256().unwrap());
        let evaluated = |model: &Model| evaluate(model, &data, SampleOptions::default(), &StopFlag::new()).unwrap();
        let (one, other) = (evaluated(&model), evaluated(&loaded));
        assert_eq!((one.accuracy, one.loss, one.accuracy_per_block.len()), (other.accuracy, other.loss, 2));
    }
}

#[test]
fn methods_that_have_a_head_refuse_another() {
    for method in ["ct", "backprop"] {
        let method: MethodConfig = serde_json::from_str(&format!("\"{method}\"")).unwrap();
        let config = ModelConfig { method, head: HeadConfig::Softmax, ..mlp(1) };
        let error = config.check().unwrap_err();
        assert!(error.code == crate::Code::Option && error.what.contains("head does not apply"), "{error}");
    }
}

/// Validation while training measures the whole with its head.
#[test]
fn a_model_with_a_head_is_validated_while_it_trains() {
    let config = ModelConfig { head: HeadConfig::Softmax, ..mlp(2) };
    let data = vectors(60);
    let plan = plan(config, options(20), &data).validated(vectors(30), crate::inference::measure_chain).unwrap();
    let events = Run::start(plan).drive(&[1, 2, 3], 3, |_| false);
    let chains = events.iter().filter(|event| matches!(event, Event::Chain { .. })).count();
    // After the last epoch the whole is evaluated anyway.
    assert_eq!(chains, 2);
}

#[test]
fn learned_embeddings_refuse_what_would_part_their_blocks() {
    let config = |method: &str, dim| ModelConfig {
        method: serde_json::from_str(method).unwrap(),
        embedding: EmbeddingConfig::Learned { dim },
        ..mlp(2)
    };
    let only_blocks = FitOptions { only_blocks: Some(vec![2]), ..options(8) };
    let error = Plan::new(config(r#""dt""#, 4).check().unwrap(), only_blocks, vectors(20)).err().unwrap();
    assert!(error.what.contains("learned embeddings") && error.hint.contains("orthogonal"), "{error}");
    let error = config(r#""diffusion-blocks""#, 4).check().unwrap_err();
    assert!(error.what.contains("does not learn embeddings") && error.hint.contains("orthogonal"), "{error}");
    let error = ModelConfig { head: HeadConfig::Softmax, ..config(r#""dt""#, 4) }.check().unwrap_err();
    assert!(error.what.contains("head"), "{error}");
    assert_eq!(config(r#""dt""#, 0).check().unwrap_err().expected, "1 to 4096 for 3 classes");
}

#[test]
fn options_of_other_methods_are_refused() {
    let weighting = FitOptions { weighting: Weighting::Snr, ..options(8) };
    let config = ModelConfig { method: serde_json::from_str(r#""fm""#).unwrap(), ..mlp(1) };
    assert!(Plan::new(config.check().unwrap(), weighting, vectors(20)).err().unwrap().what.contains("weighting"));
}
