//! Runs that are told to end while some of their blocks have not begun.

use super::kept::{beside, changed, digests, model_of, prototyped, with_head};
use super::resume::checkpointed;
use super::*;
use crate::config::Append;
use crate::error::Code;
use crate::inference::evaluate;
use crate::model::Model;
use crate::train::Trained;
use serde_json::{Value, json};

/// Trains the first `count` of these blocks, and tells the run to end before the others begin.
fn first_of(plan: Plan, blocks: &[usize], count: usize) -> Trained {
    let run = Run::start(plan);
    run.drive(&blocks[..count], 1, |_| false);
    run.training.wrap_up().unwrap();
    run.training.finish().unwrap()
}

#[test]
fn a_new_model_has_the_blocks_that_have_begun_as_if_the_others_had_been_dropped() {
    let data = vectors(50);
    for config in [mlp(3), with_head(mlp(3)), prototyped(mlp(3))] {
        let whole = model_of(&config, options(8), &data);
        for count in [1, 2] {
            let trained = first_of(plan(config.clone(), options(8), &data), &[1, 2, 3], count);
            assert_eq!(trained.jobs, (1..=count).collect::<Vec<_>>());
            let model = Model::new(config.clone()).unwrap();
            let model = model.with_weights(trained.weights, json!({})).with_fitted(trained.model);
            assert_eq!(digests(&model), digests(&whole)[..count]);
            let dropped = whole.without_last(3 - count).unwrap();
            let expected = ModelConfig { head: HeadConfig::None, ..dropped.checked.config.clone() };
            assert_eq!(json!(model.checked.config), json!(expected));
            evaluate(&model, &data, Default::default(), &StopFlag::new()).unwrap();
        }
    }
    // A head that has not begun is left out alone.
    let whole = model_of(&with_head(mlp(2)), options(8), &data);
    let trained = first_of(plan(with_head(mlp(2)), options(8), &data), &[1, 2, 3], 2);
    let expected = ModelConfig { head: HeadConfig::None, ..whole.checked.config.clone() };
    assert_eq!(json!(trained.model.config), json!(expected));
}

#[test]
fn a_checkpoint_goes_on_with_all_blocks() {
    let data = vectors(50);
    let directory = tempfile::tempdir().unwrap();
    let new = || plan(mlp(3), checkpointed(options(8), directory.path()), &data);
    assert_eq!(first_of(new(), &[1, 2, 3], 1).jobs, [1]);
    assert_eq!(sha256(new()), sha256(plan(mlp(3), options(8), &data)));
}

#[test]
fn a_model_that_has_weights_keeps_those_of_the_other_blocks() {
    let data = vectors(50);
    let model = model_of(&mlp(3), options(8), &data);
    let continued = || plan(mlp(3), options(8), &data).continued(model.clone(), 1).unwrap();
    let all = Model::new(mlp(3)).unwrap().with_weights(train(continued()), Value::Null);
    let Trained { weights, jobs, .. } = first_of(continued(), &[1, 2, 3], 1);
    assert_eq!(jobs, [1]);
    let found = Model::new(mlp(3)).unwrap().with_weights(weights, Value::Null);
    assert_eq!(digests(&found), [&digests(&all)[..1], &digests(&model)[1..]].concat());

    let retrain = FitOptions { retrain: Some(vec![1, 3]), seed: Some(9), ..options(8) };
    let whole = changed(&model, &retrain, None, &data);
    let trained = first_of(beside(&model, &retrain, None, &data), &[1, 3], 1);
    let found = model.with_blocks(trained.model, trained.weights, &trained.jobs, json!({}), &Value::Null).unwrap();
    assert_eq!(digests(&found), [&digests(&whole)[..1], &digests(&model)[1..]].concat());
    assert_eq!(found.training["changes"][0]["retrained"], json!([1]));
}

#[test]
fn blocks_that_were_to_be_appended_are_left_out() {
    let data = vectors(50);
    for config in [mlp(2), with_head(mlp(2))] {
        let model = model_of(&config, options(8), &data);
        let append = FitOptions { append: Some(Append::Blocks(2)), ..options(8) };
        let whole = changed(&model, &append, None, &data);
        let trained = first_of(beside(&model, &append, None, &data), &[3, 4], 1);
        let found = model.with_blocks(trained.model, trained.weights, &trained.jobs, json!({}), &Value::Null).unwrap();
        let dropped = whole.without_last(1).unwrap();
        assert_eq!(digests(&found), digests(&dropped));
        assert_eq!(json!(found.checked.config), json!(dropped.checked.config));
    }
}

#[test]
fn a_part_has_those_that_have_begun() {
    let data = vectors(50);
    let only = FitOptions { only_blocks: Some(vec![1, 3]), ..options(8) };
    let trained = first_of(plan(mlp(3), only, &data), &[1, 3], 1);
    assert_eq!((trained.model.config.blocks, trained.jobs), (3, vec![1]));
}

#[test]
fn blocks_that_share_one_range_of_noise_are_no_model_without_the_others() {
    let data = vectors(50);
    let method = serde_json::from_value(json!("diffusion-blocks")).unwrap();
    let config = ModelConfig { method, ..mlp(3) };
    let run = Run::start(plan(config.clone(), options(8), &data));
    run.drive(&[1], 1, |_| false);
    let error = run.training.wrap_up().unwrap_err();
    assert_eq!((error.code, &error.received[..]), (Code::Cancelled, "2 that wait"));
    assert!(error.what.contains("before block 2 had begun"), "{error}");
    // Nothing has changed: the run goes on.
    run.drive(&[2, 3], 1, |_| false);
    assert_eq!(run.finish().sha256().unwrap(), sha256(plan(config, options(8), &data)));
}

#[test]
fn blocks_behind_one_that_has_not_begun_are_no_model() {
    let data = vectors(50);
    let run = Run::start(plan(mlp(3), options(8), &data));
    run.drive(&[2], 1, |_| false);
    let error = run.training.wrap_up().unwrap_err();
    assert!(error.code == Code::Cancelled && error.what.contains("before block 1 had begun"), "{error}");
}
