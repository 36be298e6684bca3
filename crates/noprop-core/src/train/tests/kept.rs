//! Trainings of some blocks of a trained model, and what is done to blocks without any.

use super::resume::checkpointed;
use super::*;
use crate::config::Append;
use crate::error::{Code, Error};
use crate::model::Model;
use serde_json::{Value, json};

pub(super) fn model_of(config: &ModelConfig, options: FitOptions, data: &Arc<Dataset>) -> Arc<Model> {
    let plan = plan(config.clone(), options, data);
    let fitted = plan.model.clone();
    let model = Model::new(config.clone()).unwrap();
    let record = json!({ "fingerprint": data.fingerprint() });
    Arc::new(model.with_weights(train(plan), record).with_fitted(fitted))
}

pub(super) fn beside(model: &Arc<Model>, options: &FitOptions, round: Option<u64>, data: &Arc<Dataset>) -> Plan {
    let checked = model.to_train(options).unwrap();
    Plan::new(checked, options.clone(), data.clone()).unwrap().beside(model.clone(), round).unwrap()
}

/// The model after a training of some of its blocks.
pub(super) fn changed(model: &Arc<Model>, options: &FitOptions, round: Option<u64>, data: &Arc<Dataset>) -> Arc<Model> {
    let run = Run::start(beside(model, options, round, data));
    let (only, fitted) = (run.training.plan().options.only_blocks.clone().unwrap(), run.training.plan().model.clone());
    run.drive(&only, only.len(), |_| false);
    let mut record = json!({});
    if let Some(seed) = options.seed {
        record["seed"] = json!(seed);
    }
    if let Some(round) = round {
        record["round"] = json!(round);
    }
    Arc::new(model.with_blocks(fitted, run.finish(), &only, record, &Value::Null).unwrap())
}

pub(super) fn digests(model: &Model) -> Vec<String> {
    let block = |block| model.block(block, &Device::Cpu).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let digest = |values: Vec<f32>| crate::storage::container::sha256(&crate::storage::container::to_bytes(&values));
    (1..=model.checked.jobs()).map(|job| digest(block(job))).collect()
}

pub(super) fn with_head(config: ModelConfig) -> ModelConfig {
    ModelConfig { head: HeadConfig::Softmax, embedding: EmbeddingConfig::Orthogonal { dim: 5 }, ..config }
}

pub(super) fn prototyped(config: ModelConfig) -> ModelConfig {
    ModelConfig { embedding: EmbeddingConfig::Prototype { vectors: Vec::new(), learned: false }, ..config }
}

#[test]
fn a_block_that_is_trained_anew_as_before_is_the_same_and_by_another_seed_another() {
    let data = vectors(50);
    for config in [mlp(3), with_head(mlp(3)), prototyped(mlp(3))] {
        let model = model_of(&config, options(8), &data);
        let again = FitOptions { retrain: Some(vec![2]), ..options(8) };
        assert_eq!(digests(&changed(&model, &again, None, &data)), digests(&model));
        let other = changed(&model, &FitOptions { seed: Some(9), ..again.clone() }, None, &data);
        let (before, after) = (digests(&model), digests(&other));
        let is_new: Vec<_> = before.iter().zip(&after).map(|(before, after)| before != after).collect();
        assert_eq!(is_new, (1..=before.len()).map(|job| job == 2).collect::<Vec<_>>());
        assert_eq!(other.checked.config, model.checked.config);
        assert_eq!(other.training["changes"], json!([{ "retrained": [2], "seed": 9 }]));
        // The block is that of a model of that seed.
        if config.embedding == EmbeddingConfig::default() {
            let of_seed = model_of(&ModelConfig { seed: 9, ..config }, options(8), &data);
            assert_eq!(after[1], digests(&of_seed)[1]);
        }
    }
}

