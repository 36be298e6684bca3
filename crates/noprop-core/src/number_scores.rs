//! How good predicted numbers are.

use serde::Serialize;

/// The scores of one target, as scikit-learn has them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NumberScores {
    /// Mean of the squared errors.
    pub mse: f64,
    /// Its root.
    pub rmse: f64,
    /// Mean of the absolute errors.
    pub mae: f64,
    /// 1 − Σ (y − ŷ)² / Σ (y − ȳ)². Where all y are equal, 1 without an error and else 0.
    pub r2: f64,
}

/// The scores of each target of numbers `[samples, width]`.
pub fn number_scores(truth: &[f32], predicted: &[f32], width: usize) -> Vec<NumberScores> {
    let count = (truth.len() / width) as f64;
    let of = |target: usize| {
        let column =
            |values: &'_ [f32]| values[target..].iter().step_by(width).map(|value| f64::from(*value)).collect();
        let (truth, predicted): (Vec<f64>, Vec<f64>) = (column(truth), column(predicted));
        let mean = truth.iter().sum::<f64>() / count;
        let errors = || truth.iter().zip(&predicted).map(|(truth, predicted)| truth - predicted);
        let squares = errors().map(|error| error * error).sum::<f64>();
        let spread = truth.iter().map(|truth| (truth - mean).powi(2)).sum::<f64>();
        let r2 = match (spread > 0.0, squares == 0.0) {
            (true, _) => 1.0 - squares / spread,
            (false, true) => 1.0,
            (false, false) => 0.0,
        };
        let mse = squares / count;
        NumberScores { mse, rmse: mse.sqrt(), mae: errors().map(f64::abs).sum::<f64>() / count, r2 }
    };
    (0..width).map(of).collect()
}

/// The mean of the targets' R² (scikit-learn's `uniform_average`).
pub fn mean_r2(scores: &[NumberScores]) -> f64 {
    scores.iter().map(|scores| scores.r2).sum::<f64>() / scores.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// What scikit-learn says (`tests/golden/make_numbers.py`).
    const GOLDEN: &str = include_str!("../tests/golden/numbers.json");

    #[test]
    fn scores_are_those_of_scikit_learn() {
        let golden: Value = serde_json::from_str(GOLDEN).unwrap();
        let numbers =
            |value: &Value| value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect::<Vec<_>>();
        let table = |name: &str| -> Vec<f32> {
            let rows = golden[name].as_array().unwrap().iter();
            rows.flat_map(numbers).map(|value| value as f32).collect()
        };
        let found = number_scores(&table("truth"), &table("predicted"), 3);
        // Sums of 70 f64 in another order.
        let close = |found: f64, expected: f64| (found - expected).abs() <= 1e-12 * expected.abs().max(1e-3);
        for (target, found) in found.iter().enumerate() {
            for (name, value) in [("mse", found.mse), ("rmse", found.rmse), ("mae", found.mae), ("r2", found.r2)] {
                assert!(close(value, numbers(&golden[name])[target]), "{name} of {target}: {value}");
            }
        }
        assert!(close(mean_r2(&found), golden["mean_r2"].as_f64().unwrap()));
    }
}
