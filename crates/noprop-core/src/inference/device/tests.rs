//! Inference on the emulation.

use super::*;
use crate::config::from_json;
use crate::data::Pixels;
use crate::error::Code;
use crate::inference::{Session, predict};
use crate::method::SamplerChoice;
use crate::storage::WeightStore;
use serde_json::Value;
use std::sync::Arc;

/// A model with random weights whose batch norms have seen other data than their beginning says.
fn model(json: &str) -> Model {
    let model = Model::new(from_json(json).unwrap()).unwrap();
    let (layout, blocks) = (&model.checked.layout, model.checked.config.blocks);
    let store = WeightStore::temporary(blocks, layout.weights()).unwrap();
    for block in 1..=blocks {
        let mut weights = layout.initial_weights(1, block);
        for (index, value) in weights[layout.parameters()..].iter_mut().enumerate() {
            *value = *value * 1.5 + 0.1 * (index % 3) as f32;
        }
        store.write(block, &weights).unwrap();
    }
    model.with_weights(store, Value::Null)
}

fn data(model: &Model, samples: usize) -> Dataset {
    let input = model.checked.config.input;
    let values = (0..samples * input.len()).map(|value| (value * 7 % 251) as u8).collect();
    let labels = (0..samples).map(|sample| (sample % 3) as i32).collect();
    Dataset::from_arrays(Pixels::U8(values), input, Some(labels)).unwrap()
}

fn on(device: &str, sampler: SamplerChoice, stochastic: bool) -> SampleOptions {
    let (sampler, device) = (Some(sampler), device.parse().unwrap());
    SampleOptions { sampler, stochastic, seed: 5, threads: Some(1), device, ..SampleOptions::default() }
}

const MLP: &str = r#"{"input":[9],"classes":[0,1,2],"blocks":4,"net":{"type":"mlp","hidden":[8,7]}}"#;
const CNN: &str = r#"{"input":[14,14],"classes":[0,1,2],"blocks":3,"net":{"type":"cnn","widths":[4,6,8],"hidden":8}}"#;

/// Sums of some hundred f32 products in another order: 1e-5 is far above their roundings, and another noise or another
/// block's weights would change probabilities by percents.
fn check(json: &str, samples: usize) {
    let session = Session::new(Arc::new(model(json)));
    let data = data(session.model(), samples);
    for sampler in [SamplerChoice::Posterior, SamplerChoice::Resample, SamplerChoice::Ddim] {
        for stochastic in [false, true] {
            let run = |device| session.predict(&data, on(device, sampler, stochastic), &StopFlag::new()).unwrap();
            let (expected, found) = (run("cpu"), run("emulated"));
            for (found, expected) in found.probabilities.iter().zip(&expected.probabilities) {
                assert!((found - expected).abs() < 1e-5, "{sampler:?} {stochastic}: {found} {expected}");
            }
            assert_eq!(found, run("emulated"), "the buffers of the first call are used again");
        }
    }
}

#[test]
fn an_mlp_predicts_as_on_the_processor_by_every_sampler() {
    check(MLP, 20);
}

