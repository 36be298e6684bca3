//! The sample that stands in the middle of its class: the one of the least median distance to the others. It is what the paper begins its
//! prototypes with.

use super::Dataset;
use super::parallel::map;
use crate::error::Result;
use crate::memory::reserved;
use crate::tensor::StopFlag;

/// Samples of a class that are compared, each with each. Of larger classes as many are taken, spread evenly over the order of the data.
const MOST_SAMPLES: usize = 500;
/// Values of them that are in memory at a time.
const MOST_VALUES: usize = 1 << 26;
/// Sums that a distance is added up in, so that several are added at once. Their order is part of the result.
const LANES: usize = 8;

/// The place of each class's medoid; none of a class without samples. `classes` has the class of each sample. Of several that are equally
/// near, it is the first. Threads change nothing.
///
/// # Errors
/// [`crate::Code::Io`] where samples are in a file that cannot be read, [`crate::Code::Memory`].
pub fn medoids(data: &Dataset, classes: &[u32], count: usize) -> Result<Vec<Option<usize>>> {
    let mut places = vec![Vec::new(); count];
    classes.iter().enumerate().for_each(|(sample, class)| places[*class as usize].push(sample));
    let width = data.shape().len();
    let most = (MOST_VALUES / width).clamp(2, MOST_SAMPLES);
    places.iter().map(|places| medoid(data, &spread(places, most), width)).collect()
}

/// At most so many of them, at even distances.
fn spread(places: &[usize], most: usize) -> Vec<usize> {
    let count = places.len().min(most);
    (0..count).map(|index| places[index * places.len() / count]).collect()
}

fn medoid(data: &Dataset, places: &[usize], width: usize) -> Result<Option<usize>> {
    let mut values: Vec<f32> = reserved(places.len() * width, "samples of a class")?;
    values.resize(places.len() * width, 0.0);
    for (place, row) in places.iter().zip(values.chunks_exact_mut(width)) {
        data.value(*place, row)?;
    }
    let row = |index: usize| &values[index * width..][..width];
    // Distances to those before; the others are the same the other way round.
    let before = map(places.len(), &StopFlag::new(), |one| -> Vec<f64> {
        (0..one).map(|other| distance(row(one), row(other))).collect()
    })?;
    let medians = (0..places.len()).map(|one| {
        let after = (one + 1..places.len()).map(|other| before[other][one]);
        median(before[one].iter().copied().chain(after).collect())
    });
    let nearest = medians.enumerate().min_by(|(_, one), (_, other)| one.total_cmp(other));
    Ok(nearest.map(|(index, _)| places[index]))
}

fn distance(one: &[f32], other: &[f32]) -> f64 {
    let mut sums = [0.0_f32; LANES];
    let (parts, others) = (one.chunks_exact(LANES), other.chunks_exact(LANES));
    let rest = parts.remainder().iter().zip(others.remainder());
    let last: f64 = rest.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    for (part, other) in parts.zip(others) {
        for lane in 0..LANES {
            sums[lane] += (part[lane] - other[lane]).powi(2);
        }
    }
    (last + sums.iter().map(|sum| f64::from(*sum)).sum::<f64>()).sqrt()
}

/// The middle one, or the mean of the middle two; 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        len => 0.5 * (values[(len - 1) / 2] + values[len / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{InputShape, Pixels};
    use crate::rng::{Purpose, Stream};

    fn data(values: Vec<f32>, width: usize) -> Dataset {
        Dataset::from_arrays(Pixels::F32(values), InputShape::Vector { len: width }, None).unwrap()
    }

    fn normal(count: usize) -> Vec<f32> {
        let stream = Stream::new(3, Purpose::Init, 0, 0, 0);
        (0..count as u32).map(|index| stream.normal(index) as f32).collect()
    }

    /// As the definition says, in double precision.
    fn plain(values: &[f32], classes: &[u32], class: u32, width: usize) -> usize {
        let places: Vec<usize> = (0..classes.len()).filter(|place| classes[*place] == class).collect();
        let distance = |one: usize, other: usize| -> f64 {
            let value = |place: usize, k: usize| f64::from(values[place * width + k]);
            (0..width).map(|k| (value(one, k) - value(other, k)).powi(2)).sum::<f64>().sqrt()
        };
        let middle = |one: usize| {
            let mut all: Vec<f64> = places.iter().filter(|other| **other != one).map(|o| distance(one, *o)).collect();
            all.sort_by(f64::total_cmp);
            let half = all.len() / 2;
            if all.len() % 2 == 1 { all[half] } else { (all[half - 1] + all[half]) / 2.0 }
        };
        *places.iter().min_by(|one, other| middle(**one).total_cmp(&middle(**other))).unwrap()
    }

    #[test]
    fn a_medoid_has_the_least_median_distance_to_the_others_of_its_class() {
        // A whole number of lanes, and a rest; odd and even numbers of others.
        for (samples, width) in [(41, 3), (60, 8), (57, 21)] {
            let values = normal(samples * width);
            let classes: Vec<u32> = (0..samples as u32).map(|sample| sample * 7 % 3).collect();
            let found = medoids(&data(values.clone(), width), &classes, 3).unwrap();
            let expected = (0..3).map(|class| Some(plain(&values, &classes, class, width)));
            assert_eq!(found, expected.collect::<Vec<_>>(), "{samples} {width}");
        }
    }

    #[test]
    fn the_median_does_not_follow_what_is_far_away() {
        // By the mean it would be the second.
        let values = vec![0.0, 2.0, 0.1, -0.1, 1000.0];
        assert_eq!(medoids(&data(values, 1), &[0; 5], 1).unwrap(), [Some(0)]);
    }

    #[test]
    fn classes_of_few_samples_have_one_and_empty_ones_have_none() {
        let found = medoids(&data(vec![1.0, 2.0, 3.0], 1), &[2, 0, 2], 4).unwrap();
        assert_eq!(found, [Some(1), None, Some(0), None]);
    }

    #[test]
    fn of_a_large_class_samples_of_its_whole_length_are_compared() {
        assert_eq!(spread(&[4, 5, 6], 5), [4, 5, 6]);
        let places: Vec<usize> = (0..1000).collect();
        let some = spread(&places, 4);
        assert_eq!(some, [0, 250, 500, 750]);
        // Values lie closest together around that of place 500; of the samples that are compared every second is left out.
        let values: Vec<f32> = (0..1000_u16).map(|place| f32::from(place) - 500.0).map(|at| at * at.abs()).collect();
        let found = medoids(&data(values.clone(), 1), &[0; 1000], 1).unwrap()[0].unwrap();
        assert!(found.abs_diff(500) <= 4 && found.is_multiple_of(2), "{found}");
        assert_eq!(medoids(&data(values, 1), &[0; 1000], 1).unwrap(), [Some(found)]);
    }
}
