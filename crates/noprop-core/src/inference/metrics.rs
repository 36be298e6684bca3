//! What an evaluation says beside accuracy and confusions: precision, recall and F1, top-k accuracy, log loss, calibration, and
//! the samples that cost the most. Names and definitions are scikit-learn's, where it has them.

mod calibration;
#[cfg(test)]
mod tests;

pub use calibration::{BINS, Bin, Calibration};

use crate::error::Result;
use crate::memory::zeros;
use calibration::Tally;
use serde::Serialize;

/// Samples that are named as the worst.
pub const WORST: usize = 20;

/// Greatest k of top-k accuracy.
pub const MOST_TOP: usize = 10;

/// What an evaluation says beside accuracy and confusions; a part of [`Evaluation`](super::Evaluation).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Mean of −ln p of the right class (scikit-learn's `log_loss`, Keras's categorical cross-entropy). p is clipped to [ε, 1 − ε],
    /// ε = 2⁻²³, as scikit-learn does for f32: probabilities of 0 are usual here.
    pub log_loss: f64,
    /// Element k − 1: share of samples whose class is among the k most probable, for k up to [`MOST_TOP`] or the classes there
    /// are. Equal probabilities are ranked by the state that they came from, then by the order of the classes.
    pub top_k_accuracy: Vec<f64>,
    /// Mean recall of the classes that occur among the labels (`balanced_accuracy_score`).
    pub balanced_accuracy: f64,
    /// Precision, recall and F1 of each class; 0 where nothing is to be divided by (`zero_division=0`).
    pub per_class: PerClass,
    /// Mean over the classes that occur among labels or predictions (`average='macro'`).
    pub macro_average: Scores,
    /// Mean over the classes, weighted by their samples (`average='weighted'`).
    pub weighted_average: Scores,
    /// How far probabilities can be believed.
    pub calibration: Calibration,
    /// The samples of greatest loss, greatest first, equal ones in their order; at most [`WORST`].
    pub worst: Vec<Worst>,
}

/// Scores of each class, in the order of the classes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PerClass {
    /// Of the samples that were taken for the class, the share that is of it.
    pub precision: Vec<f64>,
    /// Of the samples of the class, the share that was taken for it.
    pub recall: Vec<f64>,
    /// 2 · precision · recall / (precision + recall).
    pub f1: Vec<f64>,
    /// Samples of the class.
    pub support: Vec<u64>,
}

/// An average over classes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Scores {
    /// See [`PerClass::precision`].
    pub precision: f64,
    /// See [`PerClass::recall`].
    pub recall: f64,
    /// See [`PerClass::f1`].
    pub f1: f64,
}

/// A sample that costs much.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Worst {
    /// Its place in the data, from 0.
    pub sample: usize,
    /// The place of its label among the classes.
    pub target: usize,
    /// The place of the class that it was taken for.
    pub predicted: usize,
    /// Probability of its label.
    pub probability: f64,
    /// Σ_k (p_k − [k = target])².
    pub loss: f64,
}

/// What one sample came to.
pub(super) struct Outcome<'a> {
    pub(super) sample: usize,
    pub(super) target: usize,
    pub(super) predicted: usize,
    /// `[classes]`, greater for what is more probable.
    pub(super) scores: &'a [f32],
    /// `[classes]`
    pub(super) probabilities: &'a [f32],
    /// Σ_k (p_k − [k = target])².
    pub(super) loss: f64,
}

/// Gathers metrics sample by sample, in the samples' order.
pub(super) struct Gathering {
    samples: u64,
    log_loss: f64,
    /// Samples whose class has this rank.
    ranks: Vec<u64>,
    /// Samples of each class, those taken for it, and those of it taken for it.
    support: Vec<u64>,
    predicted: Vec<u64>,
    right: Vec<u64>,
    calibration: Tally,
    worst: Vec<Worst>,
}