#[test]
fn blocks_go_on_from_their_weights_and_are_the_same_however_they_are_run() {
    let data = vectors(50);
    let model = model_of(&mlp(3), options(8), &data);
    let on = FitOptions { retrain: Some(vec![1, 3]), go_on: true, ..options(8) };
    let plan = beside(&model, &on, Some(1), &data);
    let state = BlockJob::start(&plan, 3, &Device::Cpu).unwrap().state().unwrap();
    let weights = model.block(3, &Device::Cpu).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(state[..weights.len()], weights);
    let expected = changed(&model, &on, Some(1), &data);
    assert_eq!((expected.rounds(), model.rounds()), (1, 0));
    assert_eq!(digests(&expected)[1], digests(&model)[1]);
    let next = changed(&expected, &on, Some(2), &data);
    assert_eq!(next.rounds(), 2);
    assert_ne!(digests(&next)[0], digests(&expected)[0]);
    let directory = tempfile::tempdir().unwrap();
    let options = checkpointed(FitOptions { threads: Some(2), ..on }, directory.path());
    let mut interruptions = 0;
    let order = [3, 1];
    let run = loop {
        let left = std::sync::atomic::AtomicUsize::new(5);
        let halt =
            move |event: &Event| matches!(event, Event::Checkpoint { .. }) && left.fetch_sub(1, Ordering::SeqCst) == 1;
        match interrupt(beside(&model, &options, Some(1), &data), &order, 2, halt) {
            (_, Some(run)) => break run,
            _ => interruptions += 1,
        }
    };
    assert!(interruptions >= 2, "only {interruptions} interruptions");
    let fitted = run.training.plan().model.clone();
    let found = model.with_blocks(fitted, run.finish(), &[1, 3], json!({}), &Value::Null).unwrap();
    assert_eq!(digests(&found), digests(&expected));
}

/// Old blocks keep their levels, so all are those of a training from the beginning with the longer schedule.
#[test]
fn appended_blocks_are_those_of_a_training_with_the_longer_schedule() {
    let data = vectors(50);
    for config in [mlp(2), prototyped(mlp(2)), with_head(mlp(2))] {
        let model = model_of(&config, options(8), &data);
        for append in [Append::Blocks(2), Append::Levels(vec![0.7, 0.95])] {
            let options = FitOptions { append: Some(append), ..options(8) };
            let longer = changed(&model, &options, None, &data);
            assert_eq!((longer.checked.config.blocks, longer.checked.config.seed), (4, config.seed));
            let schedule = &longer.checked.schedule;
            assert!((1..=4).all(|t| schedule.alpha_bar(t) > schedule.alpha_bar(t - 1)));
            let before = &model.checked.schedule;
            assert_eq!([0, 1].map(|t| schedule.alpha_bar(t)), [0, 1].map(|t| before.alpha_bar(t)));
            assert_eq!(schedule.alpha_bar(4), before.alpha_bar(2));
            assert_eq!(longer.training["changes"], json!([{ "appended": [3, 4] }]));
            let fresh = ModelConfig { blocks: 4, schedule: longer.checked.config.schedule.clone(), ..config.clone() };
            let fresh = model_of(&fresh, self::options(8), &data);
            let heads = usize::from(longer.checked.head.is_some());
            let (found, expected) = (digests(&longer), digests(&fresh));
            assert_eq!(found[..4], expected[..4]);
            assert_eq!(found.len(), 4 + heads);
            // The head is that of before, which is about the end of the chain.
            assert_eq!(found[4..], digests(&model)[2..]);
            let found = crate::inference::evaluate(&longer, &data, Default::default(), &StopFlag::new()).unwrap();
            assert_eq!(found.accuracy_per_block.len(), 4);
            // Dropping them gives the blocks of before, which lead to the end again.
            let dropped = longer.without_last(2).unwrap();
            assert_eq!(digests(&dropped), digests(&model));
            let levels = |model: &Model| (0..=2).map(|t| model.checked.schedule.alpha_bar(t)).collect::<Vec<_>>();
            assert_eq!(levels(&dropped), levels(&model));
        }
    }
}

