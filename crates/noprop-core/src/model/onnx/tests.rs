//! Tiny models of every kind, whose files are kept in `tests/golden/onnx/`. `tests/golden/check_onnx.py` runs them by onnxruntime
//! and compares with the predictions beside them; here files and predictions must be what was checked, byte for byte.
//! `NOPROP_UPDATE=1` writes them.

use super::*;
use crate::config::{ModelConfig, from_json};
use crate::data::{Dataset, InputShape, Pixels};
use crate::inference::{NumberOptions, SampleOptions, predict_numbers, trace, walk};
use crate::tensor::Buffer;
use candle_core::{Device, Tensor};
use serde_json::Value;

const SAMPLES: usize = 3;

/// A model with weights that no training made, and statistics that are not those of the beginning.
fn model(config: &str) -> Model {
    let checked = from_json::<ModelConfig>(config).unwrap().check().unwrap();
    let weights = |job| {
        let mut values = checked.layout.initial_weights(7, job);
        for entry in checked.layout.entries().iter().filter(|entry| entry.name.starts_with("stats.")) {
            let values = entry.slot.of_mut(&mut values);
            values.iter_mut().zip(0..).for_each(|(value, place)| *value = 0.3 + 0.05 * (place % 5) as f32);
        }
        let len = values.len();
        Buffer::new(Tensor::from_vec(values, (1, len), &Device::Cpu).unwrap()).unwrap()
    };
    let whole = Model::in_memory(checked.clone(), (1..=checked.jobs()).map(weights).collect());
    let untrained = Model::new(checked.config.clone()).unwrap();
    let Some(classifier) = untrained.classifier().unwrap() else { return whole };
    let encoder =
        untrained.with_encoder_of(&self::model(&json!(classifier.checked.config).to_string())).unwrap().encoder;
    Model { encoder, ..whole }
}

fn options(json: &str) -> OnnxOptions {
    from_json(json).unwrap()
}

fn bytes(model: &Model, options: &OnnxOptions) -> Vec<u8> {
    let mut file = Vec::new();
    assert_eq!(model.write_onnx(&mut file, options, "0").unwrap(), file.len());
    file
}

/// Every operation there is, of images, tokens and vectors.
const EVERY_OPERATION: &str = r#"[
    {"op":"conv","channels":3,"padding":"same","stride":2,"bias":false,"name":"stem"},{"op":"batch-norm"},{"op":"silu","name":"a"},
    {"op":"layer-norm","from":"a","name":"normal"},{"op":"add","from":["a","normal"],"name":"sum"},
    {"op":"conv","channels":3,"kernel":1},{"op":"gelu","name":"gate"},{"op":"multiply","from":["gate","sum"]},{"op":"softmax"},{"op":"dropout","rate":0.5,"name":"b"},
    {"op":"concatenate","from":["a","b"],"name":"both"},{"op":"max-pool","name":"max"},{"op":"mean-pool","from":"both","name":"mean"},
    {"op":"flatten","from":"mean","name":"flat"},{"op":"global-pool","from":"max","name":"pooled"},
    {"op":"linear","from":["max","z"],"units":5,"name":"image"},
    {"op":"linear","from":"z","units":1},{"op":"time-features","width":4,"name":"phase"},
    {"op":"patches","from":"x","size":4},{"op":"linear","units":4,"name":"patch"},
    {"op":"join-tokens","from":["phase","patch"]},{"op":"positions"},{"op":"batch-norm","name":"tokens"},
    {"op":"linear","from":"tokens","units":12},{"op":"attention","heads":2},{"op":"relu","name":"mixed"},
    {"op":"linear","from":"pooled","units":8,"name":"modulation"},{"op":"adaptive-layer-norm","from":["mixed","modulation"]},
    {"op":"first-token","name":"first"},{"op":"global-pool","from":"mixed","name":"average"},
    {"op":"linear","from":["image","flat","first","average","LAST"],"units":"classes"},{"op":"softmax"}]"#;

