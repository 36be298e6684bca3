//! The vectors u_y that stand for the classes. Training and sampling take them from here and from nowhere else.

use super::{argmax, noised_label, probabilities};
use crate::rng::{Purpose, Stream};
use std::sync::Arc;

/// The embedding of every class.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassVectors {
    classes: usize,
    width: usize,
    /// `[classes, width]`; the identity without.
    rows: Option<Arc<[f32]>>,
}

impl ClassVectors {
    /// Unit vectors of so many values as classes.
    pub fn one_hot(classes: usize) -> Self {
        Self { classes, width: classes, rows: None }
    }

    /// Rows `[classes, dim]` of a random orthogonal matrix. With `dim` of at least `classes` they are orthonormal: any two are as far
    /// from each other as one-hot vectors are. With fewer that is impossible: then the columns are orthogonal, and have length
    /// √(classes / dim), so that the mean square of a row's length is 1.
    pub fn orthogonal(classes: usize, dim: usize, seed: u64) -> Self {
        let (count, len) = (classes.min(dim), classes.max(dim));
        let vectors = orthonormal(count, len, seed);
        let scale = (len as f64 / count as f64).sqrt();
        let value = |class: usize, k: usize| match dim >= classes {
            true => vectors[class * len + k],
            false => scale * vectors[k * len + class],
        };
        let rows = (0..classes).flat_map(|class| (0..dim).map(move |k| (class, k)));
        Self::of_rows(classes, rows.map(|(class, k)| value(class, k) as f32).collect())
    }

    /// Rows `[classes, dim]` of random values, the mean square of whose lengths is 1.
    pub fn random(classes: usize, dim: usize, seed: u64) -> Self {
        let value = |class, k| Stream::new(seed, Purpose::Embedding, 0, 0, class).normal(k);
        let rows = (0..classes).flat_map(|class| (0..dim as u32).map(move |k| value(class, k) / (dim as f64).sqrt()));
        Self::of_rows(classes, rows.map(|value| value as f32).collect())
    }

