//! Classes that count more than others, and samples that are mixed.

use super::resume::interrupted;
use super::*;
use crate::config::ClassWeights;
use crate::error::Code;

fn method(json: &str, config: ModelConfig) -> ModelConfig {
    let method: MethodConfig = serde_json::from_str(json).unwrap();
    ModelConfig { blocks: method.default_blocks().min(3), method, ..config }
}

fn weighted(weights: Vec<f64>, batch: usize) -> FitOptions {
    FitOptions { class_weights: Some(ClassWeights::Each(weights)), weight_decay: 0.0, ..options(batch) }
}

const METHODS: [&str; 6] =
    [r#""dt""#, r#"{"type":"dt","loss":"ce"}"#, r#""diffusion-blocks""#, r#""fm""#, r#""backprop""#, r#""classifier""#];

/// AdamW does not see a factor of all gradients, but for its ε; a mean of the classes' gradients it does.
#[test]
fn a_factor_of_all_classes_is_none_and_of_one_it_is() {
    let data = vectors(60);
    for json in METHODS {
        let config = method(json, mlp(3));
        let state = |options: FitOptions| job(&plan(config.clone(), options, &data), 1, 3).state().unwrap();
        let plain = state(FitOptions { weight_decay: 0.0, ..options(12) });
        let ones = state(weighted(vec![1.0; 3], 12));
        // The squared error to a class is computed by another program, which rounds otherwise.
        assert!(ones == plain || json == METHODS[0], "{json}");
        let len = plan(config.clone(), options(12), &data).model.layout.parameters();
        let apart = |other: &[f32]| {
            let sum: f32 = other[..len].iter().zip(&plain[..len]).map(|(one, other)| (one - other).abs()).sum();
            sum / len as f32
        };
        // Parameters are of the order of 0.1.
        assert!(apart(&ones) < 1e-6, "{json}: {}", apart(&ones));
        // Gradients of 4 × the size: far above ε, but for those that are nearly 0.
        let (of_all, of_one) = (state(weighted(vec![4.0; 3], 12)), state(weighted(vec![4.0, 1.0, 1.0], 12)));
        assert!(apart(&of_all) < apart(&of_one) / 5.0, "{json}: {} {}", apart(&of_all), apart(&of_one));
    }
}

/// With nets without batch norm or dropout, samples of a class of factor 0 change nothing.
#[test]
fn samples_of_a_class_of_factor_0_teach_nothing() {
    let net = NetConfig::Mlp { hidden: vec![7], dropout: 0.0 };
    for json in METHODS {
        let config = ModelConfig { net: net.clone(), ..method(json, mlp(3)) };
        let changed = |from: usize| {
            let stream = Stream::new(5, Purpose::Init, 0, 0, 0);
            let value = |index: usize| {
                let sample = index / 6;
                let noise = if sample % 3 == 1 { from } else { 0 };
                stream.normal((index + noise) as u32) as f32
            };
            let pixels = Pixels::F32((0..60 * 6).map(value).collect());
            let labels = (0..60).map(|sample| CLASSES[sample % 3]).collect();
            let data = Dataset::from_arrays(pixels, InputShape::Vector { len: 6 }, Some(labels)).unwrap();
            let plan = plan(config.clone(), weighted(vec![1.0, 0.0, 2.0], 12), &Arc::new(data));
            job(&plan, 1, 6).weights_so_far(&plan).unwrap()
        };
        // Values of the second class are others.
        assert_eq!(changed(0), changed(5000), "{json}");
    }
}

#[test]
fn balanced_weights_are_those_of_the_counts_and_are_the_same_under_any_schedule_and_interruption() {
    let all = vectors(60);
    // 20, 20 and 4 samples.
    let places: Vec<usize> = (0..60).filter(|sample| sample % 3 != 2 || *sample < 12).collect();
    let mut pixels = vec![0.0; places.len() * 6];
    for (row, sample) in pixels.chunks_exact_mut(6).zip(&places) {
        all.value(*sample, row).unwrap();
    }
    let labels = places.iter().map(|sample| CLASSES[sample % 3]).collect();
    let shape = InputShape::Vector { len: 6 };
    let data = Arc::new(Dataset::from_arrays(Pixels::F32(pixels), shape, Some(labels)).unwrap());
    let options = FitOptions { class_weights: Some(ClassWeights::Balanced), weight_decay: 0.0, ..options(8) };
    let expected = sha256(plan(mlp(3), options.clone(), &data));
    let factors = [20, 20, 4].map(|count| 44.0 / f64::from(3 * count));
    assert_eq!(sha256(plan(mlp(3), weighted(factors.to_vec(), 8), &data)), expected);
    invariance::check(&mlp(3), &options, &data);
    let directory = tempfile::tempdir().unwrap();
    let (found, interruptions) = interrupted(&mlp(3), &options, &data, directory.path());
    assert!(interruptions >= 1 && found == expected);
    let other = FitOptions { class_weights: None, ..resume::checkpointed(options, directory.path()) };
    let error = Training::start(plan(mlp(3), other, &data), Box::new(|_| {})).err().unwrap();
    assert!(error.what.contains("training.classWeights differs"), "{error}");
}

#[test]
fn class_weights_that_mean_nothing_are_refused() {
    let data = vectors(60);
    let learned = ModelConfig { embedding: EmbeddingConfig::Learned { dim: 4 }, ..mlp(2) };
    let plain = ModelConfig { net: NetConfig::Mlp { hidden: vec![8, 7, 6], dropout: 0.0 }, ..mlp(1) };
    let ones =
        [method(r#""ct""#, mlp(1)), method(r#""adjoint""#, mlp(1)), method(r#""forward-forward""#, plain), learned];
    for config in ones {
        let error = Plan::new(config.check().unwrap(), weighted(vec![1.0; 3], 8), data.clone()).err().unwrap();
        assert!(error.code == Code::Option && error.what.contains("classWeights does not apply"), "{error}");
    }
    let error = Plan::new(mlp(2).check().unwrap(), weighted(vec![1.0; 4], 8), data.clone()).err().unwrap();
    assert_eq!(error.received, "4 numbers");
    let mixed = FitOptions { mixup: 0.2, device: crate::DeviceChoice::AllCuda, ..options(8) };
    assert_eq!(Plan::new(mlp(2).check().unwrap(), mixed, data).err().unwrap().code, Code::Device);
}

#[test]
fn mixed_samples_keep_their_labels_and_are_the_same_under_any_schedule_and_interruption() {
    for (config, data) in [(mlp(3), vectors(50)), (cnn(2), images(41))] {
        let augment = match config.input {
            InputShape::Image { .. } => crate::data::Augment { shift: 2, ..Default::default() },
            InputShape::Vector { .. } => Default::default(),
        };
        let options = FitOptions { mixup: 0.4, augment, ..options(8) };
        let plan_of = |options: &FitOptions| plan(config.clone(), options.clone(), &data);
        let (plain, mixed) = (plan_of(&FitOptions { mixup: 0.0, ..options.clone() }), plan_of(&options));
        let (one, other) = (plain.batch(3).unwrap(), mixed.batch(3).unwrap());
        assert_eq!((&one.samples, &one.classes), (&other.samples, &other.classes));
        assert_ne!(crate::ops::testing::values(&one.x), crate::ops::testing::values(&other.x));
        let expected = sha256(plan_of(&options));
        assert_ne!(expected, sha256(plain));
        invariance::check(&config, &options, &data);
        let directory = tempfile::tempdir().unwrap();
        let (found, interruptions) = interrupted(&config, &options, &data, directory.path());
        assert!(interruptions >= 1 && found == expected);
    }
}
