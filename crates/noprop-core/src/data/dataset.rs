//! Samples in memory or in a file, with or without labels.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use super::classes::named;
use super::on_disk::OnDisk;
use super::origins::{Origin, Origins};
use super::parallel::any;
use super::split::stratified_by;
use super::{Classes, InputShape, Preprocessing, Targets};
use crate::memory::reserved;
use crate::storage::container::from_bytes;
use crate::{Code, Error, Result};

/// The values of all samples, sample after sample; an image row by row with its channels innermost (NHWC).
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// Bytes; a net sees them divided by 255.
    U8(Vec<u8>),
    /// Finite numbers; a net sees them as they are.
    F32(Vec<f32>),
    /// Bytes or numbers in a file, which a net sees as others.
    Disk(OnDisk),
}

/// The values of one sample as they are stored.
pub(crate) enum Stored<'a> {
    U8(Cow<'a, [u8]>),
    F32(Cow<'a, [f32]>),
}

impl Pixels {
    /// The number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::F32(values) => values.len(),
            Self::Disk(values) => values.len(),
        }
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Only the first samples, of so many values each.
    fn truncate(&mut self, samples: usize, size: usize) {
        match self {
            Self::U8(values) => values.truncate(samples * size),
            Self::F32(values) => values.truncate(samples * size),
            Self::Disk(values) => values.truncate(samples),
        }
    }
}

/// At least one sample, all of one shape; immutable, so that threads share it in an `Arc`.
pub struct Dataset {
    shape: InputShape,
    samples: usize,
    pixels: Pixels,
    labels: Option<Vec<i32>>,
    targets: Option<Targets>,
    classes: Classes,
    /// Hashed when it is first asked for; of samples on the disk, which may fail, before.
    fingerprint: OnceLock<String>,
    preprocessing: Option<Arc<Preprocessing>>,
    origins: Origins,
    /// The fingerprint of the samples whose features these are.
    encoded: Option<String>,
}

impl Dataset {
    /// A data set of `pixels` (samples × shape values) and one label per sample, or none.
    ///
    /// # Errors
    /// [`Code::Shape`] for a bad shape; [`Code::Count`] when there is no sample, when the values do not make whole samples, or
    /// when labels and samples differ in number; [`Code::Value`] for a number that is not finite.
    pub fn from_arrays(pixels: Pixels, shape: InputShape, labels: Option<Vec<i32>>) -> Result<Self> {
        shape.check()?;
        let (values, per_sample) = (pixels.len(), shape.len());
        if values == 0 || !values.is_multiple_of(per_sample) {
            return Err(Error::new(Code::Count, "the values do not make whole samples")
                .expected(format!("a positive multiple of {per_sample} values for samples of shape {shape}"))
                .received(format!("{values} values"))
                .hint("check the shape: it is that of one sample"));
        }
        let samples = values / per_sample;
        if u32::try_from(samples).is_err() {
            return Err(Error::new(Code::Count, "the data set has too many samples")
                .expected(format!("at most {} samples", u32::MAX))
                .received(format!("{samples} samples")));
        }
        if let Some(labels) = &labels
            && labels.len() != samples
        {
            return Err(Error::new(Code::Count, "labels and samples differ in number")
                .expected(format!("{samples} labels, one per sample"))
                .received(format!("{} labels", labels.len())));
        }
        if let Pixels::F32(values) = &pixels
            && any(values, |piece| !piece.iter().all(|value| value.is_finite()))?
            && let Some(at) = values.iter().position(|value| !value.is_finite())
        {
            let (sample, position) = (at / per_sample, at % per_sample);
            return Err(Error::new(Code::Value, format!("value {position} of sample {sample} is not a finite number"))
                .expected("finite numbers")
                .received(values[at].to_string())
                .hint("samples and values are counted from 0; replace or leave out the bad sample"));
        }
        let classes = labels.iter().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().into();
        let (targets, preprocessing, origins, fingerprint) = (None, None, Origins::Places, OnceLock::new());
        let encoded = None;
        Self { shape, samples, pixels, labels, targets, classes, fingerprint, preprocessing, origins, encoded }.hashed()
    }

