//! Models whose blocks share the features of an encoder: the encoder is trained as a classifier and cut, and the blocks are trained on what
//! it makes of the samples.

use super::*;
use crate::Model;
use crate::config::from_json;
use crate::error::Code;
use crate::inference::{
    NumberOptions, ReadoutChoice, SampleOptions, contributions, encode, encode_kept, evaluate, evaluate_numbers,
    exit_curve, predict, trace,
};
use crate::model::{Part, tensors};
use serde_json::{Value, json};
use std::collections::HashSet;

/// With an encoder, and small blocks.
fn shared(config: ModelConfig, method: &str) -> ModelConfig {
    let encoder = Some(crate::config::EncoderConfig { net: config.net.clone(), classes: 3 });
    let net = NetConfig::Mlp { hidden: vec![8], dropout: 0.0 };
    let method: MethodConfig = serde_json::from_str(method).unwrap();
    let blocks = if method.is_one_net() { 1 } else { 3 };
    ModelConfig { method, blocks, encoder, net, ..config }
}

/// Longer than [`options`], so that something is learned.
fn long(threads: usize) -> FitOptions {
    FitOptions { epochs: 30, threads: Some(threads), ..options(20) }
}

/// So long that blocks of every method learn from features.
fn of_blocks(threads: usize) -> FitOptions {
    FitOptions { epochs: 120, ..long(threads) }
}

/// The model with a trained encoder.
fn with_encoder(config: ModelConfig, options: &FitOptions, data: &Arc<Dataset>) -> Model {
    let model = Model::new(config).unwrap();
    let classifier = model.classifier().unwrap().expect("it has no encoder yet");
    let plan = Plan::new(classifier.checked.clone(), options.clone(), data.clone()).unwrap();
    let classifier = classifier.with_weights(train(plan), json!({ "epochs": options.epochs }));
    model.with_encoder_of(&classifier).unwrap()
}

/// The model with its blocks trained on the features.
fn with_blocks(model: &Model, options: &FitOptions, data: &Arc<Dataset>) -> Model {
    let features = encode(model, data, options.threads, &StopFlag::new()).unwrap();
    let plan = Plan::new(model.checked.blocks().clone(), options.clone(), Arc::new(features)).unwrap();
    let fitted = plan.model.clone();
    model.with_weights(train(plan), json!({})).with_fitted(fitted)
}

fn trained(config: ModelConfig, threads: usize, data: &Arc<Dataset>) -> Model {
    with_blocks(&with_encoder(config, &long(threads), data), &of_blocks(threads), data)
}

/// The values of a set of features.
fn values(data: &Dataset) -> Vec<u32> {
    let Pixels::F32(values) = data.pixels() else { panic!("features are floats") };
    values.iter().map(|value| value.to_bits()).collect()
}

fn never() -> StopFlag {
    StopFlag::new()
}

