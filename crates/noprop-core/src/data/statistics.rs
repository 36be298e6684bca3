//! What is worth knowing of a data set before a model is trained on it.

use std::collections::HashMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::dataset::Stored;
use super::{Dataset, Origin};
use crate::Result;

/// So many examples of a finding are named.
const EXAMPLES: usize = 100;

/// Counts over the samples of a data set.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// Samples.
    pub samples: usize,
    /// Samples of each class, in the order of the classes; empty without labels.
    pub per_class: Vec<usize>,
    /// Smallest value, as a net sees it.
    pub minimum: f32,
    /// Greatest value.
    pub maximum: f32,
    /// Mean of all values.
    pub mean: f64,
    /// Standard deviation of all values (divided by n).
    pub std: f64,
    /// Places of a sample whose value is the same in all samples: columns, or pixels.
    pub constant: Vec<usize>,
    /// Samples that are equal to an earlier one.
    pub duplicates: Twins,
    /// Samples that are equal to an earlier one of another label.
    pub contradictions: Twins,
}

/// Pairs of equal samples.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Twins {
    /// Samples that have such a twin.
    pub count: usize,
    /// The first few, `[twin, sample]` by their positions.
    pub examples: Vec<[usize; 2]>,
    /// Where these are from; empty where that is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<[Origin; 2]>,
}

impl Twins {
    /// Adds a twin, which is in `data`, and the sample of `others`.
    fn add(&mut self, data: &Dataset, others: &Dataset, pair: [usize; 2]) {
        self.count += 1;
        if self.examples.len() == EXAMPLES {
            return;
        }
        self.examples.push(pair);
        let places = [data.origin(pair[0]), others.origin(pair[1])];
        if places.iter().any(|place| *place != Origin::default()) {
            self.places.push(places);
        }
    }
}

/// The statistics of a data set.
///
/// # Errors
/// Those of [`Dataset::value`].
pub fn statistics(data: &Dataset) -> Result<Statistics> {
    let labels = data.labels();
    let mut per_class = vec![0; data.classes().len()];
    for class in data.class_indices(data.classes()).into_iter().flatten() {
        per_class[class as usize] += 1;
    }
    let len = data.shape().len();
    let mut first = vec![0.0; len];
    data.value(0, &mut first)?;
    let mut is_constant = vec![true; len];
    let (mut minimum, mut maximum, mut sum, mut squares) = (f32::INFINITY, f32::NEG_INFINITY, 0.0, 0.0);
    let mut sample = vec![0.0; len];
    for index in 0..data.samples() {
        data.value(index, &mut sample)?;
        for ((value, first), is_constant) in sample.iter().zip(&first).zip(&mut is_constant) {
            *is_constant &= value == first;
            minimum = minimum.min(*value);
            maximum = maximum.max(*value);
            sum += f64::from(*value);
            squares += f64::from(*value).powi(2);
        }
    }
    let count = (data.samples() * len) as f64;
    let mean = sum / count;
    let (mut duplicates, mut contradictions) = (Twins::default(), Twins::default());
    let mut seen = HashMap::new();
    for index in 0..data.samples() {
        let earlier = *seen.entry(digest(data, index)?).or_insert(index);
        if earlier == index {
            continue;
        }
        duplicates.add(data, data, [earlier, index]);
        if labels.is_some_and(|labels| labels[earlier] != labels[index]) {
            contradictions.add(data, data, [earlier, index]);
        }
    }
    Ok(Statistics {
        samples: data.samples(),
        per_class,
        minimum,
        maximum,
        mean,
        std: (squares / count - mean * mean).max(0.0).sqrt(),
        // One sample shows nothing.
        constant: (0..len).filter(|place| is_constant[*place] && data.samples() > 1).collect(),
        duplicates,
        contradictions,
    })
}

/// Samples of `test` that are also in `train`, `[in train, in test]`.
///
/// # Errors
/// Those of [`Dataset::value`].
pub fn shared(train: &Dataset, test: &Dataset) -> Result<Twins> {
    let mut seen = HashMap::new();
    for index in 0..train.samples() {
        seen.entry(digest(train, index)?).or_insert(index);
    }
    let mut twins = Twins::default();
    for index in 0..test.samples() {
        if let Some(twin) = seen.get(&digest(test, index)?) {
            twins.add(train, test, [*twin, index]);
        }
    }
    Ok(twins)
}

/// Half of a SHA-256 over the values of a sample.
fn digest(data: &Dataset, sample: usize) -> Result<[u8; 16]> {
    let mut hash = Sha256::new();
    match data.stored(sample)? {
        Stored::U8(values) => hash.update(&values),
        Stored::F32(values) => values.iter().for_each(|value| hash.update(value.to_le_bytes())),
    }
    let mut half = [0; 16];
    half.copy_from_slice(&hash.finalize()[..16]);
    Ok(half)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{InputShape, Origins, Pixels};

    #[test]
    fn twins_constants_and_moments() {
        let data = |values: &[f32], labels: &[i32]| {
            let shape = InputShape::new(&[2]).unwrap();
            Dataset::from_arrays(Pixels::F32(values.to_vec()), shape, Some(labels.to_vec())).unwrap()
        };
        let train = data(&[1.0, 5.0, 2.0, 5.0, 1.0, 5.0, 2.0, 5.0, 3.0, 5.0], &[0, 4, 0, 0, 4]);
        let found = statistics(&train).unwrap();
        assert_eq!((found.samples, &found.per_class[..]), (5, &[3, 2][..]));
        assert_eq!((found.minimum, found.maximum, found.constant), (1.0, 5.0, vec![1]));
        // numpy.mean and numpy.std of the ten values.
        assert!(
            (found.mean - 3.4).abs() < 1e-12 && (found.std - 1.685_229_954_635_271_8).abs() < 1e-12,
            "{}",
            found.std
        );
        assert_eq!(found.duplicates, Twins { count: 2, examples: vec![[0, 2], [1, 3]], places: vec![] });
        assert_eq!(found.contradictions, Twins { count: 1, examples: vec![[1, 3]], places: vec![] });
        let test = data(&[9.0, 5.0, 3.0, 5.0], &[0, 0]);
        assert_eq!(shared(&train, &test).unwrap(), Twins { count: 1, examples: vec![[4, 1]], places: vec![] });
        let from = |data: Dataset, rows: &[u32]| data.with_origins(Origins::Rows(rows.to_vec()));
        let (train, test) = (from(train, &[9, 8, 7, 6, 5]), from(test, &[3, 2]));
        let row = |row| Origin { path: None, row: Some(row) };
        assert_eq!(statistics(&train).unwrap().contradictions.places, [[row(8), row(6)]]);
        assert_eq!(shared(&train, &test).unwrap().places, [[row(5), row(2)]]);
        assert_eq!(statistics(&data(&[1.0, 2.0], &[0])).unwrap().constant, Vec::<usize>::new());
    }
}
