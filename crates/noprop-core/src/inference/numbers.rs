//! Numbers read off the last states, how good they are, and the intervals in which the truth is expected.

use super::device::DeviceCache;
use super::exit::{self, Exit};
use super::{SampleOptions, chain, readout};
use crate::config::TargetsConfig;
use crate::data::{Dataset, Origin};
use crate::error::{Code, Error, Result};
use crate::memory::zeros;
use crate::method::{MethodConfig, Readout};
use crate::model::Model;
use crate::number_scores::{NumberScores, mean_r2, number_scores};
use crate::tensor::StopFlag;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// Runs of the chain for an interval, where nothing says how many.
const INTERVAL_RUNS: usize = 20;
/// Most runs, all of whose numbers are kept.
const MOST_RUNS: usize = 10_000;

/// How often the chain is run, and what is made of it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NumberOptions {
    /// Runs with noise of their own, the mean of which is predicted. Default 1; 20 with an interval.
    pub runs: Option<usize>,
    /// Share of the truth that intervals are to hold, from the quantiles of the runs: above 0 and below 1.
    pub interval: Option<f64>,
}

/// What [`predict_numbers`] found, `[samples, targets]`.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberPrediction {
    /// The numbers.
    pub values: Vec<f32>,
    /// The ends of their intervals, where these are asked for.
    pub interval: Option<[Vec<f32>; 2]>,
}

/// What [`evaluate_numbers`] found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NumberEvaluation {
    /// Mean of the targets' R².
    pub r2: f64,
    /// Mean of the targets' mean squared errors.
    pub mse: f64,
    /// Mean of their roots (scikit-learn's `root_mean_squared_error`).
    pub rmse: f64,
    /// Mean of the targets' mean absolute errors.
    pub mae: f64,
    /// Mean over the samples of Σ_k e_k² in units of the training targets' deviations: the form of the training loss.
    pub loss: f64,
    /// The scores of each target.
    pub targets: Vec<NumberScores>,
    /// R² of the numbers read off the state after each block of the first run, or after the one net of a method that has one.
    pub r2_per_block: Vec<f64>,
    /// The intervals, where these are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// What an early end or another readout gave and cost, where one is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<NumberExit>,
    /// Number of samples.
    pub samples: usize,
    /// Runs of the chain.
    pub runs: usize,
    /// Time taken.
    pub seconds: f64,
    /// Samples through all blocks per second.
    pub samples_per_second: f64,
    /// The samples of greatest loss, greatest first; as many as [`SampleOptions::worst`] says.
    pub worst: Vec<WorstNumbers>,
}

/// What an early end gave and cost, beside an evaluation of the whole chain read off its last state.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NumberExit {
    /// Blocks that a sample went through.
    pub blocks_per_sample: f64,
    /// R² of the whole chain.
    pub whole_r2: f64,
    /// What is lost: the whole chain's R² less that of this evaluation.
    pub cost: f64,
    /// Time that the whole chain took on these samples.
    pub whole_seconds: f64,
    /// How much faster this evaluation was.
    pub speed_up: f64,
}

/// What intervals are worth.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Interval {
    /// The share that they were to hold.
    pub asked: f64,
    /// The share of the true numbers that they hold.
    pub coverage: f64,
    /// The same of each target.
    pub coverage_per_target: Vec<f64>,
    /// Mean width of each target's intervals.
    pub mean_width: Vec<f64>,
}

/// A sample that the model is most wrong about.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorstNumbers {
    /// Its place in the data.
    pub sample: usize,
    /// Its numbers.
    pub target: Vec<f32>,
    /// Those that the model has for it.
    pub predicted: Vec<f32>,
    /// Σ_k e_k², in units of the training targets' deviations.
    pub loss: f64,
    /// Where it came from.
    #[serde(flatten)]
    pub origin: Origin,
}

