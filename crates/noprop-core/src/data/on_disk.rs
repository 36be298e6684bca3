//! Samples that stay in a file, for data sets larger than memory.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::source::read_at;
use crate::memory::{reserved, zeros};
use crate::{Code, Error, Result};

/// Bytes, or floats, of samples in a file, one sample after the other; they are read when they are needed. Threads may read at the same time.
#[derive(Clone)]
pub struct OnDisk {
    file: Arc<File>,
    path: Arc<Path>,
    /// Where the first sample begins.
    start: u64,
    /// Bytes of a sample.
    size: usize,
    /// Whether its values are floats.
    floats: bool,
    /// The place in the file of each sample.
    places: Vec<u32>,
}

impl OnDisk {
    /// The `samples` samples of `size` bytes that begin at byte `start` of an open file.
    ///
    /// # Errors
    /// [`Code::FileTruncated`] for a file that is too short; [`Code::Count`] for more samples than can be numbered;
    /// [`Code::Io`], [`Code::Memory`].
    pub fn new(file: File, path: &Path, start: u64, size: usize, samples: usize) -> Result<Self> {
        let held = file.metadata().map_err(|error| Error::io(path, &error))?.len();
        let wanted = (samples as u64).checked_mul(size as u64).and_then(|bytes| bytes.checked_add(start));
        if wanted.is_none_or(|wanted| held < wanted) {
            return Err(Error::new(Code::FileTruncated, format!("{} is shorter than it should be", path.display()))
                .expected(format!("{samples} samples of {size} bytes"))
                .received(format!("{held} bytes"))
                .hint("remove the file; it is made anew"));
        }
        let last = u32::try_from(samples).map_err(|_| {
            Error::new(Code::Count, "the data set has too many samples").expected(format!("at most {}", u32::MAX))
        })?;
        let mut places = reserved(samples, "the places of the samples")?;
        places.extend(0..last);
        Ok(Self { file: Arc::new(file), path: path.into(), start, size, floats: false, places })
    }

    /// The same for samples of `width` floats, little-endian.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_floats(file: File, path: &Path, start: u64, width: usize, samples: usize) -> Result<Self> {
        Ok(Self { floats: true, ..Self::new(file, path, start, 4 * width, samples)? })
    }

    /// Whether the values are floats, four bytes each.
    pub fn is_floats(&self) -> bool {
        self.floats
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.places.len() * self.size / if self.floats { 4 } else { 1 }
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of samples, one after the other.
    ///
    /// # Errors
    /// [`Code::Io`], also where the file was made shorter meanwhile; [`Code::Memory`].
    pub fn read(&self, samples: Range<usize>) -> Result<Vec<u8>> {
        let places = self.places.get(samples).ok_or_else(|| Error::new(Code::Internal, "there is no such sample"))?;
        let mut bytes = zeros::<u8>(places.len() * self.size, "some samples")?;
        let mut first = 0;
        // Samples that stand beside each other are read at once.
        for run in places.chunk_by(|one, next| one + 1 == *next) {
            let part = &mut bytes[first * self.size..(first + run.len()) * self.size];
            let at = self.start + u64::from(run[0]) * self.size as u64;
            read_at(&self.file, part, at).map_err(|error| Error::io(&self.path, &error))?;
            first += run.len();
        }
        Ok(bytes)
    }

    /// The samples at these positions.
    pub(super) fn picked(&self, samples: &[usize]) -> Self {
        let places = samples.iter().map(|sample| self.places[*sample]).collect();
        Self { places, ..self.clone() }
    }

    /// Only the first samples.
    pub(super) fn truncate(&mut self, samples: usize) {
        self.places.truncate(samples);
    }

    /// Bytes of memory that it takes.
    pub(super) fn memory(&self) -> usize {
        4 * self.places.capacity()
    }
}

/// Whether they are the same samples of the same file.
impl PartialEq for OnDisk {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, self.start, self.size, &self.places) == (&other.path, other.start, other.size, &other.places)
    }
}

impl std::fmt::Debug for OnDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnDisk").field("path", &self.path).field("samples", &self.places.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Dataset, InputShape, Pixels};
    use std::io::Write;

    /// Twelve samples of four bytes behind a header of three, in the file and in memory.
    fn both() -> (tempfile::NamedTempFile, Dataset, Dataset) {
        let bytes: Vec<u8> = (0..48).map(|value| (value * 37 % 251) as u8).collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"top").unwrap();
        file.write_all(&bytes).unwrap();
        let shape = InputShape::new(&[2, 2]).unwrap();
        let labels: Vec<i32> = (0..12).map(|sample| sample % 3).collect();
        let disk = OnDisk::new(file.reopen().unwrap(), file.path(), 3, 4, 12).unwrap();
        let make = |pixels| Dataset::from_arrays(pixels, shape, Some(labels.clone())).unwrap();
        let (disk, memory) = (make(Pixels::Disk(disk)), make(Pixels::U8(bytes)));
        (file, disk, memory)
    }

    fn samples(data: &Dataset) -> Vec<Vec<f32>> {
        (0..data.samples()).map(|sample| data.sample(sample).unwrap()).collect()
    }

    #[test]
    fn samples_in_a_file_are_those_in_memory() {
        let (_file, disk, memory) = both();
        assert_eq!((samples(&disk), disk.fingerprint()), (samples(&memory), memory.fingerprint()));
        let ((train, test), (expected, held)) = (disk.split(0.3, 5).unwrap(), memory.split(0.3, 5).unwrap());
        assert_eq!((samples(&train), train.fingerprint()), (samples(&expected), expected.fingerprint()));
        assert_eq!((samples(&test), test.fingerprint()), (samples(&held), held.fingerprint()));
        let (cut, short) = (train.truncate(2).unwrap(), expected.truncate(2).unwrap());
        assert_eq!((samples(&cut), cut.fingerprint()), (samples(&short), short.fingerprint()));
        let (cut, short) = (cut.without_labels().unwrap(), short.without_labels().unwrap());
        assert_eq!(cut.fingerprint(), short.fingerprint());
        assert!(disk.bytes() < memory.bytes() + 64);
        let statistics = |data| crate::data::statistics::statistics(data).unwrap();
        assert_eq!(statistics(&disk), statistics(&memory));
    }

    #[test]
    fn a_file_that_is_too_short_is_refused_and_one_made_short_is_an_error() {
        let (file, disk, _) = both();
        let refused = |samples| OnDisk::new(file.reopen().unwrap(), file.path(), 3, 4, samples).unwrap_err().code;
        assert_eq!(refused(13), Code::FileTruncated);
        assert_eq!(refused(usize::MAX), Code::FileTruncated);
        file.as_file().set_len(20).unwrap();
        assert_eq!(disk.sample(11).unwrap_err().code, Code::Io);
        assert!(disk.sample(1).is_ok());
    }
}
