//! Three steps of every method against PyTorch in f64 (`tests/golden/make_methods.py`), which draws and computes everything anew.

use super::*;
use crate::ops::adamw::AdamW;
use crate::ops::testing::{tensor, values};
use candle_core::DType;
use serde_json::Value;

/// The golden program's samples: six of four values.
fn data() -> Arc<Dataset> {
    let pixels = (0..24).map(|index| ((index * 7 % 11) as f64 / 10.0 - 0.4) as f32).collect();
    let labels = (0..6).map(|sample| CLASSES[sample % 3]).collect();
    let shape = InputShape::Vector { len: 4 };
    Arc::new(Dataset::from_arrays(Pixels::F32(pixels), shape, Some(labels)).unwrap())
}

/// What golden values there are of: the method, its blocks, the job, and the widths of the net.
fn methods() -> Vec<(&'static str, &'static str, usize, usize, Vec<usize>)> {
    vec![
        ("dt", r#""dt""#, 3, 2, vec![5]),
        ("ct", r#"{"type":"ct","eta":0.7,"units":2}"#, 1, 1, vec![5]),
        ("fm", r#"{"type":"fm","noise":0.1}"#, 1, 1, vec![5]),
        ("diffusion-blocks", r#""diffusion-blocks""#, 3, 2, vec![5]),
        ("diffusion-blocks-mse", r#"{"type":"diffusion-blocks","loss":"mse"}"#, 3, 2, vec![5]),
        ("diffusion-blocks-edm", r#"{"type":"diffusion-blocks","loss":"mse","preconditioning":true}"#, 3, 2, vec![5]),
        ("backprop", r#""backprop""#, 2, 1, vec![5]),
        ("backprop-learned", r#""backprop""#, 2, 1, vec![5]),
        ("backprop-trained", r#""backprop""#, 2, 1, vec![5]),
        ("classifier", r#""classifier""#, 1, 1, vec![5]),
        ("forward-forward", r#""forward-forward""#, 1, 1, vec![5, 4]),
        ("adjoint", r#"{"type":"adjoint","steps":4}"#, 1, 1, vec![5]),
        ("dt-learned", r#""dt""#, 2, 1, vec![5]),
        ("ct-learned", r#"{"type":"ct","eta":0.7,"units":2}"#, 1, 1, vec![5]),
        ("fm-learned", r#"{"type":"fm","noise":0.1}"#, 1, 1, vec![5]),
        ("dt-prototype", r#""dt""#, 3, 2, vec![5]),
        ("ct-prototype", r#"{"type":"ct","eta":0.7,"units":2}"#, 1, 1, vec![5]),
        ("fm-prototype", r#"{"type":"fm","noise":0.1}"#, 1, 1, vec![5]),
        ("dt-trained", r#""dt""#, 2, 1, vec![5]),
        ("ct-trained", r#"{"type":"ct","eta":0.7,"units":2}"#, 1, 1, vec![5]),
        ("fm-trained", r#"{"type":"fm","noise":0.1}"#, 1, 1, vec![5]),
    ]
}

/// Values that are rounded to f32 on both sides may round differently where they are computed differently, by 6e-8 of a state of up to some
/// units; Adam's first steps are as long for a small gradient as for a large one, which magnifies it. Measured: see the assertion's message
/// when it fails.
const TOLERANCE: f64 = 2e-6;

#[test]
fn three_steps_of_every_method_are_pytorchs() {
    let golden: Value = serde_json::from_str(include_str!("../../../tests/golden/methods.json")).unwrap();
    assert_eq!(golden.as_object().unwrap().len(), methods().len());
    for (name, method, blocks, job, hidden) in methods() {
        let net = NetConfig::Mlp { hidden, dropout: 0.0 };
        let config = model(blocks, InputShape::Vector { len: 4 }, net);
        let embedding = match name.split_once('-') {
            Some((_, "learned")) => EmbeddingConfig::Learned { dim: 2 },
            Some((_, kind @ ("prototype" | "trained"))) => {
                EmbeddingConfig::Prototype { vectors: Vec::new(), learned: kind == "trained" }
            }
            _ => EmbeddingConfig::default(),
        };
        let config = ModelConfig { method: serde_json::from_str(method).unwrap(), embedding, ..config };
        let options = FitOptions { learning_rate: 1e-2, weight_decay: 1e-2, ..options(6) };
        let plan = plan(config, options, &data());
        let layout = &plan.model.layout;
        let mut state = layout.initial_weights(plan.model.config.seed, job);
        state.resize(AdamW::state_len(layout.parameters(), layout.statistics()), 0.0);
        let state = tensor::<f64>(&state.into_iter().map(f64::from).collect::<Vec<_>>());
        let mut trainer = Trainer::with_dtype(&plan, &Device::Cpu, DType::F64).unwrap();
        for (step, expected) in golden[name]["losses"].as_array().unwrap().iter().enumerate() {
            let (loss, _) = trainer.step(&plan, job, step as u64, &state, &StopFlag::new()).unwrap();
            let expected = expected.as_f64().unwrap();
            assert!((loss - expected).abs() < TOLERANCE * expected.max(1.0), "{name}, step {step}: {loss} {expected}");
        }
        let found = values(&state);
        let after = golden[name]["after"].as_object().unwrap();
        assert_eq!(after.len(), layout.entries().len(), "{name}");
        for entry in layout.entries() {
            let expected: Vec<f64> =
                after[&entry.name].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
            let found = entry.slot.of(&found);
            assert_eq!(expected.len(), found.len(), "{name} {}", entry.name);
            for (found, expected) in found.iter().zip(&expected) {
                let off = (found - expected).abs();
                assert!(off < TOLERANCE * expected.abs().max(1.0), "{name} {}: {found} {expected}", entry.name);
            }
        }
    }
}
