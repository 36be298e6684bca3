//! Whether a probability of 0.9 is right nine times out of ten: the expected calibration error and a reliability table (Guo et
//! al. 2017, arXiv 1706.04599).

use serde::Serialize;

/// Bins of equal width.
pub const BINS: usize = 15;

/// How far the probability of the predicted class can be believed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// Expected calibration error: mean over the samples of |accuracy − confidence| of their bin.
    pub ece: f64,
    /// Maximum calibration error: the greatest such difference of a bin with samples.
    pub mce: f64,
    /// The reliability table, [`BINS`] rows; a probability on an edge is in the lower bin.
    pub bins: Vec<Bin>,
}

/// The samples whose class is predicted with a probability in (from, to].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// Lower edge; the first bin has it as well.
    pub from: f64,
    /// Upper edge.
    pub to: f64,
    /// Samples.
    pub samples: u64,
    /// Mean probability of the predicted class; `None` without samples.
    pub confidence: Option<f64>,
    /// Share that is right; `None` without samples.
    pub accuracy: Option<f64>,
}

/// Sums of each bin.
#[derive(Default)]
pub(super) struct Tally {
    bins: [(u64, u64, f64); BINS],
}

impl Tally {
    pub(super) fn add(&mut self, confidence: f64, is_right: bool) {
        // Probabilities are f32: 0.2 as one is not below 3/15, and counts as it.
        let place = (1..BINS).filter(|edge| confidence > f64::from(edge_of(*edge) as f32)).count();
        let (samples, right, sum) = &mut self.bins[place];
        *samples += 1;
        *right += u64::from(is_right);
        *sum += confidence;
    }

    pub(super) fn finish(self) -> Calibration {
        let all: u64 = self.bins.iter().map(|(samples, ..)| samples).sum();
        let (mut ece, mut mce) = (0.0, 0.0_f64);
        let bins = self.bins.iter().enumerate().map(|(place, (samples, right, sum))| {
            let of = |value: f64| (*samples > 0).then(|| value / *samples as f64);
            let (confidence, accuracy) = (of(*sum), of(*right as f64));
            if let (Some(confidence), Some(accuracy)) = (confidence, accuracy) {
                let gap = (accuracy - confidence).abs();
                ece += gap * *samples as f64 / all as f64;
                mce = mce.max(gap);
            }
            Bin { from: edge_of(place), to: edge_of(place + 1), samples: *samples, confidence, accuracy }
        });
        let bins = bins.collect();
        Calibration { ece, mce, bins }
    }
}

fn edge_of(place: usize) -> f64 {
    place as f64 / BINS as f64
}
