use super::processor::{CHUNK, STREAMED};
use super::*;
use crate::config::from_json;
use crate::data::{InputShape, Pixels};
use crate::storage::WeightStore;
use serde_json::Value;

const INPUT: InputShape = InputShape::Vector { len: 3 };

/// A model with random weights: enough to see how work is divided.
fn model() -> Model {
    let json = r#"{"input":[3],"classes":[-4,7,100],"blocks":4,"net":{"type":"mlp","hidden":[8]}}"#;
    let model = Model::new(from_json(json).unwrap()).unwrap();
    let store = WeightStore::temporary(4, model.checked.layout.weights()).unwrap();
    for block in 1..=4 {
        store.write(block, &model.checked.layout.initial_weights(1, block)).unwrap();
    }
    model.with_weights(store, Value::Null)
}

fn data(samples: usize, labelled: bool) -> Dataset {
    let values = (0..samples * 3).map(|value| (value % 17) as f32 / 17.0).collect();
    let labels = labelled.then(|| (0..samples).map(|sample| [-4, 7, 100][sample % 3]).collect());
    Dataset::from_arrays(Pixels::F32(values), INPUT, labels).unwrap()
}

#[test]
fn threads_and_streaming_change_no_bit() {
    let model = model();
    let all = data(STREAMED + 7, false);
    let run = |threads| {
        let options = SampleOptions { stochastic: true, threads: Some(threads), ..SampleOptions::default() };
        predict(&model, &all, options, &StopFlag::new()).unwrap()
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(3));
    assert_eq!(one.labels.len(), STREAMED + 7);
    // A smaller set keeps its weights in memory.
    let options = SampleOptions { stochastic: true, ..SampleOptions::default() };
    let few = predict(&model, &data(STREAMED - 1, false), options, &StopFlag::new()).unwrap();
    assert_eq!(few.labels, one.labels[..STREAMED - 1]);
    assert_eq!(few.probabilities, one.probabilities[..(STREAMED - 1) * 3]);
}