    /// A data set whose labels are names: `labels` has for each sample the position of its name in `names`, which need not be
    /// sorted, distinct or in use.
    ///
    /// # Errors
    /// As [`from_arrays`](Self::from_arrays), and [`Code::Label`] for a label without a name, or a name that is empty or too long.
    pub fn with_names(pixels: Pixels, shape: InputShape, labels: &[i32], names: &[String]) -> Result<Self> {
        let (names, labels) = named(names, labels)?;
        let mut data = Self::from_arrays(pixels, shape, Some(labels))?;
        data.classes = Classes::Names(names);
        data.hashed()
    }

    /// A data set with numbers to predict instead of labels.
    ///
    /// # Errors
    /// As [`from_arrays`](Self::from_arrays), for numbers as for values.
    pub fn with_targets(pixels: Pixels, shape: InputShape, targets: Targets) -> Result<Self> {
        let mut data = Self::from_arrays(pixels, shape, None)?;
        targets.check(data.samples)?;
        data.targets = Some(targets);
        data.hashed()
    }

    /// A data set of these parts.
    fn of_parts(
        pixels: Pixels,
        shape: InputShape,
        labels: Option<Vec<i32>>,
        targets: Option<Targets>,
        classes: &Classes,
    ) -> Result<Self> {
        match (labels, targets, classes) {
            (_, Some(targets), _) => Self::with_targets(pixels, shape, targets),
            (Some(labels), None, Classes::Names(names)) => Self::with_names(pixels, shape, &labels, names),
            (labels, None, _) => Self::from_arrays(pixels, shape, labels),
        }
    }

    /// The same samples, with what was done to raw data to get them.
    pub fn with_preprocessing(mut self, preprocessing: Arc<Preprocessing>) -> Self {
        self.preprocessing = Some(preprocessing);
        self
    }

    /// These features of the samples, so many of each, with the labels that the samples have.
    pub(crate) fn with_features(&self, features: Pixels, width: usize) -> Result<Self> {
        let shape = InputShape::Vector { len: width };
        let data = Self::of_parts(features, shape, self.labels.clone(), self.targets.clone(), &self.classes)?;
        Ok(Self { origins: self.origins.clone(), ..data.marked_as_features(self.fingerprint().to_owned()) })
    }

    /// The same samples, which are the features of others of this fingerprint.
    pub(super) fn marked_as_features(self, raw: String) -> Self {
        Self { encoded: Some(raw), ..self }
    }

    /// The fingerprint of the samples whose features these are.
    pub(super) fn encoded(&self) -> Option<&str> {
        self.encoded.as_deref()
    }

    /// The fingerprint of the samples as they were before an encoder saw them.
    pub fn raw_fingerprint(&self) -> &str {
        self.encoded.as_deref().unwrap_or_else(|| self.fingerprint())
    }

    /// The same samples, with where each came from.
    pub fn with_origins(mut self, origins: Origins) -> Self {
        self.origins = origins;
        self
    }

    /// Where a sample came from, as far as it is known.
    pub fn origin(&self, sample: usize) -> Origin {
        self.origins.of(sample)
    }

    /// Where the samples came from.
    pub(in crate::data) fn origins(&self) -> &Origins {
        &self.origins
    }

    /// What was done to raw data to get the samples, if it is known.
    pub fn preprocessing(&self) -> Option<&Preprocessing> {
        self.preprocessing.as_deref()
    }

    /// The first `limit` samples, or all when there are fewer.
    ///
    /// # Errors
    /// [`Code::Option`] for a limit of 0.
    pub fn truncate(mut self, limit: usize) -> Result<Self> {
        check_limit(Some(limit))?;
        if limit >= self.samples {
            return Ok(self);
        }
        self.pixels.truncate(limit, self.shape.len());
        if let Some(labels) = &mut self.labels {
            labels.truncate(limit);
        }
        if let Some(targets) = &mut self.targets {
            targets.values.truncate(limit * targets.width);
        }
        let data = Self::of_parts(self.pixels, self.shape, self.labels, self.targets, &self.classes);
        // Those of the first samples are theirs still.
        Ok(Self { preprocessing: self.preprocessing, origins: self.origins, ..data? })
    }

    /// Two data sets, of the samples to train on and of those held out: `share` of each class, or of all without labels. See
    /// [`super::split::stratified`].
    ///
    /// # Errors
    /// [`Code::Option`] for a share that is not between 0 and 1, or that holds out no sample; [`Code::Memory`].
    pub fn split(&self, share: f64, seed: u64) -> Result<(Self, Self)> {
        self.split_by("testSplit", share, seed)
    }

