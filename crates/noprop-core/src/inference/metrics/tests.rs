use super::*;
use crate::inference::brier;
use serde_json::Value;

/// What scikit-learn says (`tests/golden/make_metrics.py`).
const GOLDEN: &str = include_str!("../../../tests/golden/metrics.json");
/// Sums of 90 f64 in another order.
const ROUNDING: f64 = 1e-12;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn assert_close(name: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance, "{name}: {found}, expected {expected}");
    }
}

fn gathered(rows: &[(usize, Vec<f32>, Vec<f32>)]) -> Metrics {
    let mut gathering = Gathering::new(rows[0].1.len()).unwrap();
    for (sample, (target, state, probabilities)) in rows.iter().enumerate() {
        let (target, predicted) = (*target, crate::diffusion::argmax(state));
        let loss = brier(probabilities, target);
        gathering.add(&Outcome { sample, target, predicted, scores: state, probabilities, loss });
    }
    gathering.finish()
}

#[test]
fn metrics_are_those_of_scikit_learn() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let f32s = |value: &Value| numbers(value).iter().map(|value| *value as f32).collect::<Vec<_>>();
    let (states, probabilities) = (golden["states"].as_array().unwrap(), golden["probabilities"].as_array().unwrap());
    let targets = numbers(&golden["targets"]);
    let rows: Vec<_> = (0..targets.len())
        .map(|sample| (targets[sample] as usize, f32s(&states[sample]), f32s(&probabilities[sample])))
        .collect();
    let found = gathered(&rows);
    let one = |name: &str| golden[name].as_f64().unwrap();
    // scikit-learn takes the logarithm in f32.
    assert_close("log loss", &[found.log_loss], &[one("logLoss")], 1e-6);
    assert_close("top k", &found.top_k_accuracy, &numbers(&golden["topKAccuracy"]), ROUNDING);
    assert_close("balanced", &[found.balanced_accuracy], &[one("balancedAccuracy")], ROUNDING);
    assert_close("precision", &found.per_class.precision, &numbers(&golden["precision"]), ROUNDING);
    assert_close("recall", &found.per_class.recall, &numbers(&golden["recall"]), ROUNDING);
    assert_close("f1", &found.per_class.f1, &numbers(&golden["f1"]), ROUNDING);
    assert_eq!(
        found.per_class.support.iter().map(|count| *count as f64).collect::<Vec<_>>(),
        numbers(&golden["support"])
    );
    for (name, found) in [("macro", found.macro_average), ("weighted", found.weighted_average)] {
        assert_close(name, &[found.precision, found.recall, found.f1], &numbers(&golden[name]), ROUNDING);
    }
    let Calibration { ece, mce, bins } = &found.calibration;
    assert_close("ece, mce", &[*ece, *mce], &[one("ece"), one("mce")], ROUNDING);
    let table = &golden["bins"];
    assert_eq!(bins.iter().map(|bin| bin.samples as f64).collect::<Vec<_>>(), numbers(&table["samples"]));
    let filled = |of: fn(&Bin) -> Option<f64>| bins.iter().filter_map(of).collect::<Vec<_>>();
    assert_close("bins' accuracy", &filled(|bin| bin.accuracy), &numbers(&table["accuracy"]), ROUNDING);
    assert_close("bins' confidence", &filled(|bin| bin.confidence), &numbers(&table["confidence"]), ROUNDING);
    let worst: Vec<_> = found.worst.iter().map(|worst| worst.sample as f64).collect();
    assert_eq!(worst, numbers(&golden["worst"]));
    let mean = rows.iter().map(|(target, _, probabilities)| brier(probabilities, *target)).sum::<f64>() / 90.0;
    assert_close("loss", &[mean], &[one("loss")], 1e-6);
}

#[test]
fn edges_of_bins_and_equal_losses_have_their_places() {
    // Certain and right, certain and wrong (three times), and a half, which is on no edge of 15 bins; 0.2 is on one.
    let certain = |target| (target, vec![1.0, 0.0, 0.0, 0.0, 0.0], vec![1.0, 0.0, 0.0, 0.0, 0.0]);
    let even = (4, vec![0.1; 5], vec![0.2; 5]);
    let found = gathered(&[certain(1), certain(0), certain(2), even, certain(1)]);
    let bins = &found.calibration.bins;
    let filled: Vec<_> = (0..BINS).filter(|bin| bins[*bin].samples > 0).collect();
    assert_eq!((filled, bins[2].samples, bins[14].samples), (vec![2, 14], 1, 4));
    assert_eq!((bins[2].to, bins[14].to), (0.2, 1.0));
    let worst: Vec<_> = found.worst.iter().map(|worst| (worst.sample, worst.target, worst.predicted)).collect();
    assert_eq!(worst, [(0, 1, 0), (2, 2, 0), (4, 1, 0), (3, 4, 0), (1, 0, 0)]);
    // Equal states rank in the order of the classes: class 1 and 2 are second and third, class 4 last.
    assert_eq!(found.top_k_accuracy, [0.2, 0.6, 0.8, 0.8, 1.0]);
    assert_eq!(serde_json::to_value(bins[0]).unwrap()["accuracy"], Value::Null);
}

#[test]
fn only_the_worst_are_named() {
    let row = |p: f32| (0, vec![p, 1.0 - p], vec![p, 1.0 - p]);
    let rows: Vec<_> = (0..100).map(|sample| row((sample * 37 % 100) as f32 / 100.0)).collect();
    let found = gathered(&rows);
    assert_eq!(found.worst.len(), WORST);
    for (rank, worst) in found.worst.iter().enumerate() {
        // The sample whose class has a probability of `rank` per cent.
        assert_eq!(worst.sample * 37 % 100, rank);
    }
}
