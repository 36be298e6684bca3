use super::*;
use crate::config::from_json;
use crate::storage::container::{sha256, to_bytes};
use serde_json::json;
use std::path::Path;

fn of_seed(seed: u64) -> Model {
    let json = r#"{"input":[2],"classes":[0,1],"blocks":12,"net":{"type":"mlp","hidden":[3]},"seed":4}"#;
    let model = Model::new(from_json(json).unwrap()).unwrap();
    let len = model.checked.layout.weights();
    let store = WeightStore::temporary(12, len).unwrap();
    for block in 1..=12 {
        store.write(block, &model.checked.layout.initial_weights(seed, block)).unwrap();
    }
    model.with_weights(store, json!({ "epochs": 3 })).with_history(json!({ "epochs": [1], "loss": [[0.5]] }))
}

fn trained() -> Model {
    of_seed(4)
}

/// The model of a file with its weights in memory, and with the weights in the file.
fn both(path: &Path) -> [Model; 2] {
    let models = [usize::MAX, 0].map(|most| Model::load_keeping(path, most).unwrap());
    assert!(matches!(*models[0].weights, Weights::InMemory(_)) && matches!(*models[1].weights, Weights::Stored { .. }));
    models
}

/// What can be asked of a model, each by its own way to the weights.
fn asked(model: &Model, directory: &Path) -> Vec<std::result::Result<Vec<u8>, Code>> {
    let path = directory.join("asked");
    let saved = model.save(&path).map(|()| std::fs::read(&path).unwrap());
    let block = model.block(7, &Device::Cpu).map(|block| to_bytes(&block.flatten_all().unwrap().to_vec1().unwrap()));
    let answers = [saved, block, model.weights_sha256().map(String::into_bytes)];
    answers.into_iter().map(|answer| answer.map_err(|error| error.code)).collect()
}

#[test]
fn a_saved_model_loads_with_equal_weights_and_equal_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (directory.path().join("a"), directory.path().join("b"));
    let model = trained();
    model.save(&first).unwrap();
    let loaded = Model::load(&first).unwrap();
    assert_eq!(loaded.checked.config, model.checked.config);
    assert_eq!((&loaded.training, &loaded.history), (&model.training, &model.history));
    assert_eq!(loaded.weights_sha256().unwrap(), model.weights_sha256().unwrap());
    loaded.save(&second).unwrap();
    assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap());
    // Saving over the file that the weights are read from.
    loaded.save(&first).unwrap();
    assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap());
}

#[test]
fn tensors_lie_in_the_order_of_their_names_and_hash_to_the_models_sum() {
    let model = trained();
    let names: Vec<_> = tensors(&model.checked).map(|(name, _)| name).collect();
    assert!(names.is_sorted() && names.len() == 48);
    let all: Vec<f32> = (1..=12).flat_map(|block| model.checked.layout.initial_weights(4, block)).collect();
    assert_eq!(model.weights_sha256().unwrap(), sha256(&to_bytes(&all)));
}

