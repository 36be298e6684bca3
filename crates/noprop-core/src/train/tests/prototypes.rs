//! Prototypes as embeddings: samples of the training data, which are part of the trained model.

use super::*;
use crate::Model;
use crate::data::medoids::medoids;
use serde_json::Value;

fn config(config: ModelConfig) -> ModelConfig {
    ModelConfig { embedding: EmbeddingConfig::Prototype { vectors: Vec::new(), learned: false }, ..config }
}

fn trained(config: &ModelConfig, data: &Arc<Dataset>) -> Model {
    let plan = plan(config.clone(), options(8), data);
    let fitted = plan.model.clone();
    Model::new(config.clone()).unwrap().with_weights(train(plan), Value::Null).with_fitted(fitted)
}

#[test]
fn they_are_the_medoids_of_the_training_samples_and_stay_in_the_file() {
    let data = images(40);
    let model = trained(&config(cnn(2)), &data);
    let found = medoids(&data, &data.class_indices(&model.checked.config.classes).unwrap(), 3).unwrap();
    for (class, medoid) in found.into_iter().enumerate() {
        let sample = data.sample(medoid.unwrap()).unwrap();
        assert_eq!(model.checked.vectors.vector(class).collect::<Vec<_>>(), sample);
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model");
    model.save(&path).unwrap();
    let loaded = Model::load(&path).unwrap();
    assert_eq!(loaded.checked.config, model.checked.config);
    assert_eq!(loaded.checked.vectors, model.checked.vectors);
}

#[test]
fn training_anew_finds_others_and_going_on_keeps_them() {
    let (data, others) = (vectors(60), vectors(30));
    let model = trained(&config(mlp(2)), &data);
    let checked = || model.checked.clone();
    let vectors_of = |plan: &Plan| plan.model.vectors.clone();
    let anew = Plan::new(checked(), options(8), others.clone()).unwrap();
    assert_ne!(vectors_of(&anew), model.checked.vectors);
    let expected = model.checked.vectors.clone();
    let model = Arc::new(model);
    let on = Plan::new(model.checked.clone(), options(8), others).unwrap().continued(model.clone(), 1).unwrap();
    assert_eq!(vectors_of(&on), expected);
    assert_eq!(on.model.config.embedding, model.checked.config.embedding);
    assert_ne!(on.model.config.seed, model.checked.config.seed);
}

#[test]
fn what_has_no_prototypes_is_refused() {
    let four = ModelConfig { classes: vec![4, 7, 19, 30].into(), ..config(mlp(2)) };
    let error = Plan::new(four.check().unwrap(), options(8), vectors(20)).err().unwrap();
    assert!(error.code == crate::Code::Label && error.what.contains("class 30 has no prototype"), "{error}");
    let of = |method: &str| ModelConfig { method: serde_json::from_str(method).unwrap(), ..config(mlp(1)) };
    let error = of(r#"{"type":"diffusion-blocks","partition":"equal-information"}"#).check().unwrap_err();
    assert!(error.what.contains("prototypes"), "{error}");
    for method in [r#""forward-forward""#, r#""adjoint""#] {
        assert!(of(method).check().unwrap_err().what.contains("embedding"), "{method}");
    }
}