    /// As [`split`](Self::split), for an `option` of another name, which errors name.
    ///
    /// # Errors
    /// Those of [`split`](Self::split).
    pub fn split_by(&self, option: &str, share: f64, seed: u64) -> Result<(Self, Self)> {
        let classes = match &self.labels {
            Some(_) => self.class_indices(&self.classes)?,
            None => vec![0; self.samples],
        };
        let (train, test) = stratified_by(option, &classes, share, seed)?;
        Ok((self.of(&train)?, self.of(&test)?))
    }

    /// The samples at these positions.
    fn of(&self, samples: &[usize]) -> Result<Self> {
        let len = self.shape.len();
        let what = "a part of the data set";
        let pixels = match &self.pixels {
            Pixels::U8(values) => Pixels::U8(gather(values, len, samples, what)?),
            Pixels::F32(values) => Pixels::F32(gather(values, len, samples, what)?),
            Pixels::Disk(values) => Pixels::Disk(values.picked(samples)),
        };
        let labels = self.labels.as_ref().map(|labels| gather(labels, 1, samples, what)).transpose()?;
        let numbers = self.targets.as_ref().map(|targets| {
            let values = gather(&targets.values, targets.width, samples, what)?;
            Result::Ok(Targets { width: targets.width, values })
        });
        let data = Self::of_parts(pixels, self.shape, labels, numbers.transpose()?, &self.classes);
        Ok(Self { preprocessing: self.preprocessing.clone(), origins: self.origins.picked(samples), ..data? })
    }

    /// The same samples without labels.
    ///
    /// # Errors
    /// None that [`from_arrays`](Self::from_arrays) has not refused before.
    pub fn without_labels(self) -> Result<Self> {
        let data = Self::from_arrays(self.pixels, self.shape, None)?;
        Ok(Self { preprocessing: self.preprocessing, origins: self.origins, ..data })
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        let values = match &self.pixels {
            Pixels::U8(values) => values.capacity(),
            Pixels::F32(values) => 4 * values.capacity(),
            Pixels::Disk(values) => values.memory(),
        };
        let classes = self.classes.names().map_or(4 * self.classes.len(), |names| {
            names.iter().map(|name| size_of::<String>() + name.capacity()).sum()
        });
        let targets = self.targets.as_ref().map_or(0, |targets| targets.values.capacity());
        values + 4 * (self.labels.as_ref().map_or(0, Vec::capacity) + targets) + classes + self.origins.bytes()
    }

    /// The number of samples, at least 1 and at most `u32::MAX`.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The shape of one sample.
    pub fn shape(&self) -> InputShape {
        self.shape
    }

    /// The values of all samples.
    pub fn pixels(&self) -> &Pixels {
        &self.pixels
    }

    /// The labels, one per sample, if there are any; positions in [`classes`](Self::classes) where these have names.
    pub fn labels(&self) -> Option<&[i32]> {
        self.labels.as_deref()
    }

    /// The numbers to predict, if there are any.
    pub fn targets(&self) -> Option<&Targets> {
        self.targets.as_ref()
    }

    /// `[samples, width]`: the numbers to predict.
    ///
    /// # Errors
    /// [`Code::Label`] unless there are `width` for each sample.
    pub fn numbers(&self, width: usize) -> Result<&[f32]> {
        let error = |received: String| {
            Error::new(Code::Label, "the data set does not have the numbers that the model predicts")
                .expected(format!("{width} {} for each sample", if width == 1 { "number" } else { "numbers" }))
                .received(received)
                .hint("give targets: a Float32Array of samples × numbers, or the columns of a table")
        };
        match &self.targets {
            Some(targets) if targets.width == width => Ok(&targets.values),
            Some(targets) => Err(error(targets.width.to_string())),
            None => Err(error(if self.labels.is_some() { "labels of classes" } else { "none" }.to_owned())),
        }
    }

    /// The distinct labels in increasing order; empty without labels.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// SHA-256 over shape, kind of value, values, labels and their names, in lower-case hexadecimal. Equal for equal data only.
    /// Of samples in memory it is computed when it is first asked for, a second for about two gigabytes.
    pub fn fingerprint(&self) -> &str {
        // Only the disk can fail, and has been read before.
        self.fingerprint.get_or_init(|| fingerprint(self).unwrap_or_default())
    }

