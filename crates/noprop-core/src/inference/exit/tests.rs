use super::*;
use crate::config::from_json;
use crate::data::{InputShape, Pixels};
use crate::inference::{Evaluation, Prediction, evaluate, predict};
use crate::storage::WeightStore;
use serde_json::Value;

const BLOCKS: usize = 4;
const SAMPLES: usize = 700;

/// A net of one linear layer on x and a softmax; later blocks are surer.
fn model() -> Model {
    let nodes = r#"{"op":"linear","from":"x","units":3},{"op":"softmax"}"#;
    let json =
        format!(r#"{{"input":[3],"classes":[0,1,2],"blocks":{BLOCKS},"net":{{"type":"graph","nodes":[{nodes}]}}}}"#);
    let model = Model::new(from_json(&json).unwrap()).unwrap();
    let layout = &model.checked.layout;
    let store = WeightStore::temporary(BLOCKS, layout.weights()).unwrap();
    for block in 1..=BLOCKS {
        let mut weights = vec![0.0; layout.weights()];
        let matrix = layout.entries().iter().find(|entry| entry.shape == [3, 3]).unwrap();
        (0..3).for_each(|k| weights[matrix.slot.offset + 4 * k] = [2.0, 5.0, 4.0, 8.0][block - 1]);
        store.write(block, &weights).unwrap();
    }
    model.with_weights(store, Value::Null)
}

fn values(samples: usize) -> Vec<f32> {
    (0..samples * 3).map(|at| ((at * 7919 + at / 3 * 31) % 101) as f32 / 100.0).collect()
}

fn data(samples: usize) -> Dataset {
    let labels = Some((0..samples).map(|sample| (sample % 3) as i32).collect());
    Dataset::from_arrays(Pixels::F32(values(samples)), InputShape::Vector { len: 3 }, labels).unwrap()
}

fn ask(options: SampleOptions) -> (Prediction, Evaluation) {
    let (model, data, stop) = (model(), data(SAMPLES), StopFlag::new());
    (predict(&model, &data, options.clone(), &stop).unwrap(), evaluate(&model, &data, options, &stop).unwrap())
}

/// û of a block, by hand.
fn estimate(sample: usize, block: usize) -> [f64; 3] {
    let x = &values(SAMPLES)[3 * sample..][..3];
    let scale = [2.0, 5.0, 4.0, 8.0][block - 1];
    let shares: [f64; 3] = std::array::from_fn(|k| crate::math::exp(scale * f64::from(x[k])));
    shares.map(|share| share / shares.iter().sum::<f64>())
}

fn greatest(row: &[f64; 3]) -> f64 {
    row.iter().copied().fold(0.0, f64::max)
}

#[test]
fn a_sample_ends_after_the_first_block_that_is_sure_of_it() {
    let confidence = 0.8;
    let options = SampleOptions { confidence: Some(confidence), ..SampleOptions::default() };
    let (found, evaluation) = ask(options);
    let (mut ended, mut early) = (vec![0; BLOCKS], 0);
    for sample in 0..SAMPLES {
        let shares: Vec<_> = (1..=BLOCKS).map(|block| estimate(sample, block)).collect();
        // f32 may decide otherwise right at the edge.
        if shares.iter().any(|row| (greatest(row) - confidence).abs() < 1e-4) {
            ended[found.blocks[sample] as usize - 1] += 1;
            continue;
        }
        let block = shares.iter().position(|row| greatest(row) >= confidence).map_or(BLOCKS, |at| at + 1);
        assert_eq!(found.blocks[sample] as usize, block, "sample {sample}");
        ended[block - 1] += 1;
        if block < BLOCKS {
            early += 1;
            for (k, share) in shares[block - 1].iter().enumerate() {
                // Rounding of f32 there and back.
                assert!((f64::from(found.probabilities[3 * sample + k]) - share).abs() < 1e-5);
            }
        }
    }
    assert!(early > SAMPLES / 10 && ended[BLOCKS - 1] > 0, "{ended:?}");
    let report = evaluation.exit.unwrap();
    assert_eq!(report.ended_after, ended);
    let total: u32 = found.blocks.iter().sum();
    assert_eq!(report.blocks_per_sample, f64::from(total) / SAMPLES as f64);
    let whole = ask(SampleOptions::default()).1;
    assert_eq!((report.whole_accuracy, whole.exit), (whole.accuracy, None));
    assert_eq!(report.cost, whole.accuracy - evaluation.accuracy);
}

#[test]
fn no_bit_of_a_sample_depends_on_which_others_have_ended() {
    let (model, stop) = (model(), StopFlag::new());
    for stochastic in [false, true] {
        let options = |threads| SampleOptions {
            confidence: Some(0.8),
            threads: Some(threads),
            stochastic,
            ..SampleOptions::default()
        };
        let all = predict(&model, &data(SAMPLES), options(1), &stop).unwrap();
        assert_eq!(predict(&model, &data(SAMPLES), options(3), &stop).unwrap(), all);
        for sample in [0, 1, 130, 131, SAMPLES - 1] {
            let one = Pixels::F32(values(SAMPLES)[3 * sample..][..3].to_vec());
            let one = Dataset::from_arrays(one, InputShape::Vector { len: 3 }, None).unwrap();
            let alone = predict(&model, &one, options(1), &stop).unwrap();
            assert_eq!(alone.probabilities, all.probabilities[3 * sample..][..3]);
            assert_eq!(alone.blocks, all.blocks[sample..][..1]);
        }
    }
}

#[test]
fn one_that_is_never_sure_goes_the_whole_way() {
    let whole = ask(SampleOptions::default()).0;
    let never = ask(SampleOptions { stop_after: Some(BLOCKS), ..SampleOptions::default() }).0;
    assert_eq!(never, whole);
    assert!(whole.blocks.iter().all(|blocks| *blocks as usize == BLOCKS));
    let (two, evaluation) = ask(SampleOptions { stop_after: Some(2), ..SampleOptions::default() });
    assert!(two.blocks.iter().all(|blocks| *blocks == 2));
    assert_eq!(evaluation.exit.unwrap().ended_after, [0, SAMPLES as u64, 0, 0]);
    for (row, sample) in two.probabilities.chunks_exact(3).zip(0..) {
        let expected = estimate(sample, 2);
        assert!((0..3).all(|k| (f64::from(row[k]) - expected[k]).abs() < 1e-5));
    }
}

#[test]
fn the_mean_is_that_of_the_estimates() {
    let (found, _) = ask(SampleOptions { readout: ReadoutChoice::Mean, ..SampleOptions::default() });
    for (row, sample) in found.probabilities.chunks_exact(3).zip(0..) {
        for (k, value) in row.iter().enumerate() {
            let mean = (1..=BLOCKS).map(|block| estimate(sample, block)[k]).sum::<f64>() / BLOCKS as f64;
            assert!((f64::from(*value) - mean).abs() < 1e-5, "sample {sample}");
        }
    }
}

#[test]
fn the_curve_is_that_of_evaluations() {
    let (model, data, stop) = (model(), data(SAMPLES), StopFlag::new());
    let asked = [0.4, 0.7, 0.9, 1.0];
    let curve = exit_curve(&model, &data, &SampleOptions::default(), &asked, &stop).unwrap();
    for (point, confidence) in curve.iter().zip(asked) {
        let (_, found) = ask(SampleOptions { confidence: Some(confidence), ..SampleOptions::default() });
        assert_eq!((point.confidence, point.accuracy), (confidence, found.accuracy));
        assert_eq!(point.blocks_per_sample, found.exit.unwrap().blocks_per_sample);
    }
    assert!(curve.windows(2).all(|pair| pair[0].blocks_per_sample <= pair[1].blocks_per_sample));
}

#[test]
fn what_is_out_of_range_is_refused() {
    let (model, data, stop) = (model(), data(5), StopFlag::new());
    let refused = |options: SampleOptions, word: &str| {
        let error = predict(&model, &data, options, &stop).unwrap_err();
        assert!(error.what.contains(word), "{error}");
    };
    for share in [0.0, 1.1, f64::NAN] {
        refused(SampleOptions { confidence: Some(share), ..SampleOptions::default() }, "confidence");
    }
    for block in [0, BLOCKS + 1] {
        refused(SampleOptions { stop_after: Some(block), ..SampleOptions::default() }, "stopAfter");
    }
    let fm = Model::new(from_json(r#"{"input":[3],"classes":[0,1],"method":"fm"}"#).unwrap()).unwrap();
    let options = SampleOptions { confidence: Some(0.9), ..SampleOptions::default() };
    let error = Exit::of(&fm, &options).unwrap_err();
    assert!(error.code == Code::Option && error.what.contains("method fm"), "{error}");
}