/// Nets of every kind for images of 14 × 14, with the width of their features.
fn nets() -> Vec<(NetConfig, usize)> {
    let net = |json: &str| serde_json::from_str::<NetConfig>(json).unwrap();
    vec![
        (net(r#"{"type":"cnn","widths":[3,4,5],"hidden":12}"#), 6),
        (net(r#"{"type":"mlp","hidden":[16,9],"dropout":0.1}"#), 9),
        (net(r#"{"type":"resnet","widths":[3,4],"hidden":7}"#), 7),
        (net(r#"{"type":"vit","patch":7,"width":8,"depth":1,"heads":2}"#), 8),
        // What the last layer reads is an image, which is pooled.
        (
            net(
                r#"{"type":"graph","nodes":[{"op":"conv","channels":2},{"op":"relu"},{"op":"max-pool"},{"op":"linear","units":"classes"},{"op":"softmax"}]}"#,
            ),
            72,
        ),
        // It reads several things, one of them z, which is left out.
        (
            net(
                r#"{"type":"graph","nodes":[{"op":"linear","units":5},{"name":"a","op":"relu"},{"op":"linear","from":"z","units":4},{"name":"c","op":"batch-norm"},{"name":"b","op":"linear","from":"x","units":4},{"op":"linear","from":["a","c","b"],"units":"classes"}]}"#,
            ),
            9,
        ),
    ]
}

/// By hand: a layer, ReLU, and nothing of the last layer.
#[test]
fn features_are_what_the_last_layer_reads() {
    let json = r#"{"input":[2],"classes":[4,7,19],"blocks":2,"encoder":{"net":{"type":"mlp","hidden":[3]}}}"#;
    let model = Model::new(from_json(json).unwrap()).unwrap();
    let classifier = model.classifier().unwrap().unwrap();
    let layout = &classifier.checked.layout;
    let names: Vec<_> = layout.entries().iter().map(|entry| (&entry.name[..], entry.shape.clone())).collect();
    let expected = [
        ("params.fc01.bias", vec![3]),
        ("params.fc01.weight", vec![2, 3]),
        ("params.fc02.bias", vec![3]),
        ("params.fc02.weight", vec![3, 3]),
    ];
    assert_eq!(names, expected);
    let store = WeightStore::temporary(1, layout.weights()).unwrap();
    // Of x alone: z is left out.
    let weight = [1.0, 2.0, -1.0, 0.5, -2.0, 1.0];
    let all: Vec<f32> = [0.25, 0.0, 0.5].into_iter().chain(weight).chain([7.0; 12]).collect();
    store.write(1, &all).unwrap();
    let model = model.with_encoder_of(&classifier.with_weights(store, Value::Null)).unwrap();
    let data =
        Dataset::from_arrays(Pixels::F32(vec![1.0, 2.0, -1.0, 0.5]), InputShape::Vector { len: 2 }, Some(vec![7, 4]));
    let features = encode(&model, &data.unwrap(), None, &never()).unwrap();
    let found: Vec<f32> = (0..2).flat_map(|sample| features.sample(sample).unwrap()).collect();
    assert_eq!(found, [2.25, 0.0, 1.5, 0.0, 0.0, 2.0]);
    assert_eq!(features.labels(), Some(&[7, 4][..]));
}

/// The last layer on them gives what the classifier says.
#[test]
fn features_and_the_last_layer_are_the_classifier() {
    let data = images(40);
    for (net, width) in nets() {
        let model = Model::new(shared(ModelConfig { net: net.clone(), ..cnn(3) }, r#""dt""#)).unwrap();
        let classifier = model.classifier().unwrap().unwrap();
        let plan = Plan::new(classifier.checked.clone(), options(20), data.clone()).unwrap();
        let classifier = classifier.with_weights(train(plan), Value::Null);
        let model = model.with_encoder_of(&classifier).unwrap();
        let features = encode(&model, &data, Some(1), &never()).unwrap();
        assert_eq!((features.shape(), features.samples()), (InputShape::Vector { len: width }, 40), "{net:?}");
        let layout = &classifier.checked.layout;
        let weights = classifier.block(1, &Device::Cpu).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let last = layout.entries().iter().rfind(|entry| entry.shape == [width, 3]).unwrap();
        let bias = layout.slot(&last.name.replace(".weight", ".bias"));
        let expected = predict(&classifier, &data, SampleOptions::default(), &never()).unwrap();
        for sample in 0..40 {
            let row = features.sample(sample).unwrap();
            let logits: Vec<f64> = (0..3)
                .map(|class| {
                    let products = row.iter().zip(last.slot.of(&weights)[class..].iter().step_by(3));
                    f64::from(bias.of(&weights)[class]) + products.map(|(a, b)| f64::from(a * b)).sum::<f64>()
                })
                .collect();
            let total: f64 = logits.iter().map(|logit| crate::math::exp(*logit)).sum();
            for (class, logit) in logits.iter().enumerate() {
                let found = expected.probabilities[3 * sample + class];
                // Sums in another order, in single precision.
                assert!((crate::math::exp(*logit) / total - f64::from(found)).abs() < 1e-5, "{net:?}");
            }
        }
    }
}

#[test]
fn features_are_the_same_bits_for_any_threads_and_company() {
    let data = images(300);
    for (net, _) in nets() {
        let model = with_encoder(shared(ModelConfig { net, ..cnn(3) }, r#""dt""#), &options(20), &images(40));
        let of = |data: &Dataset, threads| encode(&model, data, Some(threads), &never()).unwrap();
        let expected = of(&data, 1);
        let width = expected.shape().len();
        for threads in [2, 3, 8] {
            assert_eq!(of(&data, threads).fingerprint(), expected.fingerprint());
        }
        assert_eq!(expected.raw_fingerprint(), data.fingerprint());
        let all = values(&expected);
        for sample in [0, 127, 128, 299] {
            let alone = Pixels::F32(data.sample(sample).unwrap());
            let alone = Dataset::from_arrays(alone, data.shape(), None).unwrap();
            assert_eq!(values(&of(&alone, 2)), all[sample * width..(sample + 1) * width]);
        }
    }
    let stopped = never();
    stopped.stop();
    let model = with_encoder(shared(mlp(3), r#""dt""#), &options(20), &vectors(40));
    assert_eq!(encode(&model, &vectors(40), None, &stopped).unwrap_err().code, Code::Cancelled);
}

/// Features that are many lie in a file, and are the same data.
#[test]
fn features_are_kept_in_a_file_where_they_are_many() {
    let (data, directory) = (images(300), tempfile::tempdir().unwrap());
    let model = with_encoder(shared(cnn(3), r#""dt""#), &options(20), &images(40));
    let bytes = 300 * 4 * 6;
    let kept = |data: &Dataset, most| encode_kept(&model, data, Some(2), (directory.path(), most), &never()).unwrap();
    let memory = kept(&data, bytes);
    assert!(matches!(memory.pixels(), Pixels::F32(_)) && directory.path().read_dir().unwrap().next().is_none());
    let disk = kept(&data, bytes - 1);
    assert!(matches!(disk.pixels(), Pixels::Disk(_)) && disk.bytes() < memory.bytes());
    assert_eq!((disk.fingerprint(), disk.raw_fingerprint()), (memory.fingerprint(), data.fingerprint()));
    assert_eq!(disk.sample(299).unwrap(), memory.sample(299).unwrap());
    let train_on = |features: Dataset| {
        let plan = Plan::new(model.checked.blocks().clone(), options(20), Arc::new(features)).unwrap();
        train(plan).sha256().unwrap()
    };
    let blocks = model.of_features().unwrap();
    let states = |data: &Dataset| {
        let blocks = Model::new(blocks.checked.config.clone()).unwrap();
        let weights = train(Plan::new(blocks.checked.clone(), options(20), Arc::new(kept(&images(40), 0))).unwrap());
        predict(&blocks.with_weights(weights, Value::Null), data, SampleOptions::default(), &never()).unwrap()
    };
    assert_eq!(states(&disk), states(&memory));
    assert_eq!(train_on(disk), train_on(memory));
    // The file serves again, a damaged one is made anew, and other data have another.
    let files = || {
        let files = directory.path().join("features").read_dir().unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        files
    };
    let before = files();
    let first = before.iter().find(|path| path.metadata().unwrap().len() == bytes + 56).unwrap().clone();
    let made = first.metadata().unwrap().modified().unwrap();
    kept(&data, 0);
    assert_eq!((files(), first.metadata().unwrap().modified().unwrap()), (before.clone(), made));
    let whole = std::fs::read(&first).unwrap();
    for damaged in [whole[..whole.len() - 1].to_vec(), [&whole[..30], &[whole[30] ^ 1], &whole[31..]].concat()] {
        std::fs::write(&first, damaged).unwrap();
        kept(&data, 0);
        assert_eq!(std::fs::read(&first).unwrap(), whole);
    }
    kept(&images(50), 0);
    assert_eq!(files().len(), before.len() + 1);
    // What another machine is sent of it is what it would be sent of features in memory.
    let [from_disk, from_memory] = [kept(&data, 0), kept(&data, bytes)].map(|data| {
        let path = directory.path().join("stored");
        crate::data::stored::save(&data, &path).unwrap();
        std::fs::read(&path).unwrap()
    });
    assert_eq!(from_disk, from_memory);
    let stored = crate::data::stored::read(&directory.path().join("stored")).unwrap();
    assert_eq!((stored.fingerprint(), stored.raw_fingerprint()), (kept(&data, 0).fingerprint(), data.fingerprint()));
}

/// Every method on features: what it learns, what can be asked of it, and the file that it is kept in.
#[test]
fn blocks_on_features_learn_and_are_kept_with_their_encoder() {
    let data = vectors(120);
    let directory = tempfile::tempdir().unwrap();
    let learned = |config: ModelConfig| ModelConfig { embedding: EmbeddingConfig::Learned { dim: 4 }, ..config };
    let prototypes = |config: ModelConfig| ModelConfig {
        embedding: EmbeddingConfig::Prototype { vectors: Vec::new(), learned: false },
        ..config
    };
    let headed = |config: ModelConfig| ModelConfig { head: HeadConfig::Softmax, ..config };
    let plain = || ModelConfig { net: NetConfig::Mlp { hidden: vec![16, 9], dropout: 0.0 }, ..mlp(3) };
    let of = |method: &str| shared(plain(), method);
    for config in [
        of(r#""dt""#),
        of(r#"{"type":"dt","loss":"ce"}"#),
        headed(of(r#""dt""#)),
        learned(of(r#""dt""#)),
        prototypes(of(r#""dt""#)),
        of(r#""diffusion-blocks""#),
        of(r#""fm""#),
        of(r#""ct""#),
        of(r#""backprop""#),
        of(r#""forward-forward""#),
        of(r#""adjoint""#),
    ] {
        let model = trained(config.clone(), 2, &data);
        let found = evaluate(&model, &data, SampleOptions::default(), &never()).unwrap();
        // A third by chance.
        assert!(found.accuracy > 0.9, "{:?}: {}", config.method, found.accuracy);
        assert_eq!(model.checked.config.input, InputShape::Vector { len: 6 });
        let names: Vec<_> = tensors(&model.checked).map(|(name, _)| name).collect();
        assert!(names.is_sorted());
        let encoder: Vec<_> = names.iter().filter(|name| name.starts_with("encoder.")).collect();
        assert_eq!(encoder.len(), 4, "two layers of three: {encoder:?}");

        let path = directory.path().join("model.safetensors");
        model.save(&path).unwrap();
        let untrained = Model::new(model.checked.config.clone()).unwrap();
        untrained.probe_save(&path).unwrap();
        let loaded = Model::load(&path).unwrap();
        assert_eq!(loaded.checked.config, model.checked.config);
        assert_eq!(loaded.weights_sha256().unwrap(), model.weights_sha256().unwrap());
        assert_eq!(loaded.training["encoder"]["training"], json!({ "epochs": 30 }));
        let asked = |model: &Model| predict(model, &data, SampleOptions::default(), &never()).unwrap();
        assert_eq!(asked(&loaded), asked(&model));
        let again = directory.path().join("again.safetensors");
        loaded.save(&again).unwrap();
        assert_eq!(std::fs::read(&again).unwrap(), std::fs::read(&path).unwrap());
        // The weights of the encoder count.
        let other = loaded.weights_sha256().unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.len() - 2;
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_ne!(Model::load(&path).unwrap().weights_sha256().unwrap(), other);
        bytes[at..].copy_from_slice(&[0x80, 0x7F]);
        std::fs::write(&path, &bytes).unwrap();
        let error = Model::load(&path).err().unwrap();
        assert!(error.code == Code::ModelFormat && error.what.contains("encoder.params"), "{error}");
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(Model::load(&path).err().unwrap().code, Code::ModelTruncated);
    }
}

/// What is asked of blocks is asked of them on the features of each sample, and gives what the blocks give on features.
#[test]
fn every_question_sees_features_once() {
    let data = vectors(90);
    let model = trained(shared(mlp(3), r#""dt""#), 1, &data);
    let features = encode(&model, &data, None, &never()).unwrap();
    let blocks = model.of_features().unwrap();
    let plain = SampleOptions::default;
    let all = predict(&model, &data, plain(), &never()).unwrap();
    assert_eq!(all, predict(&blocks, &features, plain(), &never()).unwrap());
    assert_eq!(
        trace(&model, &data, &plain(), &never()).unwrap(),
        trace(&blocks, &features, &plain(), &never()).unwrap()
    );
    let early = || SampleOptions { confidence: Some(0.6), ..plain() };
    assert_eq!(
        predict(&model, &data, early(), &never()).unwrap(),
        predict(&blocks, &features, early(), &never()).unwrap()
    );
    let report = evaluate(&model, &data, early(), &never()).unwrap().exit.unwrap();
    assert_eq!(report.ended_after.iter().sum::<u64>(), 90);
    let mean = SampleOptions { readout: ReadoutChoice::Mean, ..plain() };
    assert!(evaluate(&model, &data, mean, &never()).unwrap().accuracy > 0.9);
    let curve = |model: &Model, data: &Dataset| exit_curve(model, data, &plain(), &[0.5, 0.9], &never()).unwrap();
    assert_eq!(curve(&model, &data), curve(&blocks, &features));
    let added = |model: &Model, data: &Dataset| contributions(model, data, &plain(), &never()).unwrap();
    assert_eq!(added(&model, &data), added(&blocks, &features));
    // A sample alone, and among others.
    let alone = Dataset::from_arrays(Pixels::F32(data.sample(5).unwrap()), data.shape(), None).unwrap();
    let one = predict(&model, &alone, SampleOptions { stochastic: true, ..plain() }, &never()).unwrap();
    let many = predict(&model, &data, SampleOptions { stochastic: true, ..plain() }, &never()).unwrap();
    assert_eq!(one.probabilities, many.probabilities[15..18]);
    // Data of features are no samples.
    assert_eq!(predict(&model, &features, plain(), &never()).unwrap_err().code, Code::Shape);
}

/// The encoder of a classifier serves a model of numbers.
#[test]
fn numbers_are_predicted_from_features() {
    let data = vectors(90);
    let config = ModelConfig {
        targets: serde_json::from_str(r#"{"count":1}"#).unwrap(),
        classes: vec![0].into(),
        ..shared(mlp(3), r#""fm""#)
    };
    let classes = with_encoder(shared(mlp(3), r#""dt""#), &long(1), &data);
    let untrained = Model::new(config).unwrap();
    let error = untrained.classifier().err().unwrap();
    assert!(error.code == Code::Option && error.what.contains("predicts numbers"), "{error}");
    let model = untrained.with_encoder_of(&classes).unwrap();
    let numbers = (0..90).map(|sample| CLASSES[sample % 3] as f32).collect();
    let Pixels::F32(values) = data.pixels() else { unreachable!() };
    let targets = crate::data::Targets { width: 1, values: numbers };
    let data = Arc::new(Dataset::with_targets(Pixels::F32(values.clone()), data.shape(), targets).unwrap());
    let model = with_blocks(&model, &long(1), &data);
    let asked = |model: &Model| {
        evaluate_numbers(model, &data, &SampleOptions::default(), &NumberOptions::default(), &never()).unwrap().r2
    };
    assert!(asked(&model) > 0.8, "{}", asked(&model));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model");
    model.save(&path).unwrap();
    assert_eq!(asked(&Model::load(&path).unwrap()), asked(&model));
}

/// The encoder's job and the blocks' are the same for any threads and interruptions.
#[test]
fn the_whole_is_a_function_of_configuration_and_data() {
    let (data, config) = (images(60), shared(cnn(3), r#""dt""#));
    let options = |threads| FitOptions { threads: Some(threads), ..options(16) };
    let of = |threads| with_blocks(&with_encoder(config.clone(), &options(threads), &data), &options(threads), &data);
    let expected = of(1).weights_sha256().unwrap();
    for threads in [2, 3] {
        assert_eq!(of(threads).weights_sha256().unwrap(), expected);
    }
    // Interrupted, and resumed by a process that knows nothing of the one before.
    let directory = tempfile::tempdir().unwrap();
    let model = Model::new(config.clone()).unwrap();
    let classifier = model.classifier().unwrap().unwrap();
    let at = |name: &str| resume::checkpointed(options(2), &directory.path().join(name));
    let encoder = || Plan::new(classifier.checked.clone(), at("encoder"), data.clone()).unwrap();
    let (run, stopped) = resume::interrupted_by(encoder, 1, 4);
    let model = model.with_encoder_of(&classifier.with_weights(run.finish(), Value::Null)).unwrap();
    let plan = || {
        let features = encode(&model, &data, Some(2), &never()).unwrap();
        Plan::new(model.checked.blocks().clone(), at("blocks"), Arc::new(features)).unwrap()
    };
    let (run, again) = resume::interrupted_by(plan, 3, 8);
    assert!(stopped >= 1 && again >= 1, "{stopped} {again}");
    assert_eq!(model.with_weights(run.finish(), Value::Null).weights_sha256().unwrap(), expected);
    // Another seed gives another encoder, and the encoder's own seed is none of the blocks'.
    let seeds = |seed| ModelConfig { seed, ..config.clone() }.classifier().unwrap().unwrap().seed;
    let all: HashSet<u64> = (0..100).map(seeds).collect();
    assert!(all.len() == 100 && all.iter().all(|seed| *seed < 1 << 53 && *seed > 100));
}

/// Parts carry the encoder that they were trained on.
#[test]
fn parts_on_the_features_of_one_encoder_make_a_model() {
    let data = vectors(60);
    let model = with_encoder(shared(mlp(3), r#""dt""#), &options(20), &data);
    let whole = with_blocks(&model, &options(20), &data);
    let directory = tempfile::tempdir().unwrap();
    let part = |model: &Model, blocks: &[usize], name: &str| {
        let features = encode(model, &data, None, &never()).unwrap();
        let options = FitOptions { only_blocks: Some(blocks.to_vec()), ..options(20) };
        let plan = Plan::new(model.checked.blocks().clone(), options, Arc::new(features)).unwrap();
        let run_of = crate::train::checkpoint::identity(&plan);
        let run = Run::start(plan);
        run.drive(blocks, 2, |_| false);
        let part = Part { run: run_of, blocks: run.training.reports() };
        let path = directory.path().join(name);
        model.with_part(run.finish(), json!({}), part).save(&path).unwrap();
        path
    };
    let paths = [part(&model, &[1, 3], "a"), part(&model, &[2], "b")];
    let assembled = Model::assemble(&paths).unwrap();
    assert_eq!(assembled.weights_sha256().unwrap(), whole.weights_sha256().unwrap());
    let asked = |model: &Model| predict(model, &data, SampleOptions::default(), &never()).unwrap();
    assert_eq!(asked(&assembled), asked(&whole));
    // Features of another encoder are other data.
    let other = with_encoder(shared(mlp(3), r#""dt""#), &FitOptions { epochs: 1, ..options(20) }, &data);
    let foreign = part(&other, &[2], "c");
    assert_eq!(Model::assemble(&[paths[0].clone(), foreign]).err().unwrap().code, Code::Parts);
}

/// What is done to single blocks leaves the encoder as it is.
#[test]
fn work_on_single_blocks_keeps_the_encoder() {
    let data = vectors(60);
    let model = Arc::new(trained(shared(mlp(3), r#""dt""#), 1, &data));
    let features = Arc::new(encode(&model, &data, None, &never()).unwrap());
    let retrain = FitOptions { retrain: Some(vec![2]), ..of_blocks(1) };
    let again = kept::changed(&model, &retrain, None, &features);
    assert_eq!(again.weights_sha256().unwrap(), model.weights_sha256().unwrap());
    let seeded = kept::changed(&model, &FitOptions { seed: Some(9), go_on: true, ..retrain }, Some(1), &features);
    let append = FitOptions { append: Some(crate::config::Append::Blocks(1)), ..of_blocks(1) };
    let longer = {
        let checked = model.to_train(&append).unwrap();
        let plan = Plan::new(checked, append, features.clone()).unwrap().beside(model.clone(), None).unwrap();
        let fitted = plan.model.clone();
        let run = Run::start(plan);
        run.drive(&[4], 1, |_| false);
        model.with_blocks(fitted, run.finish(), &[4], json!({}), &Value::Null).unwrap()
    };
    let shorter = model.without_last(1).unwrap();
    let mean = Model::average(&[model.clone(), seeded.clone()]).unwrap();
    let asked = SampleOptions::default;
    for (other, blocks) in [(&*again, 3), (&*seeded, 3), (&longer, 4), (&shorter, 2), (&mean, 3)] {
        assert_eq!((other.checked.config.blocks, other.checked.config.input), (blocks, data.shape()));
        assert_eq!(encode(other, &data, None, &never()).unwrap().fingerprint(), features.fingerprint());
        assert!(evaluate(other, &data, asked(), &never()).unwrap().accuracy > 0.9);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model");
        other.save(&path).unwrap();
        assert_eq!(Model::load(&path).unwrap().weights_sha256().unwrap(), other.weights_sha256().unwrap());
    }
    let other = Arc::new(trained(ModelConfig { seed: 8, ..shared(mlp(3), r#""dt""#) }, 1, &data));
    let foreign = Model::new(model.checked.config.clone()).unwrap().with_encoder_of(&other).unwrap();
    let foreign = Arc::new(with_blocks(&foreign, &long(1), &data));
    assert!(Model::average(&[model.clone(), foreign]).err().unwrap().what.contains("encoder differs"));
    let views = SampleOptions { views: Some(2), ..asked() };
    assert!(predict(&model, &data, views, &never()).unwrap_err().what.contains("views does not go with an encoder"));
}

/// Another machine that has the encoder's file and the blocks puts the same model together.
#[test]
fn an_encoder_goes_in_a_file_of_its_own() {
    let data = vectors(60);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("encoder");
    let load = |sha256: &str| Model::load_encoder(&path, sha256);
    let model = with_encoder(shared(mlp(3), r#""dt""#), &options(20), &data);
    let sha256 = model.save_encoder(&path).unwrap().unwrap();
    let found = load(&sha256).unwrap();
    assert!(!found.is_trained() && !found.lacks_encoder());
    assert_eq!(found.checked.config, model.checked.config);
    let blocks = with_blocks(&model, &of_blocks(2), &data);
    let there = with_blocks(&found, &of_blocks(2), &data);
    assert_eq!(there.weights_sha256().unwrap(), blocks.weights_sha256().unwrap());
    assert_eq!(there.training, blocks.training);

    assert_eq!(load("0").err().unwrap().what, "the file holds another encoder");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(load(&sha256).err().unwrap().code, Code::ModelTruncated);
    let mut damaged = whole.clone();
    let at = damaged.len() - 2;
    damaged[at..].copy_from_slice(&[0x80, 0x7F]);
    std::fs::write(&path, &damaged).unwrap();
    assert!(load(&sha256).err().unwrap().what.contains("encoder.params"));
    blocks.save(&path).unwrap();
    assert!(load(&sha256).err().unwrap().what.contains("not an encoder of noprop"));
    let none = directory.path().join("none");
    assert_eq!(Model::new(mlp(2)).unwrap().save_encoder(&none).unwrap(), None);
    assert!(!none.exists());
}

#[test]
fn encoders_that_do_not_fit_are_refused_in_words() {
    let check = |json: &str| from_json::<ModelConfig>(json).and_then(ModelConfig::check).err().unwrap();
    let cases = [
        (r#""encoder":{"net":{"type":"cnn"}}"#, "net cnn"),
        (r#""encoder":{"net":{"type":"mlp","hidden":[0]}}"#, "option encoder.net.hidden is out of range"),
        (r#""encoder":{"classes":1}"#, "option encoder.classes is out of range"),
        (r#""encoder":{"nets":1}"#, "there is no option encoder.nets"),
        (r#""encoder":{},"method":"classifier""#, "method classifier has no blocks"),
        (r#""features":"own""#, "own"),
        (
            r#""encoder":{"net":{"type":"graph","nodes":[{"op":"linear","units":"classes"}]}}"#,
            "no layer before its last",
        ),
        (
            r#""encoder":{"net":{"type":"graph","nodes":[{"op":"linear","units":"classes"},{"op":"relu"}]}}"#,
            "does not end with a fully connected layer",
        ),
    ];
    for (options, what) in cases {
        let error = check(&format!(r#"{{"input":[6],"classes":[0,1,2],{options}}}"#));
        assert!(error.to_string().contains(what), "{options}: {error}");
    }
    let data = vectors(40);
    let model = Model::new(shared(mlp(3), r#""dt""#)).unwrap();
    assert_eq!(encode(&model, &data, None, &never()).unwrap_err().code, Code::NotTrained);
    assert_eq!(encode(&Model::new(mlp(1)).unwrap(), &data, None, &never()).unwrap_err().code, Code::Option);
    let blocks = with_encoder(shared(mlp(3), r#""dt""#), &options(20), &data);
    assert!(blocks.classifier().unwrap().is_none() && !blocks.is_trained());
    assert_eq!(predict(&blocks, &data, SampleOptions::default(), &never()).unwrap_err().code, Code::NotTrained);
    let plain = Model::new(mlp(2)).unwrap();
    assert!(plain.as_encoder().unwrap_err().what.contains("no encoder that another could take"));
    let images = Model::new(shared(ModelConfig { net: mlp(1).net, ..cnn(3) }, r#""dt""#)).unwrap();
    assert_eq!(images.with_encoder_of(&blocks).err().unwrap().code, Code::Shape);
    assert_eq!(model.with_encoder_of(&model).err().unwrap().code, Code::NotTrained);
    assert_eq!(encode(&blocks, &super::images(4), None, &never()).unwrap_err().code, Code::Shape);
}

/// What is said of an encoder has defaults, and comes back as it was.
#[test]
fn an_encoder_has_defaults() {
    let config = |json: &str| from_json::<ModelConfig>(json).unwrap();
    let shared = config(r#"{"input":[28,28],"classes":[0,1,2],"features":"shared"}"#);
    assert_eq!(shared, config(r#"{"input":[28,28],"classes":[0,1,2],"encoder":{}}"#));
    assert_eq!(shared.encoder.as_ref().unwrap().net, NetConfig::default());
    assert_eq!(shared.net, NetConfig::Mlp { hidden: vec![32], dropout: 0.0 });
    let text = serde_json::to_string(&shared).unwrap();
    assert!(text.contains(r#""encoder":{"net":{"type":"cnn""#) && !text.contains("features"), "{text}");
    assert_eq!(config(&text), shared);
    let plain = serde_json::to_string(&config(r#"{"input":[28,28],"classes":[0,1,2]}"#)).unwrap();
    assert!(!plain.contains("encoder"));
    // The encoder's cost is that of its own net; ten blocks add little to it.
    let checked = shared.check().unwrap();
    let parts = checked.encoder.as_ref().unwrap();
    let (of_block, of_encoder) = (checked.graph().unwrap().flops().1, parts.graph.flops().1);
    assert!(10 * of_block < of_encoder / 20, "{of_block} {of_encoder}");
}