impl Gathering {
    pub(super) fn new(classes: usize) -> Result<Self> {
        let counts = || zeros::<u64>(classes, "counts of the classes");
        Ok(Self {
            samples: 0,
            log_loss: 0.0,
            ranks: vec![0; classes.min(MOST_TOP)],
            support: counts()?,
            predicted: counts()?,
            right: counts()?,
            calibration: Tally::default(),
            worst: Vec::with_capacity(WORST + 1),
        })
    }

    pub(super) fn add(&mut self, outcome: &Outcome<'_>) {
        let &Outcome { sample, target, predicted, scores, probabilities, loss } = outcome;
        let probability = f64::from(probabilities[target]);
        let epsilon = f64::from(f32::EPSILON);
        self.samples += 1;
        self.log_loss -= crate::math::ln(probability.clamp(epsilon, 1.0 - epsilon));
        let better =
            |(class, value): (usize, &f32)| *value > scores[target] || (*value == scores[target] && class < target);
        // The class that is predicted has rank 0, whatever the scores say.
        let rank = if predicted == target { 0 } else { scores.iter().enumerate().filter(|each| better(*each)).count() };
        if let Some(count) = self.ranks.get_mut(rank) {
            *count += 1;
        }
        self.support[target] += 1;
        self.predicted[predicted] += 1;
        self.right[target] += u64::from(predicted == target);
        self.calibration.add(f64::from(probabilities[predicted]), predicted == target);
        if self.worst.len() < WORST || self.worst.last().is_some_and(|least| least.loss < loss) {
            let place = self.worst.partition_point(|other| other.loss >= loss);
            self.worst.insert(place, Worst { sample, target, predicted, probability, loss });
            self.worst.truncate(WORST);
        }
    }

    pub(super) fn finish(self) -> Metrics {
        let samples = self.samples as f64;
        let counts = self.support.iter().zip(&self.predicted).zip(&self.right);
        let of: Vec<Scores> =
            counts.map(|((support, predicted), right)| scores(*support, *predicted, *right)).collect();
        let occurs = |class: &usize| self.support[*class] + self.predicted[*class] > 0;
        let occurring: Vec<_> = (0..of.len()).filter(occurs).map(|class| (of[class], 1.0)).collect();
        let weighted: Vec<_> =
            of.iter().zip(&self.support).map(|(scores, support)| (*scores, *support as f64)).collect();
        let labelled: Vec<_> = of
            .iter()
            .zip(&self.support)
            .filter(|(_, support)| **support > 0)
            .map(|(scores, _)| (*scores, 1.0))
            .collect();
        let mut within = 0;
        let top_k_accuracy = self.ranks.iter().map(|count| {
            within += count;
            within as f64 / samples
        });
        Metrics {
            log_loss: self.log_loss / samples,
            top_k_accuracy: top_k_accuracy.collect(),
            balanced_accuracy: average(&labelled).recall,
            macro_average: average(&occurring),
            weighted_average: average(&weighted),
            per_class: PerClass {
                precision: of.iter().map(|scores| scores.precision).collect(),
                recall: of.iter().map(|scores| scores.recall).collect(),
                f1: of.iter().map(|scores| scores.f1).collect(),
                support: self.support,
            },
            calibration: self.calibration.finish(),
            worst: self.worst,
        }
    }
}

fn scores(support: u64, predicted: u64, right: u64) -> Scores {
    let share = |of: u64, all: u64| if all == 0 { 0.0 } else { of as f64 / all as f64 };
    Scores {
        precision: share(right, predicted),
        recall: share(right, support),
        f1: share(2 * right, support + predicted),
    }
}

/// The mean of scores with their weights.
fn average(scores: &[(Scores, f64)]) -> Scores {
    let total: f64 = scores.iter().map(|(_, weight)| weight).sum();
    let mean = |of: fn(&Scores) -> f64| {
        if total == 0.0 { 0.0 } else { scores.iter().map(|(scores, weight)| weight * of(scores)).sum::<f64>() / total }
    };
    Scores {
        precision: mean(|scores| scores.precision),
        recall: mean(|scores| scores.recall),
        f1: mean(|scores| scores.f1),
    }
}