    /// With the fingerprint of samples on the disk, which are read for it.
    fn hashed(mut self) -> Result<Self> {
        if let Pixels::Disk(_) = self.pixels {
            self.fingerprint = OnceLock::from(fingerprint(&self)?);
        }
        Ok(self)
    }

    /// Writes one sample as a net sees it to `out`, which has `shape().len()` values. Panics when `sample` is out of range or
    /// `out` has another length; [`sample`](Self::sample) checks.
    ///
    /// # Errors
    /// [`Code::Io`] where samples are in a file that cannot be read any more.
    pub fn value(&self, sample: usize, out: &mut [f32]) -> Result<()> {
        match self.stored(sample)? {
            Stored::U8(values) => {
                assert_eq!(values.len(), out.len(), "out must hold one sample");
                for (out, value) in out.iter_mut().zip(values.iter()) {
                    *out = f32::from(*value) / 255.0;
                }
            }
            Stored::F32(values) => out.copy_from_slice(&values),
        }
        Ok(())
    }

    /// The values of one sample as they are stored. Panics when `sample` is out of range.
    pub(crate) fn stored(&self, sample: usize) -> Result<Stored<'_>> {
        let range = sample * self.shape.len()..(sample + 1) * self.shape.len();
        Ok(match &self.pixels {
            Pixels::U8(values) => Stored::U8(Cow::Borrowed(&values[range])),
            Pixels::F32(values) => Stored::F32(Cow::Borrowed(&values[range])),
            Pixels::Disk(values) if values.is_floats() => {
                Stored::F32(Cow::Owned(from_bytes(&values.read(sample..sample + 1)?)))
            }
            Pixels::Disk(values) => Stored::U8(Cow::Owned(values.read(sample..sample + 1)?)),
        })
    }

    /// One sample as a net sees it.
    ///
    /// # Errors
    /// [`Code::Option`] when there is no such sample.
    pub fn sample(&self, index: usize) -> Result<Vec<f32>> {
        if index >= self.samples {
            return Err(Error::new(Code::Option, "there is no such sample")
                .expected(format!("an index from 0 to {}", self.samples - 1))
                .received(index.to_string()));
        }
        let mut out = vec![0.0; self.shape.len()];
        self.value(index, &mut out)?;
        Ok(out)
    }

    /// The position of each sample's label in `classes`.
    ///
    /// # Errors
    /// [`Code::Label`] when there are no labels or one is not among `classes`.
    pub fn class_indices(&self, classes: &Classes) -> Result<Vec<u32>> {
        let Some(labels) = &self.labels else {
            if self.targets.is_some() {
                return Err(Error::new(Code::Label, "the data set has numbers to predict, and the model classes")
                    .expected("one label per sample")
                    .hint("create the model with targets instead of classes"));
            }
            return Err(Error::new(Code::Label, "the data set has no labels")
                .expected("one label per sample")
                .hint("training and evaluation need labels; prediction does not"));
        };
        let positions = self.classes.positions_in(classes).map_err(|unknown| self.unknown_label(unknown, classes))?;
        match &self.classes {
            Classes::Names(_) => Ok(labels.iter().map(|label| positions[*label as usize]).collect()),
            Classes::Values(values) => {
                // Every label is one of the values.
                let index_of = |label: &i32| positions[values.binary_search(label).unwrap_or_default()];
                Ok(labels.iter().map(index_of).collect())
            }
        }
    }

    /// The error of own class `unknown`, which `classes` have not.
    fn unknown_label(&self, unknown: usize, classes: &Classes) -> Error {
        let (label, text) = (self.classes.label(unknown), self.classes.text(unknown));
        let sample = self.labels.iter().flatten().position(|other| *other == label).unwrap_or_default();
        Error::new(Code::Label, format!("label {text} of sample {sample} is not one of the model's classes"))
            .expected(format!("one of {classes}"))
            .received(text)
            .hint("samples are counted from 0; use the data that the model was made for, or make a new model")
    }
}

/// Whether the samples are the same, wherever they came from.
impl PartialEq for Dataset {
    fn eq(&self, other: &Self) -> bool {
        (self.shape, &self.pixels, &self.labels, &self.classes, &self.preprocessing)
            == (other.shape, &other.pixels, &other.labels, &other.classes, &other.preprocessing)
    }
}