    /// These rows `[classes, width]`.
    pub fn of_rows(classes: usize, rows: Arc<[f32]>) -> Self {
        Self { classes, width: rows.len() / classes, rows: Some(rows) }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Values of a vector, and so of a state.
    pub fn width(&self) -> usize {
        self.width
    }

    /// `[classes, width]`, unless they are the identity.
    pub fn rows(&self) -> Option<&Arc<[f32]>> {
        self.rows.as_ref()
    }

    /// `[width, classes]`, unless they are the identity: the weight of a linear layer that gives the coordinate along each vector.
    pub fn by_inputs(&self) -> Option<Arc<[f32]>> {
        let rows = self.rows.as_ref()?;
        let (classes, width) = (self.classes, self.width);
        let places = (0..width).flat_map(|k| (0..classes).map(move |class| class * width + k));
        Some(places.map(|place| rows[place]).collect())
    }

    /// Whether they are the identity.
    pub fn is_one_hot(&self) -> bool {
        self.rows.is_none()
    }

    /// Value k of the vector of a class.
    pub fn value(&self, class: usize, k: usize) -> f64 {
        match &self.rows {
            None => f64::from(u8::from(k == class)),
            Some(rows) => f64::from(rows[class * self.width + k]),
        }
    }

    /// The vector of a class.
    pub fn vector(&self, class: usize) -> impl Iterator<Item = f32> {
        (0..self.width).map(move |k| self.value(class, k) as f32)
    }

    /// Writes the vector of a class.
    pub fn write(&self, class: usize, to: &mut [f32]) {
        match &self.rows {
            None => {
                to.fill(0.0);
                to[class] = 1.0;
            }
            Some(rows) => to.copy_from_slice(&rows[class * self.width..][..self.width]),
        }
    }

    /// ‖u_y‖².
    pub fn square(&self, class: usize) -> f64 {
        if self.is_one_hot() { 1.0 } else { (0..self.width).map(|k| self.value(class, k).powi(2)).sum() }
    }

    /// The root of the mean square of all values.
    pub fn deviation(&self) -> f64 {
        if self.is_one_hot() {
            // One value in `classes` is 1.
            return 1.0 / (self.classes as f64).sqrt();
        }
        let total: f64 = (0..self.classes).map(|class| self.square(class)).sum();
        (total / (self.classes * self.width) as f64).sqrt()
    }

    /// Draws z ~ q(z | y) = N(√ᾱ u_y, (1 − ᾱ) I); see [`noised_label`].
    pub fn noised(&self, alpha_bar: f64, class: usize, noise: &Stream, z: &mut [f32]) {
        if self.is_one_hot() {
            return noised_label(alpha_bar, class, noise, z);
        }
        let (signal, deviation) = (alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt());
        for (pair, values) in z.chunks_mut(2).enumerate() {
            let normal = noise.normal_pair(pair as u32);
            for (at, (value, normal)) in values.iter_mut().zip(normal).enumerate() {
                *value = (signal * self.value(class, 2 * pair + at) + deviation * normal) as f32;
            }
        }
    }

    /// How near a state z = √ᾱ u + noise is to every class: greatest for the nearest. With u = z / √ᾱ it is u·u_k − ½ (‖u_k‖² − 1), so
    /// of orthonormal vectors it is the coordinate of u along u_k, as it is of unit vectors.
    pub fn nearness(&self, z: &[f32], alpha_bar: f64, out: &mut [f32]) {
        if self.is_one_hot() {
            return out.copy_from_slice(z);
        }
        let scale = if alpha_bar > 0.0 { alpha_bar.sqrt().recip() } else { 1.0 };
        for (class, out) in out.iter_mut().enumerate() {
            let product: f64 = z.iter().enumerate().map(|(k, z)| f64::from(*z) * self.value(class, k)).sum();
            *out = (scale * product - 0.5 * (self.square(class) - 1.0)) as f32;
        }
    }

    /// Probabilities of the classes from a [`nearness`](Self::nearness) at that ᾱ; the greatest is that of the nearest class.
    pub fn probabilities(&self, nearness: &[f32], alpha_bar: f64, out: &mut [f32]) {
        probabilities(nearness, if self.is_one_hot() { alpha_bar } else { 1.0 }, out);
    }

    /// The class whose vector is nearest to z / √ᾱ. `room` has a value for each class.
    pub fn nearest(&self, z: &[f32], alpha_bar: f64, room: &mut [f32]) -> usize {
        if self.is_one_hot() {
            return argmax(z);
        }
        self.nearness(z, alpha_bar, room);
        argmax(room)
    }
}

/// `count` random orthonormal vectors `[count, len]`, by the method of Gram and Schmidt. It is gone through twice, which is enough for
/// the precision of f64 (Giraud & Langou 2005).
fn orthonormal(count: usize, len: usize, seed: u64) -> Vec<f64> {
    let normal = |index: usize| {
        let stream = Stream::new(seed, Purpose::Embedding, 0, 0, index);
        (0..len as u32).map(move |k| stream.normal(k))
    };
    let mut vectors: Vec<f64> = (0..count).flat_map(normal).collect();
    let dot = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
    for index in 0..count {
        let (before, rest) = vectors.split_at_mut(index * len);
        let vector = &mut rest[..len];
        for _ in 0..2 {
            for other in before.chunks_exact(len) {
                let share = dot(vector, other);
                vector.iter_mut().zip(other).for_each(|(value, other)| *value -= share * other);
            }
            let length = dot(vector, vector).sqrt();
            vector.iter_mut().for_each(|value| *value /= length);
        }
    }
    vectors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(vectors: &ClassVectors, one: usize, other: usize) -> f64 {
        (0..vectors.width()).map(|k| vectors.value(one, k) * vectors.value(other, k)).sum()
    }

    #[test]
    fn with_room_for_all_classes_rows_are_orthonormal() {
        for (classes, dim) in [(2, 2), (10, 10), (10, 37), (100, 128)] {
            let vectors = ClassVectors::orthogonal(classes, dim, 5);
            assert_eq!((vectors.classes(), vectors.width()), (classes, dim));
            for one in 0..classes {
                for other in 0..=one {
                    let expected = f64::from(u8::from(one == other));
                    // Values are rounded to f32.
                    assert!((product(&vectors, one, other) - expected).abs() < 1e-6, "{classes} {dim}: {one} {other}");
                }
            }
            assert!((vectors.deviation() - 1.0 / (dim as f64).sqrt()).abs() < 1e-6);
        }
    }

    #[test]
    fn with_less_room_columns_are_orthogonal_and_rows_differ() {
        for (classes, dim) in [(3, 1), (10, 4), (100, 20)] {
            let vectors = ClassVectors::orthogonal(classes, dim, 5);
            for one in 0..dim {
                for other in 0..=one {
                    let sum: f64 = (0..classes).map(|y| vectors.value(y, one) * vectors.value(y, other)).sum();
                    let expected = if one == other { classes as f64 / dim as f64 } else { 0.0 };
                    assert!((sum - expected).abs() < 1e-5, "{classes} {dim}: {one} {other}: {sum}");
                }
            }
            let distance = |one: usize, other: usize| -> f64 {
                (0..dim).map(|k| (vectors.value(one, k) - vectors.value(other, k)).powi(2)).sum()
            };
            let mut pairs = (0..classes).flat_map(|one| (0..one).map(move |other| (one, other)));
            assert!(pairs.all(|(one, other)| distance(one, other) > 1e-6));
        }
    }

    #[test]
    fn they_follow_from_the_seed_alone() {
        assert_eq!(ClassVectors::orthogonal(4, 6, 1), ClassVectors::orthogonal(4, 6, 1));
        assert_ne!(ClassVectors::orthogonal(4, 6, 1), ClassVectors::orthogonal(4, 6, 2));
    }

    #[test]
    fn the_mean_of_noised_labels_is_that_of_their_vector() {
        let vectors = ClassVectors::orthogonal(3, 5, 1);
        let (mut mean, mut z) = ([0.0; 5], [0.0; 5]);
        let draws = 20_000;
        for sample in 0..draws {
            vectors.noised(0.36, 1, &Stream::new(3, Purpose::LabelNoise, 1, 0, sample), &mut z);
            mean.iter_mut().zip(z).for_each(|(mean, z)| *mean += f64::from(z) / draws as f64);
        }
        for (k, mean) in mean.iter().enumerate() {
            // Five standard errors: 5 · 0.8 / √20000.
            assert!((mean - 0.6 * vectors.value(1, k)).abs() < 0.0284, "{k}: {mean}");
        }
        vectors.noised(1.0, 2, &Stream::new(3, Purpose::LabelNoise, 1, 0, 0), &mut z);
        assert!((0..5).all(|k| f64::from(z[k]) == vectors.value(2, k)));
    }

    #[test]
    fn the_nearest_class_is_that_of_the_least_distance_and_has_the_greatest_probability() {
        for dim in [2, 4, 9] {
            let vectors = ClassVectors::orthogonal(4, dim, 7);
            for sample in 0..200 {
                let noise = Stream::new(9, Purpose::LabelNoise, 1, 0, sample);
                let z: Vec<f32> = (0..dim as u32).map(|k| noise.normal(k) as f32).collect();
                let distance = |class: usize| -> f64 {
                    let error = |k: usize| f64::from(z[k]) / 0.25_f64.sqrt() - vectors.value(class, k);
                    (0..dim).map(|k| error(k).powi(2)).sum()
                };
                let expected = (0..4).min_by(|one, other| distance(*one).total_cmp(&distance(*other))).unwrap();
                let (mut room, mut shares) = ([0.0; 4], [0.0; 4]);
                assert_eq!(vectors.nearest(&z, 0.25, &mut room), expected);
                vectors.probabilities(&room, 0.25, &mut shares);
                assert_eq!(argmax(&shares), expected);
            }
        }
        // A mean of two classes' vectors, scaled by √ᾱ.
        let vectors = ClassVectors::orthogonal(3, 6, 2);
        let z: Vec<f32> =
            (0..6).map(|k| (0.5 * (0.75 * vectors.value(0, k) + 0.25 * vectors.value(2, k))) as f32).collect();
        let (mut room, mut shares) = ([0.0; 3], [0.0; 3]);
        vectors.nearness(&z, 0.25, &mut room);
        vectors.probabilities(&room, 0.25, &mut shares);
        for (share, expected) in shares.iter().zip([0.75, 0.0, 0.25]) {
            assert!((share - expected).abs() < 1e-6, "{shares:?}");
        }
    }
}