/// Calls of kernels that predicting a few samples takes, in so many steps.
fn calls_of(device: &str, method: &str, sampler: Option<SamplerChoice>, steps: usize) -> usize {
    use crate::net::program::CALLS;
    let json = format!(r#"{{"method":{method},"input":[14,14],"classes":[0,1],"net":{{"type":"cnn"}}}}"#);
    let model = Model::new(from_json(&json).unwrap()).unwrap();
    let jobs = model.checked.jobs();
    let store = WeightStore::temporary(jobs, model.checked.layout.weights()).unwrap();
    (1..=jobs).for_each(|job| store.write(job, &model.checked.layout.initial_weights(1, job)).unwrap());
    let model = model.with_weights(store, Value::Null);
    let pixels = Pixels::F32((0..5 * 196).map(|value| (value % 23) as f32 / 23.0).collect());
    let images = Dataset::from_arrays(pixels, InputShape::Image { height: 14, width: 14, channels: 1 }, None).unwrap();
    let (steps, within) = if jobs == 1 { (Some(steps), None) } else { (None, Some(steps)) };
    // One thread is this one, whose calls are counted.
    let device = device.parse().unwrap();
    let options =
        SampleOptions { device, sampler, steps, steps_per_block: within, threads: Some(1), ..SampleOptions::default() };
    let before = CALLS.get();
    predict(&model, &images, options, &StopFlag::new()).unwrap();
    CALLS.get() - before
}

/// What depends on an image alone, its convolutions among it, is computed at the first step of a job and at no other.
#[test]
fn later_steps_do_not_compute_the_features_of_images_again() {
    let blocks = r#"{"type":"diffusion-blocks"}"#;
    let devices: &[_] = if cfg!(feature = "emulation") { &["cpu", "emulated"] } else { &["cpu"] };
    let methods = [
        (r#""ct""#, None),
        (r#""fm""#, None),
        (r#""fm""#, Some(SamplerChoice::Heun)),
        (r#""adjoint""#, None),
        (blocks, None),
    ];
    for (device, (method, sampler)) in devices.iter().flat_map(|device| methods.map(|method| (device, method))) {
        let [one, two, six] = [1, 2, 6].map(|steps| calls_of(device, method, sampler, steps));
        let another = two - one;
        assert_eq!(six, one + 5 * another, "{method} on {device}: every further step costs the same");
        assert!(another > 0 && another < one, "{method} {sampler:?} on {device}: {one} and then {another}");
    }
}

#[test]
fn an_evaluation_names_the_first_samples_of_each_pair() {
    let (model, data) = (model(), data(50, true));
    let options = SampleOptions { examples: 3, ..SampleOptions::default() };
    let found = evaluate(&model, &data, options, &StopFlag::new()).unwrap();
    let predicted = predict(&model, &data, SampleOptions::default(), &StopFlag::new()).unwrap().labels;
    let place = |label: i32| [-4, 7, 100].iter().position(|each| *each == label).unwrap();
    let confusion = found.confusion.unwrap();
    let mut pairs = 0;
    for (target, row) in confusion.iter().enumerate() {
        for (class, count) in row.iter().enumerate().filter(|(_, count)| **count > 0) {
            let of_pair = (0..50).filter(|sample| sample % 3 == target && place(predicted[*sample]) == class);
            let samples: Vec<usize> = of_pair.take(3).collect();
            assert_eq!(samples.len() as u64, (*count).min(3));
            assert!(found.examples.contains(&(target as u64, class as u64, samples)));
            pairs += 1;
        }
    }
    assert_eq!(found.examples.len(), pairs);
    let without = evaluate(&model, &data, SampleOptions::default(), &StopFlag::new()).unwrap();
    assert!(without.examples.is_empty());
}

#[test]
fn evaluation_counts_what_prediction_says_and_labels_do_not_reach_the_chain() {
    let model = model();
    let (labelled, bare) = (data(50, true), data(50, false));
    let evaluation = evaluate(&model, &labelled, SampleOptions::default(), &StopFlag::new()).unwrap();
    let prediction = predict(&model, &bare, SampleOptions::default(), &StopFlag::new()).unwrap();
    let right = prediction.labels.iter().zip(labelled.labels().unwrap()).filter(|(a, b)| a == b).count();
    assert_eq!(evaluation.accuracy, right as f64 / 50.0);
    assert_eq!(evaluation.accuracy_per_block.len(), 4);
    assert_eq!(evaluation.accuracy_per_block[3], evaluation.accuracy);
    let confusion = evaluation.confusion.unwrap();
    let diagonal: u64 = (0..3).map(|class| confusion[class][class]).sum();
    let total: u64 = confusion.iter().flatten().sum();
    assert_eq!(evaluation.confusion_pairs, None);
    assert_eq!((diagonal as usize, total), (right, 50));
    assert_eq!(evaluate(&model, &bare, SampleOptions::default(), &StopFlag::new()).unwrap_err().code, Code::Label);
    for row in prediction.probabilities.chunks_exact(3) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5 && row.iter().all(|p| (0.0..=1.0).contains(p)));
    }
}

#[test]
fn seeds_matter_and_bad_calls_are_refused() {
    let model = model();
    let data = data(20, false);
    let with =
        |seed| predict(&model, &data, SampleOptions { seed, ..SampleOptions::default() }, &StopFlag::new()).unwrap();
    assert_ne!(with(0).probabilities, with(1).probabilities);
    let stop = StopFlag::new();
    stop.stop();
    assert_eq!(predict(&model, &data, SampleOptions::default(), &stop).unwrap_err().code, Code::Cancelled);
    let other = Dataset::from_arrays(Pixels::F32(vec![0.0; 4]), InputShape::Vector { len: 2 }, None).unwrap();
    assert_eq!(predict(&model, &other, SampleOptions::default(), &StopFlag::new()).unwrap_err().code, Code::Shape);
    let untrained = Model::new(model.checked.config.clone()).unwrap();
    assert_eq!(
        predict(&untrained, &data, SampleOptions::default(), &StopFlag::new()).unwrap_err().code,
        Code::NotTrained
    );
}

#[test]
fn a_sample_gets_the_same_answer_whatever_stands_beside_it() {
    let model = model();
    let ask = |pixels: Pixels, stochastic: bool| {
        let data = Dataset::from_arrays(pixels, INPUT, None).unwrap();
        let options = SampleOptions { stochastic, ..SampleOptions::default() };
        predict(&model, &data, options, &StopFlag::new()).unwrap().probabilities
    };
    let bytes: Vec<u8> = (0..3 * (STREAMED + 5)).map(|value| (value * 37 % 251) as u8).collect();
    for stochastic in [false, true] {
        let all = ask(Pixels::U8(bytes.clone()), stochastic);
        let different: std::collections::HashSet<_> =
            all.chunks_exact(3).map(|row| row.iter().map(|value| value.to_bits()).collect::<Vec<_>>()).collect();
        assert!(different.len() > 200, "different samples have different noise");
        // Alone, in another place, and as floats.
        for sample in [0, 1, CHUNK + 3, STREAMED + 4] {
            let (one, expected) = (&bytes[3 * sample..][..3], &all[3 * sample..][..3]);
            assert_eq!(ask(Pixels::U8(one.to_vec()), stochastic), expected);
            let floats: Vec<f32> = one.iter().map(|value| f32::from(*value) / 255.0).collect();
            assert_eq!(ask(Pixels::F32(floats), stochastic), expected);
            let moved = [&bytes[..3 * 200], one].concat();
            assert_eq!(ask(Pixels::U8(moved), stochastic)[600..], *expected);
        }
    }
}

/// With weights of 0 every state is its noise alone, and so is the class: as the noise of different samples is
/// independent, each class comes out as often as chance says.
#[test]
fn the_noise_of_different_samples_averages_out() {
    let untrained = model();
    let store = WeightStore::temporary(4, untrained.checked.layout.weights()).unwrap();
    (1..=4).for_each(|block| store.write(block, &vec![0.0; untrained.checked.layout.weights()]).unwrap());
    let model = untrained.with_weights(store, Value::Null);
    let samples = 3000_u32;
    let values = (0..samples).flat_map(|sample| [sample as u8, (sample >> 8) as u8, 7]).collect();
    let data = Dataset::from_arrays(Pixels::U8(values), INPUT, None).unwrap();
    let labels = predict(&model, &data, SampleOptions::default(), &StopFlag::new()).unwrap().labels;
    for class in [-4, 7, 100] {
        let count = labels.iter().filter(|label| **label == class).count();
        // Four standard deviations of a third of 3000: 4 · √(3000 · 2/9) = 103.
        assert!(count.abs_diff(1000) < 104, "class {class}: {count}");
    }
}

#[test]
fn confusions_of_many_classes_are_the_pairs_that_occurred() {
    let run = |classes: usize| {
        let labels: Vec<i32> = (0..classes as i32).collect();
        let json = format!(r#"{{"input":[3],"classes":{labels:?},"blocks":1,"net":{{"type":"mlp","hidden":[2]}}}}"#);
        let model = Model::new(from_json(&json).unwrap()).unwrap();
        let store = WeightStore::temporary(1, model.checked.layout.weights()).unwrap();
        store.write(1, &model.checked.layout.initial_weights(1, 1)).unwrap();
        let model = model.with_weights(store, Value::Null);
        let labels = Some((0..40).map(|sample| sample % 3).collect());
        let data = Dataset::from_arrays(Pixels::U8((0..120).collect()), INPUT, labels).unwrap();
        let found = evaluate(&model, &data, SampleOptions::default(), &StopFlag::new()).unwrap();
        let predicted = predict(&model, &data, SampleOptions::default(), &StopFlag::new()).unwrap().labels;
        (found, predicted)
    };
    let (few, _) = run(MOST_CONFUSION);
    assert_eq!((few.confusion.unwrap().len(), few.confusion_pairs), (MOST_CONFUSION, None));
    let (many, predicted) = run(MOST_CONFUSION + 1);
    assert!(many.confusion.is_none());
    let pairs = many.confusion_pairs.unwrap();
    assert!(pairs.is_sorted() && pairs.iter().map(|pair| pair[2]).sum::<u64>() == 40);
    for [i, j, count] in pairs {
        let both = (0_u64..).zip(&predicted).filter(|(sample, label)| sample % 3 == i && **label as u64 == j).count();
        assert_eq!(both as u64, count);
    }
}

#[test]
fn a_trace_tells_how_the_prediction_came_about() {
    let (model, samples) = (model(), CHUNK + 5);
    let data = data(samples, false);
    for (stochastic, threads) in [(false, 1), (true, 2)] {
        let options = SampleOptions { stochastic, threads: Some(threads), ..SampleOptions::default() };
        let found = trace(&model, &data, &options, &StopFlag::new()).unwrap();
        assert_eq!(found.prediction, predict(&model, &data, options.clone(), &StopFlag::new()).unwrap());
        assert_eq!(found.blocks, [1, 2, 3, 4]);
        let values = samples * 3;
        assert_eq!([found.start.len(), found.states.len(), found.estimates.len()], [values, 4 * values, 4 * values]);
        // The classes of the states are those that evaluation reads off them.
        let last = read(&model, &found.states[3 * values..], vec![4; samples]).unwrap();
        assert_eq!(last, found.prediction);
        if stochastic {
            continue;
        }
        // z_t = a û + b z_{t−1}, in double precision and rounded once.
        let moves = (1..=4).map(|job| model.checked.method.chain(job, &[], &options.sampling()).unwrap());
        let mut before = &found.start[..];
        for (step, moves) in moves.enumerate() {
            let [crate::method::Move::Step { coefficients, .. }] = moves[..] else { panic!("one step a block") };
            let at = step * values..(step + 1) * values;
            for ((z, u), previous) in found.states[at.clone()].iter().zip(&found.estimates[at.clone()]).zip(before) {
                let expected = coefficients.estimate * f64::from(*u) + coefficients.state * f64::from(*previous);
                assert_eq!(*z, expected as f32);
            }
            before = &found.states[at];
        }
    }
    let one = trace(&model, &data, &SampleOptions { steps: Some(3), ..SampleOptions::default() }, &StopFlag::new());
    assert_eq!(one.unwrap_err().code, Code::Option);
}

#[test]
fn a_trace_of_one_net_has_every_step() {
    let json = r#"{"input":[3],"classes":[0,1],"method":{"type":"fm"},"net":{"type":"mlp","hidden":[8]}}"#;
    let untrained = Model::new(from_json(json).unwrap()).unwrap();
    let weights = untrained.checked.layout.initial_weights(1, 1);
    let store = WeightStore::temporary(1, weights.len()).unwrap();
    store.write(1, &weights).unwrap();
    let model = untrained.with_weights(store, Value::Null);
    for sampler in [SamplerChoice::Euler, SamplerChoice::Heun] {
        let options = SampleOptions { sampler: Some(sampler), steps: Some(5), ..SampleOptions::default() };
        let found = trace(&model, &data(2, false), &options, &StopFlag::new()).unwrap();
        assert_eq!((found.blocks, found.states.len(), found.estimates.len()), (vec![1; 5], 20, 20));
        assert_eq!(found.prediction, predict(&model, &data(2, false), options, &StopFlag::new()).unwrap());
        // Euler's first step is along the first estimate, the velocity; Heun's is not.
        let along = found.start.iter().zip(&found.estimates).map(|(z, v)| z + 0.2 * v);
        let gap = along.zip(&found.states).map(|(expected, z)| (expected - z).abs()).fold(0.0, f32::max);
        assert_eq!(gap < 1e-6, sampler == SamplerChoice::Euler, "{sampler:?}: {gap}");
        assert!(found.estimates.iter().all(|value| *value != 0.0));
    }
    let error = trace(&untrained, &data(2, false), &SampleOptions::default(), &StopFlag::new()).unwrap_err();
    assert_eq!(error.code, Code::NotTrained);
}