/// Layers so deep that their products are split, in the middle of a chunk or not.
#[test]
fn no_bit_depends_on_the_number_of_samples_or_on_how_they_are_cut() {
    let deep = r#"{"input":[700],"classes":[0,1,2],"blocks":2,"net":{"type":"mlp","hidden":[600]}}"#;
    for (json, samples) in [(deep, 300), (CNN, 9)] {
        let model = model(json);
        let all = data(&model, samples);
        let run = |count: usize, chunk: usize, window: usize| {
            let part = data(&model, count);
            // States wait to be read for all blocks, for two, or for none.
            let states = [usize::MAX, 2 * 4 * 3 * window, 0][chunk % 3];
            let sizes = ChunkSizes { chunk, window, keeps_weights: chunk.is_multiple_of(2), states };
            let engine = (DeviceId::Emulated, Engine::open(DeviceId::Emulated).unwrap());
            let mut chain = DeviceChain::new(engine, &model, sizes, count).unwrap();
            let options = on("emulated", SamplerChoice::Posterior, true);
            let mut after = Vec::new();
            let mut see = |block: usize, first: usize, states: &[f32]| after.push((block, first, states.len()));
            let states = chain.run(&model, &part, &options, &StopFlag::new(), Some(&mut see)).unwrap();
            let blocks = model.checked.config.blocks;
            let windows = (0..count).step_by(window).map(|first| (first, window.min(count - first)));
            let expected: Vec<_> =
                windows.flat_map(|(first, len)| (1..=blocks).map(move |block| (block, first, 3 * len))).collect();
            assert_eq!(after, expected);
            states.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        let expected = run(all.samples(), samples, samples);
        for (count, chunk, window) in [(1, 1, 1), (3, 2, 2), (samples, 1, 3), (samples, samples / 2, samples - 1)] {
            assert_eq!(run(count, chunk, window), expected[..3 * count], "{count} samples, {chunk} and {window}");
        }
    }
}

/// Every layer with what follows it is one launch, two where its product is split in depth.
#[test]
fn a_block_launches_these_kernels() {
    use crate::cuda::launches_of;
    let cnn = r#"{"input":[28,28],"classes":[0,1,2],"blocks":1,"net":{"type":"cnn"}}"#;
    let mlp = r#"{"input":[28,28],"classes":[0,1,2],"blocks":1,"net":{"type":"mlp"}}"#;
    // Convolutions; then the hidden layers, of which the image's is split; the skip; the last layer.
    let of_cnn = [
        "gather_u8",
        "conv3x3_forward_narrow_f32",
        "conv3x3_forward_f32",
        "conv3x3_forward_f32",
        "dense_forward_f32",
        "dense_of_parts",
        "dense_forward_f32",
        "dense_forward_f32",
        "dense_forward_f32",
        "add",
        "dense_forward_f32",
        "dense_of_parts",
        "dense_forward_f32",
        "dense_forward_narrow_f32",
        "softmax_forward",
        "sampler_step",
    ];
    let split = ["dense_forward_f32", "dense_of_parts"];
    let last = ["dense_forward_narrow_f32", "dense_of_parts", "sampler_step"];
    let of_mlp = [&["gather_u8"][..], &split, &split, &split, &last].concat();
    for (json, expected) in [(cnn, &of_cnn[..]), (mlp, &of_mlp[..])] {
        let model = model(json);
        let data = data(&model, 20);
        let options = on("emulated", SamplerChoice::Posterior, false);
        let found = launches_of(|| drop(predict(&model, &data, options, &StopFlag::new()).unwrap()));
        assert_eq!(found[1..], *expected, "{json}");
    }
}

#[test]
fn states_are_read_together_as_far_as_there_is_room_and_are_those_after_each_block() {
    let model = model(MLP);
    let data = data(&model, 10);
    let run = |states: usize| {
        let engine = (DeviceId::Emulated, Engine::open(DeviceId::Emulated).unwrap());
        let sizes = ChunkSizes { chunk: 4, window: 6, keeps_weights: true, states };
        let mut chain = DeviceChain::new(engine, &model, sizes, 10).unwrap();
        let options = on("emulated", SamplerChoice::Posterior, true);
        let mut after = Vec::new();
        let mut see = |block: usize, first: usize, states: &[f32]| after.push((block, first, states.to_vec()));
        let end = chain.run(&model, &data, &options, &StopFlag::new(), Some(&mut see)).unwrap();
        assert_eq!(after[3].2, end[..3 * 6], "the last states are those after the last block");
        (chain.engine.reads.into_inner(), after)
    };
    // Two windows of 6 and 4 samples, 4 blocks; of each window the end is read once more.
    let (reads, each) = run(0);
    assert_eq!(reads, 2 * (4 + 1));
    let distinct: std::collections::HashSet<_> = each.iter().map(|(_, _, states)| states[0].to_bits()).collect();
    assert_eq!((each.len(), distinct.len()), (8, 8));
    let of_three = 3 * 4 * 3 * 6;
    assert_eq!(run(of_three), (2 + 1 + 1 + 1, each.clone()));
    assert_eq!(run(1 << 20), (2 * (1 + 1), each));
}

#[test]
fn a_second_chunk_goes_on_with_the_samples_behind_the_first() {
    const CHUNK: usize = 1024;
    let model = model(MLP);
    let data = data(&model, CHUNK + 3);
    let run = |device| predict(&model, &data, on(device, SamplerChoice::Posterior, true), &StopFlag::new()).unwrap();
    let (expected, found) = (run("cpu"), run("emulated"));
    let pairs = found.probabilities.iter().zip(&expected.probabilities);
    assert!(pairs.clone().all(|(found, expected)| (found - expected).abs() < 1e-5));
    assert_eq!(pairs.count(), 3 * (CHUNK + 3));
}

#[test]
fn a_cnn_predicts_as_on_the_processor_by_every_sampler() {
    check(CNN, 5);
}

#[test]
fn evaluation_sees_the_states_after_every_block_and_sets_of_any_size_follow_each_other() {
    let session = Session::new(Arc::new(model(MLP)));
    for samples in [20, 3, 50] {
        let data = data(session.model(), samples);
        let run =
            |device| session.evaluate(&data, on(device, SamplerChoice::Posterior, false), &StopFlag::new()).unwrap();
        let (expected, found) = (run("cpu"), run("emulated"));
        assert_eq!(found.accuracy_per_block, expected.accuracy_per_block);
        assert_eq!((found.confusion, found.samples), (expected.confusion, samples));
    }
}

#[test]
fn a_stop_is_heard() {
    let model = model(MLP);
    let stop = StopFlag::new();
    stop.stop();
    let error = predict(&model, &data(&model, 4), on("emulated", SamplerChoice::Ddim, false), &stop).unwrap_err();
    assert_eq!(error.code, Code::Cancelled);
}
