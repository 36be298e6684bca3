//! Whether a block goes on: a function of the validations that it has had, so that nothing is to be kept beside them.

use super::validation::Score;
use crate::config::EarlyStopping;

/// What follows from a block's validations so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The place of the best one.
    pub best: usize,
    /// Whether the block ends here.
    pub ends: bool,
}

/// Judges a list of validations, the newest last. A loss that is not a number is never better.
pub fn verdict(scores: &[Score], stopping: &EarlyStopping) -> Verdict {
    let (mut best, mut least) = (0, f64::INFINITY);
    for (place, score) in scores.iter().enumerate() {
        if score.loss < least - stopping.min_delta {
            (best, least) = (place, score.loss);
        }
    }
    Verdict { best, ends: scores.len().saturating_sub(best + 1) >= stopping.patience }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(losses: &[f64], patience: usize, min_delta: f64) -> (usize, bool) {
        let scores: Vec<_> =
            losses.iter().enumerate().map(|(at, loss)| Score { epoch: at + 1, loss: *loss, accuracy: 0.0 }).collect();
        let Verdict { best, ends } = verdict(&scores, &EarlyStopping { patience, min_delta, restore_best: true });
        (best, ends)
    }

    /// As Keras's `EarlyStopping` counts: `wait` begins again at every better epoch, and ends the training at `patience`.
    #[test]
    fn a_block_ends_when_it_has_not_got_better_for_its_patience() {
        assert_eq!(judge(&[1.0], 1, 0.0), (0, false));
        assert_eq!(judge(&[1.0, 1.0], 1, 0.0), (0, true));
        assert_eq!(judge(&[1.0, 0.9, 0.95, 0.93], 2, 0.0), (1, true));
        assert_eq!(judge(&[1.0, 0.9, 0.95, 0.89], 2, 0.0), (3, false));
        // Better by less than the least that counts, again and again: measured from the best that counted.
        assert_eq!(judge(&[1.0, 0.95, 0.91, 0.89], 4, 0.1), (3, false));
        assert_eq!(judge(&[1.0, 0.95, 0.91], 2, 0.1), (0, true));
        assert_eq!(judge(&[f64::NAN, 0.5, f64::NAN], 2, 0.0), (1, false));
        assert_eq!(judge(&[f64::NAN, f64::NAN], 1, 0.0), (0, true));
    }
}