/// Compares the model's numbers with those of the data.
///
/// # Errors
/// Those of [`evaluate`](super::evaluate); [`Code::Option`] for runs or an interval out of range.
pub fn evaluate_numbers(
    model: &Model,
    data: &Dataset,
    options: &SampleOptions,
    numbers: &NumberOptions,
    stop: &StopFlag,
) -> Result<NumberEvaluation> {
    let started = Instant::now();
    let targets = targets(model)?;
    let truth = data.numbers(targets.count)?;
    let most_worst = super::most_worst(options)?;
    let options = &SampleOptions { worst: None, ..options.clone() };
    let mut r2_per_block = Vec::new();
    let found = run(model, data, options, numbers, stop, Some(&mut r2_per_block))?;
    let count = targets.count;
    let scores = number_scores(truth, &found.values, count);
    let worst = worst(data, targets, (truth, &found.values), most_worst);
    let mean = |of: fn(&NumberScores) -> f64| scores.iter().map(of).sum::<f64>() / count as f64;
    let interval = found.interval.as_ref().zip(numbers.interval).map(|([low, high], asked)| {
        let samples = data.samples() as f64;
        let of = |target: usize| {
            let each = (target..truth.len()).step_by(count);
            let inside = each.clone().filter(|at| (low[*at]..=high[*at]).contains(&truth[*at])).count() as f64;
            let width: f64 = each.map(|at| f64::from(high[at]) - f64::from(low[at])).sum();
            (inside / samples, width / samples)
        };
        let (coverage_per_target, mean_width): (Vec<_>, Vec<_>) = (0..count).map(of).unzip();
        let coverage = coverage_per_target.iter().sum::<f64>() / count as f64;
        Interval { asked, coverage, coverage_per_target, mean_width }
    });
    let seconds = started.elapsed().as_secs_f64();
    let in_units = scores.iter().zip(&targets.std).map(|(scores, std)| scores.mse / f64::from(*std).powi(2));
    let (runs, r2) = (runs(numbers)?, mean_r2(&scores));
    let exit = match Exit::of(model, options)? {
        None => None,
        Some(early) => {
            let whole = evaluate_numbers(model, data, &exit::whole(options), numbers, stop)?;
            Some(NumberExit {
                blocks_per_sample: early.stop_after() as f64,
                whole_r2: whole.r2,
                cost: whole.r2 - r2,
                whole_seconds: whole.seconds,
                speed_up: whole.seconds / seconds,
            })
        }
    };
    Ok(NumberEvaluation {
        r2,
        exit,
        mse: mean(|scores| scores.mse),
        rmse: mean(|scores| scores.rmse),
        mae: mean(|scores| scores.mae),
        loss: in_units.sum(),
        r2_per_block,
        interval,
        samples: data.samples(),
        runs,
        seconds,
        samples_per_second: (data.samples() * runs) as f64 / seconds,
        targets: scores,
        worst,
    })
}

/// The numbers of each sample.
///
/// # Errors
/// Those of [`predict`](super::predict); [`Code::Option`] for runs or an interval out of range.
pub fn predict_numbers(
    model: &Model,
    data: &Dataset,
    options: &SampleOptions,
    numbers: &NumberOptions,
    stop: &StopFlag,
) -> Result<NumberPrediction> {
    super::check_no_worst(options)?;
    run(model, data, options, numbers, stop, None)
}

fn run(
    model: &Model,
    data: &Dataset,
    options: &SampleOptions,
    numbers: &NumberOptions,
    stop: &StopFlag,
    mut r2_per_block: Option<&mut Vec<f64>>,
) -> Result<NumberPrediction> {
    let (targets, runs) = (targets(model)?, runs(numbers)?);
    model.check_trained()?;
    let seen = super::encode::seen(model, data, options, stop)?;
    let (model, data) = seen.parts();
    let count = targets.count;
    let total = data.samples().saturating_mul(count);
    let mut all = zeros::<f32>(total.saturating_mul(runs), "the numbers of all runs")?;
    let truth = r2_per_block.is_some().then(|| data.numbers(count)).transpose()?;
    let readout = readout(model)?;
    // An interval needs noise; fm has all of it in its first state.
    let spread = numbers.interval.is_some() && !matches!(model.checked.config.method, MethodConfig::Fm { .. });
    for (run, values) in all.chunks_exact_mut(total).enumerate() {
        let seed = options
            .seed
            .checked_add(run as u64)
            .ok_or_else(|| crate::config::out_of_range("seed", "a seed that leaves room for all runs", options.seed))?;
        let options = SampleOptions { seed, stochastic: options.stochastic || spread, ..options.clone() };
        let mut after_block = |_: usize, first: usize, states: &[f32]| {
            if let (Some(found), Some(truth), 0) = (r2_per_block.as_deref_mut(), truth, run) {
                let mut numbers = vec![0.0; states.len()];
                read(&readout, targets, states, &mut numbers);
                found.push(mean_r2(&number_scores(&truth[first * count..], &numbers, count)));
            }
        };
        let states = chain(&DeviceCache::default(), model, data, &options, stop, Some(&mut after_block))?;
        read(&readout, targets, &states.states, values);
    }
    let mut values = zeros::<f32>(total, "the predictions")?;
    let mut ends = numbers.interval.map(|share| (share, vec![0.0; total], vec![0.0; total]));
    let mut sorted = Vec::with_capacity(runs);
    for at in 0..total {
        sorted.clear();
        sorted.extend((0..runs).map(|run| all[run * total + at]));
        values[at] = (sorted.iter().map(|value| f64::from(*value)).sum::<f64>() / runs as f64) as f32;
        if let Some((share, low, high)) = &mut ends {
            sorted.sort_unstable_by(f32::total_cmp);
            (low[at], high[at]) = (quantile(&sorted, (1.0 - *share) / 2.0), quantile(&sorted, (1.0 + *share) / 2.0));
        }
    }
    Ok(NumberPrediction { values, interval: ends.map(|(_, low, high)| [low, high]) })
}