/// Leaves out the values, which may be millions.
impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataset")
            .field("samples", &self.samples)
            .field("shape", &self.shape)
            .field("classes", &self.classes)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// Refuses a limit of 0 samples.
pub(super) fn check_limit(limit: Option<usize>) -> Result<()> {
    if limit == Some(0) {
        return Err(Error::new(Code::Option, "the limit on the number of samples is 0")
            .expected("at least 1")
            .hint("leave the limit out to take all samples"));
    }
    Ok(())
}

/// The runs of `len` values at these positions.
fn gather<T: Copy>(values: &[T], len: usize, positions: &[usize], what: &str) -> Result<Vec<T>> {
    let mut gathered = reserved(positions.len() * len, what)?;
    positions.iter().for_each(|at| gathered.extend_from_slice(&values[at * len..(at + 1) * len]));
    Ok(gathered)
}

/// Lengths and kinds are hashed before the values, so that no two data sets hash the same bytes.
fn fingerprint(data: &Dataset) -> Result<String> {
    let Dataset { shape, pixels, labels, targets, classes, .. } = data;
    let mut hash = Sha256::new();
    let sizes = shape.sizes();
    hash.update((sizes.len() as u64).to_le_bytes());
    sizes.iter().for_each(|size| hash.update((*size as u64).to_le_bytes()));
    hash.update((pixels.len() as u64).to_le_bytes());
    match pixels {
        Pixels::U8(values) => {
            hash.update(b"u8 ");
            hash.update(values);
        }
        Pixels::F32(values) => {
            hash.update(b"f32");
            update(&mut hash, values, f32::to_le_bytes);
        }
        Pixels::Disk(values) => {
            hash.update(if values.is_floats() { b"f32" } else { b"u8 " });
            let samples = values.len() / shape.len();
            // A megabyte at a time.
            let step = ((1 << 20) / shape.len()).max(1);
            for first in (0..samples).step_by(step) {
                hash.update(values.read(first..(first + step).min(samples))?);
            }
        }
    }
    match (labels, targets) {
        (_, Some(targets)) => {
            hash.update(b"num");
            hash.update((targets.width as u64).to_le_bytes());
            update(&mut hash, &targets.values, f32::to_le_bytes);
        }
        (Some(labels), None) => {
            hash.update(b"i32");
            update(&mut hash, labels, i32::to_le_bytes);
        }
        (None, None) => hash.update(b"non"),
    }
    for name in classes.names().into_iter().flatten() {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Hashes four-byte values through a small buffer: little-endian on every machine, without a copy of the whole.
fn update<T: Copy>(hash: &mut Sha256, values: &[T], bytes: impl Fn(T) -> [u8; 4]) {
    let mut buffer = [0; 4096];
    for chunk in values.chunks(buffer.len() / 4) {
        for (target, value) in buffer.chunks_exact_mut(4).zip(chunk) {
            target.copy_from_slice(&bytes(*value));
        }
        hash.update(&buffer[..chunk.len() * 4]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(height: usize, width: usize, channels: usize) -> InputShape {
        InputShape::new(&[height, width, channels]).unwrap()
    }

    fn bytes(values: usize, shape: InputShape, labels: Option<Vec<i32>>) -> Result<Dataset> {
        Dataset::from_arrays(Pixels::U8((0..values).map(|value| value as u8).collect()), shape, labels)
    }

    #[test]
    fn samples_are_seen_scaled_or_as_they_are() {
        let data = bytes(12, image(1, 3, 2), Some(vec![7, -3])).unwrap();
        assert_eq!((data.samples(), data.classes().values()), (2, &[-3, 7][..]));
        assert_eq!(data.sample(1).unwrap(), [6.0, 7.0, 8.0, 9.0, 10.0, 11.0].map(|value: f32| value / 255.0));
        let floats = Pixels::F32(vec![-1.5, 300.0, 0.0, 2.0]);
        let data = Dataset::from_arrays(floats, InputShape::new(&[2]).unwrap(), None).unwrap();
        assert_eq!(data.sample(0).unwrap(), [-1.5, 300.0]);
        assert_eq!((data.labels(), data.classes().len()), (None, 0));
        assert_eq!(data.sample(2).unwrap_err().code, Code::Option);
        let white = Dataset::from_arrays(Pixels::U8(vec![255]), InputShape::new(&[1]).unwrap(), None).unwrap();
        assert_eq!(white.sample(0).unwrap(), [1.0]);
    }

    #[test]
    fn counts_that_disagree_are_refused() {
        for (values, labels) in [(0, None), (11, None), (12, Some(vec![1])), (12, Some(vec![1, 2, 3]))] {
            assert_eq!(bytes(values, image(1, 3, 2), labels).unwrap_err().code, Code::Count);
        }
    }

    #[test]
    fn a_shape_made_by_hand_is_checked_too() {
        let zero = InputShape::Image { height: 0, width: 3, channels: 1 };
        assert_eq!(bytes(3, zero, None).unwrap_err().code, Code::Shape);
        let huge = InputShape::Image { height: usize::MAX, width: usize::MAX, channels: 2 };
        assert_eq!(bytes(3, huge, None).unwrap_err().code, Code::Shape);
    }

    #[test]
    fn a_number_that_is_not_finite_is_named() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut values = vec![0.5; 12];
            values[8] = bad;
            let error = Dataset::from_arrays(Pixels::F32(values), image(1, 3, 1), None).unwrap_err();
            assert_eq!(error.code, Code::Value);
            assert!(error.what.starts_with("value 2 of sample 2 "), "{error}");
        }
    }

    #[test]
    fn the_fingerprint_sees_every_part() {
        let base = bytes(12, image(2, 3, 1), Some(vec![1, 2])).unwrap();
        let again = bytes(12, image(2, 3, 1), Some(vec![1, 2])).unwrap();
        assert_eq!(base.fingerprint(), again.fingerprint());
        assert_eq!(base.fingerprint().len(), 64);
        let mut changed = (0..12).collect::<Vec<u8>>();
        changed[11] = 0;
        let floats = (0..12).map(|value| value as f32).collect::<Vec<_>>();
        let mut nearly = floats.clone();
        nearly[11] += 1e-6;
        let others = [
            bytes(12, image(3, 2, 1), Some(vec![1, 2])),
            bytes(12, InputShape::new(&[6]).unwrap(), Some(vec![1, 2])),
            bytes(12, image(2, 3, 1), Some(vec![1, 3])),
            bytes(12, image(2, 3, 1), None),
            Dataset::from_arrays(Pixels::U8(changed), image(2, 3, 1), Some(vec![1, 2])),
            Dataset::from_arrays(Pixels::F32(floats), image(2, 3, 1), Some(vec![1, 2])),
            Dataset::from_arrays(Pixels::F32(nearly), image(2, 3, 1), Some(vec![1, 2])),
        ];
        let mut seen = BTreeSet::from([base.fingerprint().to_owned()]);
        for other in others {
            assert!(seen.insert(other.unwrap().fingerprint().to_owned()));
        }
    }

    #[test]
    fn a_truncated_set_equals_one_made_short() {
        let long = bytes(12, image(1, 3, 1), Some(vec![1, 2, 3, 4])).unwrap();
        let short = bytes(6, image(1, 3, 1), Some(vec![1, 2])).unwrap();
        let cut = long.truncate(2).unwrap();
        assert_eq!(cut, short);
        assert_eq!(cut.truncate(5).unwrap(), short);
        assert_eq!(short.truncate(0).unwrap_err().code, Code::Option);
    }

    #[test]
    fn labels_become_positions_among_the_classes() {
        let data = bytes(4, InputShape::new(&[1]).unwrap(), Some(vec![26, 3, 26, 1])).unwrap();
        assert_eq!(data.class_indices(&vec![1, 3, 26].into()).unwrap(), [2, 1, 2, 0]);
        let error = data.class_indices(&(1..=25).collect::<Vec<_>>().into()).unwrap_err();
        assert_eq!(error.code, Code::Label);
        assert!(error.what.starts_with("label 26 of sample 0 "), "{error}");
        assert_eq!(error.expected, "one of 1, 2, 3, 4, 5, …, 24, 25 (25 classes)");
        let unlabelled = bytes(4, InputShape::new(&[1]).unwrap(), None).unwrap();
        assert_eq!(unlabelled.class_indices(&vec![0].into()).unwrap_err().code, Code::Label);
    }
}