#[test]
fn a_single_block_is_lengthened_to_the_cosine_schedule() {
    let data = vectors(50);
    let model = model_of(&mlp(1), options(8), &data);
    let longer = model.to_train(&FitOptions { append: Some(Append::Blocks(3)), ..options(8) }).unwrap();
    let cosine = mlp(4).check().unwrap();
    for t in 0..=4 {
        let (found, expected) = (longer.schedule.alpha_bar(t), cosine.schedule.alpha_bar(t));
        // The ends are cut off, which moves what lies between by a little.
        assert!((found - expected).abs() < 0.02, "{t}: {found} {expected}");
    }
}

#[test]
fn dropped_blocks_leave_those_of_a_training_with_the_shorter_schedule() {
    let data = vectors(50);
    for (config, left) in [(mlp(3), 2), (mlp(3), 1), (with_head(mlp(3)), 2)] {
        let model = model_of(&config, options(8), &data);
        let shorter = model.without_last(3 - left).unwrap();
        let schedule = shorter.checked.config.schedule.clone();
        let fresh = model_of(&ModelConfig { blocks: left, schedule, ..config }, options(8), &data);
        assert_eq!(digests(&shorter)[..left], digests(&fresh)[..left]);
        assert_eq!(digests(&shorter)[left..], digests(&model)[3..]);
        assert_eq!(shorter.checked.schedule.alpha_bar(left), model.checked.schedule.alpha_bar(3));
        assert_eq!(shorter.training["changes"][0]["dropped"][0], json!(left + 1));
        let path = tempfile::tempdir().unwrap();
        let path = path.path().join("model");
        shorter.save(&path).unwrap();
        assert_eq!(digests(&Model::load(&path).unwrap()), digests(&shorter));
    }
}

#[test]
fn a_mean_of_models_has_the_means_of_their_weights_and_statistics_in_any_order() {
    let data = images(41);
    let model = model_of(&cnn(2), options(16), &data);
    let on = |blocks: Vec<usize>, rate: f64| {
        let options = FitOptions { retrain: Some(blocks), go_on: true, learning_rate: rate, ..options(16) };
        changed(&model, &options, Some(1), &data)
    };
    let models = [model.clone(), on(vec![1, 2], 1e-3), on(vec![2], 3e-3)];
    let mean = Model::average(&models).unwrap();
    let values =
        |model: &Model, job| model.block(job, &Device::Cpu).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for job in [1, 2] {
        let all = models.each_ref().map(|model| values(model, job));
        for (place, found) in values(&mean, job).into_iter().enumerate() {
            let expected = all.iter().map(|values| f64::from(values[place])).sum::<f64>() / 3.0;
            assert!((f64::from(found) - expected).abs() <= 1e-7 * expected.abs().max(1e-3), "{found} {expected}");
        }
    }
    let [a, b, c] = models.clone();
    assert_eq!(Model::average(&[c, a, b]).unwrap().weights_sha256().unwrap(), mean.weights_sha256().unwrap());
    let averaged = mean.training["changes"][0]["averaged"].as_array().unwrap();
    assert_eq!(averaged.len(), 3);
    assert_eq!(mean.rounds(), 1);
    crate::inference::evaluate(&mean, &data, Default::default(), &StopFlag::new()).unwrap();

    let error = Model::average(&models[..1]).err().unwrap();
    assert_eq!((error.code, &error.received[..]), (Code::Option, "1"));
    let other = model_of(&ModelConfig { seed: 8, ..cnn(2) }, options(16), &data);
    let error = Model::average(&[models[0].clone(), other]).err().unwrap();
    assert!(error.what.contains("model.seed differs") && error.hint.contains("went on"), "{error}");
    // A block that another seed began has its units in other places; one that went on with another order of the data has not.
    let seeded = |go_on: bool, round| {
        let options = FitOptions { retrain: Some(vec![2]), go_on, seed: Some(8), ..options(16) };
        changed(&model, &options, round, &data)
    };
    let anew = seeded(false, None);
    let error = Model::average(&[models[0].clone(), anew.clone()]).err().unwrap();
    assert!(
        error.what.contains("the seed that block 2 began with differs") && error.hint.contains("went on"),
        "{error}"
    );
    Model::average(&[models[0].clone(), seeded(true, Some(1))]).unwrap();
    let on = FitOptions { retrain: Some(vec![2]), go_on: true, ..options(16) };
    let both = Model::average(&[anew.clone(), changed(&anew, &on, Some(1), &data)]).unwrap();
    assert!(Model::average(&[Arc::new(both), model.clone()]).is_err());
    let other = model_of(&cnn(2), options(16), &images(40));
    let error = Model::average(&[models[0].clone(), other]).err().unwrap();
    assert!(error.what.contains("data differs"), "{error}");
    let untrained = Arc::new(Model::new(cnn(2)).unwrap());
    assert_eq!(Model::average(&[models[0].clone(), untrained]).err().unwrap().code, Code::NotTrained);
}

