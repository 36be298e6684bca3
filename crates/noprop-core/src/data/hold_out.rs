//! Holds samples out of a data set, for validation: the same share of each class, drawn from a seed.

use super::{Dataset, Pixels};
use crate::error::{Code, Error, Result};
use crate::memory::reserved;
use crate::rng;
use std::collections::BTreeMap;

/// The epoch whose order says who is held out: none that is trained.
const EPOCH: usize = u32::MAX as usize;

/// The samples that are left, and those that are held out: of each class as near to `share` as whole samples go, but at least one
/// where there are two. Both keep the order of the data. Without labels the share is that of all samples.
///
/// # Errors
/// [`Code::Option`] for a share outside of (0, 1), or one that leaves nothing on one side; [`Code::Memory`].
pub fn hold_out(data: &Dataset, share: f64, seed: u64) -> Result<(Dataset, Dataset)> {
    let refused = |received: String| {
        Error::new(Code::Option, "option validationSplit is out of range")
            .expected("a share above 0 and below 1, which leaves samples on both sides")
            .received(received)
    };
    if !(share > 0.0 && share < 1.0) {
        return Err(refused(share.to_string()));
    }
    let mut order = Vec::new();
    rng::fill_epoch_order(seed, EPOCH, data.samples(), &mut Vec::new(), &mut order);
    let mut classes = BTreeMap::<i32, Vec<u32>>::new();
    for sample in order {
        let label = data.labels().map_or(0, |labels| labels[sample as usize]);
        classes.entry(label).or_default().push(sample);
    }
    let mut is_held = vec![false; data.samples()];
    for samples in classes.values() {
        let least = usize::from(samples.len() > 1);
        let count = ((samples.len() as f64 * share).round() as usize).clamp(least, samples.len().saturating_sub(1));
        samples[..count].iter().for_each(|sample| is_held[*sample as usize] = true);
    }
    let held = is_held.iter().filter(|held| **held).count();
    if held == 0 || held == data.samples() {
        return Err(refused(format!("{share} of {} samples", data.samples())));
    }
    Ok((part(data, |sample| !is_held[sample], data.samples() - held)?, part(data, |sample| is_held[sample], held)?))
}

/// The `count` samples that are wanted.
fn part(data: &Dataset, wants: impl Fn(usize) -> bool, count: usize) -> Result<Dataset> {
    let (shape, len) = (data.shape(), data.shape().len());
    let samples = || (0..data.samples()).filter(|sample| wants(*sample));
    let pixels = match data.pixels() {
        Pixels::U8(values) => Pixels::U8(gather(values, len, samples(), count)?),
        Pixels::F32(values) => Pixels::F32(gather(values, len, samples(), count)?),
    };
    let labels = data.labels().map(|labels| samples().map(|sample| labels[sample]).collect());
    Dataset::from_arrays(pixels, shape, labels)
}

fn gather<T: Copy>(values: &[T], len: usize, samples: impl Iterator<Item = usize>, count: usize) -> Result<Vec<T>> {
    let mut gathered = reserved(count * len, "a part of the data set")?;
    samples.for_each(|sample| gathered.extend_from_slice(&values[sample * len..][..len]));
    Ok(gathered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::InputShape;

    /// Sample i holds the value i; `labels` has its label.
    fn data(labels: Vec<i32>) -> Dataset {
        let values = (0..labels.len()).map(|sample| sample as f32).collect();
        Dataset::from_arrays(Pixels::F32(values), InputShape::Vector { len: 1 }, Some(labels)).unwrap()
    }

    fn samples(data: &Dataset) -> Vec<usize> {
        let Pixels::F32(values) = data.pixels() else { panic!("floats") };
        values.iter().map(|value| *value as usize).collect()
    }

    #[test]
    fn each_class_gives_its_share_and_nothing_is_lost() {
        // 50 of class 0, 30 of class 7, 3 of class −2, one of class 9.
        let labels: Vec<i32> = [vec![0; 50], vec![7; 30], vec![-2; 3], vec![9]].concat();
        let all = data(labels.clone());
        let (left, held) = hold_out(&all, 0.1, 4).unwrap();
        let count = |part: &Dataset, label| part.labels().unwrap().iter().filter(|found| **found == label).count();
        assert_eq!([0, 7, -2, 9].map(|label| count(&held, label)), [5, 3, 1, 0]);
        let mut both = [samples(&left), samples(&held)].concat();
        assert!(samples(&left).is_sorted() && samples(&held).is_sorted());
        both.sort_unstable();
        assert!(both.into_iter().eq(0..84));
        for part in [&left, &held] {
            for (sample, label) in samples(part).iter().zip(part.labels().unwrap()) {
                assert_eq!(labels[*sample], *label);
            }
        }
        assert_eq!(hold_out(&all, 0.1, 4).unwrap().1.fingerprint(), held.fingerprint());
        assert_ne!(hold_out(&all, 0.1, 5).unwrap().1.fingerprint(), held.fingerprint());
        // Of bytes as of floats.
        let bytes = Pixels::U8((0..84).collect());
        let bytes = Dataset::from_arrays(bytes, InputShape::Vector { len: 1 }, Some(labels)).unwrap();
        let Pixels::U8(values) = hold_out(&bytes, 0.1, 4).unwrap().1.pixels().clone() else { panic!("bytes") };
        assert!(values.into_iter().map(usize::from).eq(samples(&held)));
    }

    #[test]
    fn a_share_that_leaves_nothing_is_refused() {
        for share in [0.0, 1.0, -0.5, f64::NAN] {
            assert_eq!(hold_out(&data(vec![0, 1]), share, 0).unwrap_err().code, Code::Option);
        }
        // Two classes of one sample each have none to spare.
        assert_eq!(hold_out(&data(vec![0, 1]), 0.5, 0).unwrap_err().code, Code::Option);
        assert_eq!(hold_out(&data(vec![0, 0, 1, 1]), 0.9, 0).unwrap().0.samples(), 2);
    }
}