/// The numbers that states mean.
fn read(readout: &Readout, targets: &TargetsConfig, states: &[f32], out: &mut [f32]) {
    for (z, out) in states.chunks_exact(targets.count).zip(out.chunks_exact_mut(targets.count)) {
        out.iter_mut().enumerate().for_each(|(k, out)| *out = targets.number(k, readout.value(z, k)));
    }
}

/// The `most` samples of greatest loss, greatest first; of equal ones the first.
fn worst(data: &Dataset, targets: &TargetsConfig, (truth, found): (&[f32], &[f32]), most: usize) -> Vec<WorstNumbers> {
    let count = targets.count;
    let square = |k: usize, gap: f64| (gap / f64::from(targets.std[k])).powi(2);
    let loss = |(truth, found): (&[f32], &[f32])| {
        let gaps = truth.iter().zip(found).map(|(truth, found)| f64::from(*found) - f64::from(*truth));
        gaps.enumerate().map(|(k, gap)| square(k, gap)).sum::<f64>()
    };
    let losses: Vec<_> = truth.chunks_exact(count).zip(found.chunks_exact(count)).map(loss).collect();
    let mut samples: Vec<_> = (0..losses.len()).collect();
    samples.sort_by(|one, other| losses[*other].total_cmp(&losses[*one]));
    let named = |sample: usize| WorstNumbers {
        sample,
        target: truth[sample * count..][..count].to_vec(),
        predicted: found[sample * count..][..count].to_vec(),
        loss: losses[sample],
        origin: data.origin(sample),
    };
    samples.into_iter().take(most).map(named).collect()
}

/// Between neighbours in proportion, as NumPy's default has it.
fn quantile(sorted: &[f32], share: f64) -> f32 {
    let place = share.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let (below, part) = (place.floor(), place - place.floor());
    let low = f64::from(sorted[below as usize]);
    let high = f64::from(sorted[(below as usize + 1).min(sorted.len() - 1)]);
    (low + part * (high - low)) as f32
}

fn runs(numbers: &NumberOptions) -> Result<usize> {
    let out_of_range = |name: &str, expected: &str, received: String| {
        Err(Error::new(Code::Option, format!("option {name} is out of range")).expected(expected).received(received))
    };
    let least = if numbers.interval.is_some() { 2 } else { 1 };
    let runs = numbers.runs.unwrap_or(if least == 2 { INTERVAL_RUNS } else { 1 });
    if !(least..=MOST_RUNS).contains(&runs) {
        let reason = if least == 2 { ": an interval lies between runs" } else { "" };
        return out_of_range("runs", &format!("{least} to {MOST_RUNS}{reason}"), runs.to_string());
    }
    match numbers.interval {
        Some(share) if !(share > 0.0 && share < 1.0) => {
            out_of_range("interval", "a share above 0 and below 1, such as 0.9", share.to_string())
        }
        _ => Ok(runs),
    }
}

/// What the model predicts.
fn targets(model: &Model) -> Result<&TargetsConfig> {
    model.checked.config.targets.as_ref().ok_or_else(|| {
        Error::new(Code::Option, "the model predicts classes, and no numbers")
            .expected("a model with targets")
            .received(format!("{} classes", model.checked.config.classes.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_numpys() {
        // np.quantile([1, 2, 4, 8], [0.05, 0.5, 0.95])
        let sorted = [1.0, 2.0, 4.0, 8.0];
        assert_eq!([0.05, 0.5, 0.95].map(|share| quantile(&sorted, share)), [1.15, 3.0, 7.4]);
        assert_eq!(quantile(&[3.0], 0.9), 3.0);
    }

    #[test]
    fn runs_and_intervals_out_of_range_are_refused() {
        let runs_of = |options| runs(&options);
        fn check(found: Result<usize>, name: &str) {
            let error = found.unwrap_err();
            assert!(error.code == Code::Option && error.what.contains(name), "{error}");
        }
        assert_eq!(runs_of(NumberOptions { runs: None, interval: Some(0.9) }).unwrap(), 20);
        check(runs_of(NumberOptions { runs: Some(1), interval: Some(0.9) }), "runs");
        check(runs_of(NumberOptions { runs: Some(0), interval: None }), "runs");
        for share in [0.0, 1.0, -1.0, f64::NAN] {
            check(runs_of(NumberOptions { runs: None, interval: Some(share) }), "interval");
        }
    }
}