/// Name, configuration, options of export and prediction alike.
fn cases() -> Vec<(&'static str, String, &'static str)> {
    let of = |rest: &str| format!(r#"{{"seed":1,{rest}}}"#);
    let graph = |last: &str| EVERY_OPERATION.replace("LAST", last);
    let embedded = |kind: &str, method: &str| {
        let dim = if kind == "learned" { r#","dim":5"# } else { "" };
        let net = r#""net":{"type":"cnn","widths":[2,3,2],"hidden":4}"#;
        of(&format!(r#""input":[14,14,1],"classes":[-1,4,9],{method},{net},"embedding":{{"type":"{kind}"{dim}}}"#))
    };
    vec![
        (
            "dt_cnn",
            of(r#""input":[14,14,1],"classes":[-1,4,9],"blocks":2,"net":{"type":"cnn","widths":[2,3,2],"hidden":4}"#),
            "{}",
        ),
        (
            "dt_stopped",
            of(r#""input":[3],"classes":[0,1],"blocks":4,"net":{"type":"mlp","hidden":[4]}"#),
            r#"{"sampler":"ddim","stopAfter":2,"seed":5}"#,
        ),
        (
            "dt_resample",
            of(r#""input":[3],"classes":[0,1],"blocks":2,"net":{"type":"mlp","hidden":[4]}"#),
            r#"{"sampler":"resample","input":"uint8"}"#,
        ),
        (
            "dt_graph",
            of(&format!(
                r#""input":[8,8,2],"classes":[0,1,2],"blocks":2,"net":{{"type":"graph","nodes":{}}}"#,
                graph("phase")
            )),
            "{}",
        ),
        (
            "ct_graph",
            of(&format!(
                r#""input":[8,8,2],"classes":[0,1,2],"method":{{"type":"ct"}},"net":{{"type":"graph","nodes":{}}}"#,
                graph("time")
            )),
            r#"{"steps":3}"#,
        ),
        (
            "ct_resnet",
            of(
                r#""input":[6,6,3],"classes":[0,1,2],"method":{"type":"ct"},"net":{"type":"resnet","widths":[2,3],"hidden":4,"activation":"gelu"}"#,
            ),
            r#"{"steps":2,"sampler":"heun"}"#,
        ),
        (
            "fm_vit",
            of(
                r#""input":[4,4,3],"classes":[0,1,2],"method":{"type":"fm"},"net":{"type":"vit","patch":2,"width":8,"depth":1,"heads":2}"#,
            ),
            r#"{"steps":3,"sampler":"heun","input":"float32"}"#,
        ),
        (
            "blocks_mlp",
            of(
                r#""input":[3],"classes":[0,1,2],"blocks":2,"method":{"type":"diffusion-blocks","loss":"mse","preconditioning":true},"net":{"type":"mlp","hidden":[5]}"#,
            ),
            r#"{"stepsPerBlock":2}"#,
        ),
        (
            "adjoint",
            of(
                r#""input":[3],"classes":[0,1,2],"method":{"type":"adjoint","steps":3},"net":{"type":"mlp","hidden":[5]}"#,
            ),
            "{}",
        ),
        (
            "forward_forward",
            of(
                r#""input":[4,4,1],"classes":[0,1,2],"method":{"type":"forward-forward"},"net":{"type":"mlp","hidden":[5,6,4]}"#,
            ),
            "{}",
        ),
        (
            "forward_forward_vector",
            of(
                r#""input":[5],"classes":[0,1,2],"method":{"type":"forward-forward"},"net":{"type":"mlp","hidden":[5]}"#,
            ),
            "{}",
        ),
        (
            "backprop",
            of(
                r#""input":[3],"classes":[0,1,2],"blocks":2,"method":{"type":"backprop"},"net":{"type":"mlp","hidden":[5]}"#,
            ),
            "{}",
        ),
        (
            "classifier",
            of(r#""input":[3],"classes":[0,1,2],"method":{"type":"classifier"},"net":{"type":"mlp","hidden":[5]}"#),
            "{}",
        ),
        (
            "encoder",
            of(
                r#""input":[14,14,1],"classes":[0,1,2],"blocks":2,"encoder":{"net":{"type":"cnn","widths":[2,3,2],"hidden":4}},"net":{"type":"mlp","hidden":[5]}"#,
            ),
            "{}",
        ),
        (
            "numbers",
            of(
                r#""input":[3],"targets":{"count":2,"mean":[1000.0,-0.5],"std":[20.0,0.25]},"blocks":2,"net":{"type":"mlp","hidden":[5]}"#,
            ),
            "{}",
        ),
        (
            "fm_numbers",
            of(
                r#""input":[3],"targets":{"count":1,"mean":[-3.0],"std":[2.0]},"method":{"type":"fm"},"net":{"type":"mlp","hidden":[5]}"#,
            ),
            r#"{"steps":3}"#,
        ),
        ("dt_learned", embedded("learned", r#""blocks":2"#), "{}"),
        ("backprop_learned", embedded("learned", r#""method":{"type":"backprop"},"blocks":2"#), "{}"),
        ("ct_learned", embedded("learned", r#""method":{"type":"ct"}"#), r#"{"steps":3}"#),
        ("fm_learned", embedded("learned", r#""method":{"type":"fm"}"#), r#"{"steps":3,"sampler":"heun"}"#),
        ("dt_prototype", embedded("prototype", r#""blocks":2"#), "{}"),
        ("ct_prototype", embedded("prototype", r#""method":{"type":"ct"}"#), r#"{"steps":3}"#),
        ("fm_prototype", embedded("prototype", r#""method":{"type":"fm"}"#), r#"{"steps":3}"#),
        (
            "table",
            of(
                r#""input":[4],"classes":["no","yes"],"blocks":2,"net":{"type":"mlp","hidden":[5]},"preprocessing":{"type":"table","label":"y","columns":[{"type":"number","name":"noise","mean":1000000.0,"std":0.25},{"type":"category","name":"colour","values":["blau","grün","rot"]}]}"#,
            ),
            "{}",
        ),
    ]
}

/// What a caller gives by the names of the inputs, and the same as the net sees it.
fn samples(model: &Model, options: &OnnxOptions) -> (Value, Pixels) {
    let config = &model.checked.config;
    let len = config.input.len();
    if config.preprocessing.is_some() {
        let columns = json!({ "noise": [1000000.1, null, 999999.5], "colour": ["rot", "", "braun"] });
        let standard = |value: f64| ((value - 1e6) / 0.25) as f32;
        let values = [standard(1000000.1), 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, standard(999999.5), 0.0, 0.0, 0.0];
        return (columns, Pixels::F32(values.to_vec()));
    }
    let bytes: Vec<u8> = (0..SAMPLES * len).map(|at| (at * 89 % 256) as u8).collect();
    let is_image = matches!(config.input, InputShape::Image { .. });
    if options.input.map_or(is_image, |kind| kind == InputKind::Uint8) {
        return (json!({ "x": bytes }), Pixels::U8(bytes));
    }
    let floats: Vec<f32> = bytes.iter().map(|value| f32::from(*value) / 64.0 - 2.0).collect();
    (json!({ "x": floats }), Pixels::F32(floats))
}

#[test]
fn files_are_those_that_another_runtime_has_checked() {
    let directory = format!("{}/tests/golden/onnx", env!("CARGO_MANIFEST_DIR"));
    for (name, config, given) in cases() {
        let (model, options) = (model(&config), options(given));
        let file = bytes(&model, &options);
        let (inputs, pixels) = samples(&model, &options);
        let data = Dataset::from_arrays(pixels, model.checked.config.input, None).unwrap();
        let OnnxOptions { sampler, steps, steps_per_block, .. } = options;
        let sampling = SampleOptions { sampler, steps, steps_per_block, seed: 3, ..SampleOptions::default() };
        let stop = StopFlag::new();
        if model.checked.config.targets.is_some() {
            let found = predict_numbers(&model, &data, &sampling, &NumberOptions::default(), &stop).unwrap();
            let start = walk(&model, &data, &sampling, &stop).unwrap().start;
            let expected = json!({ "inputs": inputs, "noise": start, "values": found.values });
            compare(&directory, name, &file, &expected, "values", &found.values);
            continue;
        }
        let found = trace(&model, &data, &sampling, &stop).unwrap();
        let width = model.checked.config.classes.len();
        let (labels, probabilities) = match options.stop_after {
            None => (found.prediction.labels, found.prediction.probabilities),
            Some(block) => {
                let readout = model.checked.method.readout(block, &[]);
                let states = found.states[(block - 1) * SAMPLES * width..][..SAMPLES * width].chunks_exact(width);
                let mut probabilities = vec![0.0; SAMPLES * width];
                states
                    .clone()
                    .zip(probabilities.chunks_exact_mut(width))
                    .for_each(|(z, row)| readout.probabilities(z, row));
                (states.map(|z| model.checked.config.classes.label(readout.class(z))).collect(), probabilities)
            }
        };
        let expected =
            json!({ "inputs": inputs, "noise": found.start, "label": labels, "probabilities": probabilities });
        let kept = compare(&directory, name, &file, &expected, "probabilities", &probabilities);
        assert_eq!(kept["label"], json!(labels), "{name}");
    }
}

/// What is kept beside a file, which must be this one, with values near these under a key: vectors of other instruction sets sum in
/// another order.
fn compare(directory: &str, name: &str, file: &[u8], expected: &Value, key: &str, values: &[f32]) -> Value {
    let [onnx, about] = ["onnx", "json"].map(|kind| format!("{directory}/{name}.{kind}"));
    if std::env::var_os("NOPROP_UPDATE").is_some() {
        std::fs::create_dir_all(directory).unwrap();
        std::fs::write(&onnx, file).unwrap();
        std::fs::write(&about, serde_json::to_string(expected).unwrap() + "\n").unwrap();
    }
    let is_same = std::fs::read(&onnx).unwrap_or_default() == file;
    assert!(is_same, "{onnx} is another now; NOPROP_UPDATE=1 writes it, check_onnx.py checks it");
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&about).unwrap_or_default()).unwrap();
    let found = kept[key].as_array().unwrap().iter().map(|value| value.as_f64().unwrap());
    let gap = |(kept, new): (f64, &f32)| (kept - f64::from(*new)).abs() / kept.abs().max(1.0);
    let gap = found.zip(values).map(gap).fold(0.0, f64::max);
    assert!(gap < 1e-5, "{name}: {gap}");
    kept
}

#[test]
fn every_operation_is_in_a_checked_file() {
    let named = |name: &&&str| !EVERY_OPERATION.contains(&format!(r#""op":"{name}""#));
    assert_eq!(crate::net::op::NAMES.iter().filter(named).collect::<Vec<_>>(), [&""; 0]);
}

#[test]
fn what_steps_have_in_common_is_there_once() {
    let of = |steps: usize| {
        let model = model(
            r#"{"input":[14,14],"classes":[0,1],"method":{"type":"ct"},"net":{"type":"cnn","widths":[2,2,2],"hidden":4}}"#,
        );
        let file = bytes(&model, &OnnxOptions { steps: Some(steps), ..OnnxOptions::default() });
        let count = |op: &str| file.windows(op.len()).filter(|window| *window == op.as_bytes()).count();
        // Field 4 of a node, and the length of the name.
        [count("\u{22}\u{4}Conv"), count("\u{22}\u{6}MatMul")]
    };
    // The features of the image, and their share of the first layer that reads others too; the head.
    let ([few, products], [many, more]) = (of(2), of(6));
    assert_eq!((few, many), (3, 3));
    // A step has layers for z and the time, their shares, and two layers behind.
    assert_eq!(more - products, 4 * 6);
}

#[test]
fn what_cannot_be_is_refused() {
    let dt = model(r#"{"input":[3],"classes":[0,1],"blocks":3,"net":{"type":"mlp","hidden":[4]}}"#);
    let ct = model(r#"{"input":[3],"classes":[0,1],"method":{"type":"ct"},"net":{"type":"mlp","hidden":[4]}}"#);
    let code = |model: &Model, json: &str| {
        let error = model.onnx(&options(json), &StopFlag::new()).err().unwrap();
        (error.code, error.to_string())
    };
    for (model, json, text) in [
        (&dt, r#"{"stopAfter":0}"#, "1 to 3"),
        (&dt, r#"{"stopAfter":4}"#, "1 to 3"),
        (&dt, r#"{"sampler":"heun"}"#, "heun"),
        (&dt, r#"{"steps":5}"#, "steps"),
        (&ct, r#"{"stopAfter":1}"#, "stopAfter"),
        (&ct, r#"{"steps":50000}"#, "50000 nodes"),
    ] {
        let (code, message) = code(model, json);
        assert!(code == Code::Option && message.contains(text), "{json}: {message}");
    }
    let table = model_of_a_table();
    assert_eq!(code(&table, r#"{"input":"uint8"}"#).0, Code::Option);
    let untrained = Model::new(dt.checked.config.clone()).unwrap();
    assert_eq!(code(&untrained, "{}").0, Code::NotTrained);
    let stop = StopFlag::new();
    stop.stop();
    assert_eq!(dt.onnx(&OnnxOptions::default(), &stop).err().unwrap().code, Code::Cancelled);
    assert_eq!(from_json::<OnnxOptions>(r#"{"stochastic":true}"#).unwrap_err().code, Code::Option);
}

fn model_of_a_table() -> Model {
    let (_, config, _) = cases().pop().unwrap();
    model(&config)
}

#[test]
fn a_file_says_what_is_in_it_and_is_the_same_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.onnx");
    let (model, stop) = (model_of_a_table(), StopFlag::new());
    let file = model.export_onnx(&path, &OnnxOptions::default(), &stop).unwrap();
    let first = std::fs::read(&path).unwrap();
    assert_eq!(file, model.export_onnx(&path, &OnnxOptions::default(), &stop).unwrap());
    assert_eq!((file.bytes, first == std::fs::read(&path).unwrap()), (first.len(), true));
    let ports = |ports: &[OnnxPort]| {
        ports.iter().map(|port| (port.name.clone(), port.kind, json!(port.shape).to_string())).collect::<Vec<_>>()
    };
    let port = |name: &str, kind, shape: &str| (name.to_owned(), kind, shape.to_owned());
    // A column has the name that the noise would have.
    let inputs = [
        port("noise", "double", r#"["samples",1]"#),
        port("colour", "string", r#"["samples",1]"#),
        port("noise_2", "float", r#"["states",2]"#),
    ];
    assert_eq!(ports(&file.inputs), inputs);
    let outputs = [port("label", "int64", r#"["samples"]"#), port("probabilities", "float", r#"["samples",2]"#)];
    assert_eq!(ports(&file.outputs), outputs);
}