#[test]
fn bad_files_are_refused_with_their_reason() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model");
    trained().save(&path).unwrap();
    let good = std::fs::read(&path).unwrap();
    let load = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Model::load(&path).err().map(|error| error.code)
    };
    let replaced = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = good.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        [&good[..at], to.as_bytes(), &good[at + from.len()..]].concat()
    };
    assert_eq!(load(&good), None);
    for len in [0, 7, 8, 100, good.len() - 1] {
        assert_eq!(load(&good[..len]), Some(Code::ModelTruncated), "{len} bytes");
    }
    assert_eq!(load(&[&good[..], &[0]].concat()), Some(Code::ModelFormat));
    assert_eq!(load(&[0xFF; 64]), Some(Code::ModelFormat));
    assert_eq!(load(b"\x02\0\0\0\0\0\0\0[]"), Some(Code::ModelFormat));
    assert_eq!(load(&replaced("noprop-model", "moprop-nodel")), Some(Code::ModelFormat));
    assert_eq!(load(&replaced(r#""format_version":"1""#, r#""format_version":"2""#)), Some(Code::ModelVersion));
    // A configuration that asks for other tensors than the file holds, or for impossible ones.
    assert_eq!(load(&replaced(r#"\"blocks\":12"#, r#"\"blocks\":13"#)), Some(Code::ModelFormat));
    assert_eq!(load(&replaced(r#"\"blocks\":12"#, r#"\"blocks\":-2"#)), Some(Code::ModelFormat));
    assert_eq!(load(&replaced(r#"\"hidden\":[3]"#, r#"\"hidden\":[9]"#)), Some(Code::ModelFormat));
    assert_eq!(Model::load(directory.path()).err().unwrap().code, Code::ModelFormat);
    assert_eq!(Model::load(&directory.path().join("none")).err().unwrap().code, Code::FileNotFound);
}

#[test]
fn a_loaded_model_stays_what_it_was_or_says_what_happened() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    trained().save(&at("a")).unwrap();
    of_seed(5).save(&at("b")).unwrap();
    let (a, b) = (std::fs::read(at("a")).unwrap(), std::fs::read(at("b")).unwrap());
    assert_eq!(a.len(), b.len());
    let as_a = asked(&trained(), directory.path());
    assert_ne!(as_a, asked(&of_seed(5), directory.path()));

    // Replaced by a rename, or removed: the model goes on with what it opened.
    let path = at("renamed");
    for replace in [true, false] {
        std::fs::copy(at("a"), &path).unwrap();
        let models = both(&path);
        if replace {
            std::fs::copy(at("b"), at("new")).unwrap();
            std::fs::rename(at("new"), &path).unwrap();
        } else {
            std::fs::remove_file(&path).unwrap();
        }
        models.iter().for_each(|model| assert_eq!(asked(model, directory.path()), as_a));
    }
    // Overwritten in place by another model, or one value of block 7 alone, or cut short.
    let mut one = a.clone();
    let at_block_7 = a.len() - 6 * 4 * trained().checked.layout.weights();
    one[at_block_7..at_block_7 + 4].copy_from_slice(&0.25_f32.to_le_bytes());
    for content in [&b[..], &one, &a[..a.len() / 2], &[]] {
        std::fs::write(&path, &a).unwrap();
        let [in_memory, in_file] = both(&path);
        std::fs::write(&path, content).unwrap();
        assert_eq!(asked(&in_memory, directory.path()), as_a);
        std::fs::remove_file(at("asked")).unwrap();
        assert_eq!(asked(&in_file, directory.path()), [const { Err(Code::ModelChanged) }; 3]);
        assert!(!at("asked").exists());
        assert_eq!(in_file.weights_sha256().unwrap_err().what.split(' ').next(), Some("the"));
    }
}

#[test]
fn weights_that_are_not_finite_are_refused_by_their_tensor() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model");
    trained().save(&path).unwrap();
    let good = std::fs::read(&path).unwrap();
    let block = 4 * trained().checked.layout.weights();
    // fc01.bias [3], fc01.weight [4, 3], fc02.bias [2], fc02.weight [3, 2].
    let cases =
        [(1, 0, "0 of tensor blocks.0001.params.fc01.bias"), (12, 22, "5 of tensor blocks.0012.params.fc02.weight")];
    for (number, value, name) in cases {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut bytes = good.clone();
            let at = good.len() - (13 - number) * block + 4 * value;
            bytes[at..at + 4].copy_from_slice(&bad.to_le_bytes());
            std::fs::write(&path, bytes).unwrap();
            for most in [usize::MAX, 0] {
                let error = Model::load_keeping(&path, most).err().unwrap();
                assert_eq!((error.code, error.received), (Code::ModelFormat, bad.to_string()));
                assert!(error.what.contains(&format!("value {name} is not a finite number")), "{}", error.what);
            }
        }
    }
}

#[test]
fn names_that_come_twice_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model");
    trained().save(&path).unwrap();
    let good = std::fs::read(&path).unwrap();
    let header_len = u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let header = String::from_utf8(good[8..8 + header_len].to_vec()).unwrap();
    let load = |header: String| {
        std::fs::write(
            &path,
            [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &good[8 + header_len..]].concat(),
        )
        .unwrap();
        Model::load(&path).err()
    };
    assert!(load(header.clone()).is_none());
    // The second one is right, and readers that take the last would see nothing.
    let tensor = r#""blocks.0003.params.fc01.bias":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},"#;
    let cases = [
        (r#""blocks.0003.params.fc01.bias":"#, format!(r#"{tensor}"blocks.0003.params.fc01.bias":"#)),
        (r#"{"__metadata__":"#, r#"{"__metadata__":{"format":"other"},"__metadata__":"#.to_owned()),
        (r#""format":"noprop-model""#, r#""format":"other","format":"noprop-model""#.to_owned()),
        (r#"\"seed\":4"#, r#"\"seed\":5,\"seed\":4"#.to_owned()),
        (r#"\"epochs\":3"#, r#"\"epochs\":4,\"epochs\":3"#.to_owned()),
        (r#"\"epochs\":[1]"#, r#"\"epochs\":[2],\"epochs\":[1]"#.to_owned()),
    ];
    for (from, to) in cases {
        let error = load(header.replacen(from, &to, 1)).unwrap_or_else(|| panic!("{to} was taken"));
        assert_eq!(error.code, Code::ModelFormat);
        assert!(error.received.contains("twice"), "{error}");
    }
}

#[test]
fn a_probe_counts_the_bytes_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model");
    let untrained = Model::new(trained().checked.config).unwrap();
    untrained.probe_save(&path).unwrap();
    assert!(!path.exists());
    assert_eq!(untrained.probe_save(&directory.path().join("none/model")).unwrap_err().code, Code::Output);
    let header = untrained.header().len() as u64;
    trained().save(&path).unwrap();
    let weights = 12 * 4 * trained().checked.layout.weights() as u64;
    let file = std::fs::metadata(&path).unwrap().len();
    assert!((header + weights..header + weights + 4096).contains(&file));
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (path, kind) in
        [(pipe.as_path(), "a pipe"), (Path::new("/dev/zero"), "a device"), (directory.path(), "a directory")]
    {
        let error = Model::load(path).err().unwrap();
        assert_eq!(error.code, Code::ModelFormat);
        assert!(error.what.ends_with(kind), "{error}");
    }
}
