//! The two parts of a data set.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::rng::{Purpose, Stream};
use crate::{Code, Error, Result};

/// Which part of a data set.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// The samples to train on.
    Train,
    /// The samples held out for the test.
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Test => "test",
        })
    }
}

/// The positions of the samples to train on, and of those held out: of each class `share` of its samples, rounded, but never
/// all of them. Which ones follows from the seed and their positions alone; both lists are in increasing order.
///
/// # Errors
/// [`Code::Option`] for a share that is not between 0 and 1, or that holds out no sample.
pub fn stratified(classes: &[u32], share: f64, seed: u64) -> Result<(Vec<usize>, Vec<usize>)> {
    stratified_by("testSplit", classes, share, seed)
}

/// As [`stratified`], for an `option` of another name, which errors name.
///
/// # Errors
/// Those of [`stratified`].
pub fn stratified_by(option: &str, classes: &[u32], share: f64, seed: u64) -> Result<(Vec<usize>, Vec<usize>)> {
    if !(share > 0.0 && share < 1.0) {
        return Err(Error::new(Code::Option, format!("option {option} is out of range"))
            .expected("a share of the samples, above 0 and below 1")
            .received(share.to_string()));
    }
    let key = |sample: usize| {
        let [a, b, ..] = Stream::new(seed, Purpose::Split, 0, 0, sample).words(0);
        ((a, b), sample)
    };
    let mut order: Vec<usize> = (0..classes.len()).collect();
    order.sort_by_cached_key(|&sample| (classes[sample], key(sample)));
    let mut is_test = vec![false; classes.len()];
    for members in order.chunk_by(|&one, &other| classes[one] == classes[other]) {
        let held = ((share * members.len() as f64).round() as usize).min(members.len() - 1);
        members[..held].iter().for_each(|&sample| is_test[sample] = true);
    }
    let (test, train): (Vec<_>, Vec<_>) = (0..classes.len()).partition(|&sample| is_test[sample]);
    if test.is_empty() {
        return Err(Error::new(Code::Option, format!("option {option} holds out no sample"))
            .expected("a share that is at least half a sample of some class with two or more")
            .received(share.to_string())
            .hint("use a larger share, or more data"));
    }
    Ok((train, test))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_gives_its_share() {
        let classes: Vec<u32> = (0..1000).map(|sample| u32::from(sample % 10 == 0)).collect();
        let (train, test) = stratified(&classes, 0.2, 7).unwrap();
        assert_eq!((train.len(), test.len()), (800, 200));
        assert_eq!(test.iter().filter(|&&sample| classes[sample] == 1).count(), 20);
        let mut all = [train.clone(), test.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..1000).collect::<Vec<_>>());
        assert_eq!(stratified(&classes, 0.2, 7).unwrap().1, test);
        let other = stratified(&classes, 0.2, 8).unwrap().1;
        assert!(other != test && other.iter().filter(|sample| test.contains(sample)).count() < 80);
    }

    #[test]
    fn a_class_keeps_a_sample_to_train_on() {
        let (train, test) = stratified(&[0, 0, 1, 2, 2, 2], 0.9, 0).unwrap();
        assert_eq!((train.len(), test.len()), (3, 3));
        for share in [0.0, 1.0, -0.1, f64::NAN, 0.01] {
            assert_eq!(stratified(&[0, 0, 1], share, 0).unwrap_err().code, Code::Option, "{share}");
        }
    }
}