#[test]
fn what_is_not_sound_is_refused() {
    let data = vectors(50);
    let method = |json: &str, config: ModelConfig| {
        let method: MethodConfig = serde_json::from_str(json).unwrap();
        ModelConfig { blocks: method.default_blocks().min(3), method, ..config }
    };
    let append = FitOptions { append: Some(Append::Blocks(1)), ..options(8) };
    let retrain = FitOptions { retrain: Some(vec![1]), ..options(8) };
    let learned = ModelConfig { embedding: EmbeddingConfig::Learned { dim: 4 }, ..mlp(2) };
    for config in [method(r#""fm""#, mlp(1)), method(r#""backprop""#, mlp(3)), learned] {
        let model = model_of(&config, options(8), &data);
        let errors: [Error; 3] = [
            model.to_train(&append).err().unwrap(),
            model.to_train(&retrain).err().unwrap(),
            model.without_last(1).err().unwrap(),
        ];
        for error in errors {
            assert_eq!(error.code, Code::Option);
            assert!(error.what.contains("does not apply to method"), "{error}");
        }
    }
    // Their ranges of noise are those of their number.
    let ranges = model_of(&method(r#""diffusion-blocks""#, mlp(3)), options(8), &data);
    assert!(ranges.to_train(&retrain).is_ok());
    for error in [ranges.to_train(&append).err().unwrap(), ranges.without_last(1).err().unwrap()] {
        assert!(error.received.contains("share one range of noise"), "{error}");
    }
    let model = model_of(&mlp(3), options(8), &data);
    for count in [0, 3, 4] {
        assert!(model.without_last(count).err().unwrap().what.contains("cannot be dropped"));
    }
    let (last, end) = (model.checked.schedule.alpha_bar(2), model.checked.schedule.alpha_bar(3));
    for levels in [vec![], vec![last], vec![end], vec![0.9, 0.85], vec![f64::NAN]] {
        let options = FitOptions { append: Some(Append::Levels(levels.clone())), ..options(8) };
        assert_eq!(model.to_train(&options).err().unwrap().code, Code::Option, "{levels:?}");
    }
    for count in [0, 9997] {
        let options = FitOptions { append: Some(Append::Blocks(count)), ..options(8) };
        assert!(model.to_train(&options).err().unwrap().what.contains("append is out of range"));
    }
    let linear = ModelConfig { schedule: ScheduleConfig::Linear { start: 1.0, end: 0.1 }, ..mlp(3) };
    let linear = model_of(&linear, options(8), &data);
    assert!(linear.to_train(&append).err().unwrap().hint.contains("drop the last block first"));
    let dropped = Arc::new(linear.without_last(1).unwrap());
    assert_eq!(dropped.to_train(&append).unwrap().config.blocks, 3);
    let untrained = Model::new(mlp(3)).unwrap();
    assert_eq!(untrained.to_train(&retrain).err().unwrap().code, Code::NotTrained);
    assert_eq!(untrained.without_last(1).err().unwrap().code, Code::NotTrained);
}
