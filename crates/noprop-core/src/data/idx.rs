//! IDX files, MNIST's format: a big-endian header (two zero bytes, the kind of value, the rank, the sizes), then the values.

use std::io::ErrorKind;
use std::path::Path;

use super::dataset::check_limit;
use super::foreign;
use super::source::{Source, fill};
use super::{Dataset, InputShape, Pixels};
use crate::{Code, Error, Result};

/// The most bytes that are read from one file.
const MAX_BYTES: u64 = 16 << 30;
/// The code of unsigned bytes, the only kind of value that is read.
const UNSIGNED_BYTE: u8 = 0x08;

/// What a file must hold.
#[derive(Clone, Copy, PartialEq)]
enum Content {
    /// Rank 1.
    Labels,
    /// Rank 2 (vectors), 3 (images of one channel) or 4 (images with channels last).
    Images,
}

impl Content {
    fn fits(self, rank: u8) -> bool {
        match self {
            Self::Labels => rank == 1,
            Self::Images => (2..=4).contains(&rank),
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Labels => "magic number 2049 (labels: unsigned bytes of rank 1)",
            Self::Images => "magic number 2050, 2051 or 2052 (images: unsigned bytes of rank 2, 3 or 4)",
        }
    }
}

/// A file whose header has been read and found to agree with the file's size.
struct Open {
    source: Source,
    samples: usize,
    /// The sizes of one sample; empty for labels.
    sizes: Vec<usize>,
    header: u64,
}

/// Reads images of unsigned bytes ([n, length], [n, height, width] or [n, height, width, channels]) and their labels, each
/// plain or gzipped. `limit` reads the first samples only; damage further on in a gzipped file then stays unseen.
///
/// # Errors
/// [`Code::FileNotFound`], [`Code::FileFormat`] (another format, or longer than its header says), [`Code::FileTruncated`],
/// [`Code::Count`] when images and labels differ in number, [`Code::Option`] for a limit of 0.
pub fn load(images: &Path, labels: &Path, limit: Option<usize>) -> Result<Dataset> {
    check_limit(limit)?;
    let images = open(images, Content::Images)?;
    let mut labels = open(labels, Content::Labels)?;
    if images.samples != labels.samples {
        return Err(Error::new(Code::Count, "images and labels differ in number")
            .expected(format!("{} labels, as many as {} has images", images.samples, images.source.path().display()))
            .received(format!("{} labels in {}", labels.samples, labels.source.path().display()))
            .hint("take both files from the same data set and the same split"));
    }
    let labels = labels.read(limit)?.into_iter().map(i32::from).collect();
    dataset(images, limit, Some(labels))
}

/// Reads images alone, as [`load`] does, for prediction.
///
/// # Errors
/// As [`load`], but for [`Code::Count`].
pub fn load_unlabelled(images: &Path, limit: Option<usize>) -> Result<Dataset> {
    check_limit(limit)?;
    dataset(open(images, Content::Images)?, limit, None)
}

fn dataset(mut images: Open, limit: Option<usize>, labels: Option<Vec<i32>>) -> Result<Dataset> {
    let shape = InputShape::new(&images.sizes).map_err(|mut error| {
        error.what = format!("the images of {} have a shape out of range", images.source.path().display());
        error
    })?;
    Dataset::from_arrays(Pixels::U8(images.read(limit)?), shape, labels)
}

fn open(path: &Path, content: Content) -> Result<Open> {
    let mut source = Source::open(path)?;
    let mut start = [0; foreign::START];
    let mut magic = [0; 4];
    match fill(&mut source, &mut magic).map_err(|error| source.explain(&error))? {
        0 => {
            return Err(Error::new(Code::FileTruncated, format!("{} is empty", path.display()))
                .expected("an IDX file")
                .hint("its download or copy has failed; fetch it again"));
        }
        4 => {}
        read => return Err(foreign::explain(source.explain(&ErrorKind::UnexpectedEof.into()), &magic[..read])),
    }
    if magic[..2] != [0, 0] || magic[2] != UNSIGNED_BYTE || !content.fits(magic[3]) {
        // Only for the message, so that failures do not matter.
        let more = fill(&mut source, &mut start[4..]).unwrap_or(0);
        start[..4].copy_from_slice(&magic);
        return Err(foreign::explain(wrong_magic(path, content, magic), &start[..4 + more]));
    }
    let mut sizes = Vec::new();
    for _ in 0..magic[3] {
        let mut size = [0; 4];
        source.read_all(&mut size)?;
        sizes.push(u32::from_be_bytes(size));
    }
    let header = 4 + 4 * u64::from(magic[3]);
    let bad_sizes = |expected: &str| {
        let error = Error::new(Code::FileFormat, format!("the header of {} has sizes out of range", path.display()))
            .expected(expected)
            .received(format!("{sizes:?}"))
            .hint("the file is damaged, or not an IDX file");
        foreign::explain_damage(error, path)
    };
    let claimed = sizes.iter().try_fold(1u64, |product, size| product.checked_mul(u64::from(*size)));
    let claimed =
        claimed.and_then(|values| values.checked_add(header)).ok_or_else(|| bad_sizes("sizes that fit a file"))?;
    if sizes.contains(&0) {
        return Err(bad_sizes("at least one sample and sizes of at least 1"));
    }
    source.check_claim(claimed).map_err(|error| foreign::explain_damage(error, path))?;
    let samples = sizes[0] as usize;
    let sizes: Vec<usize> = sizes[1..].iter().map(|size| *size as usize).collect();
    Ok(Open { source, samples, sizes, header })
}

impl Open {
    fn read(&mut self, limit: Option<usize>) -> Result<Vec<u8>> {
        let samples = limit.map_or(self.samples, |limit| limit.min(self.samples));
        // A sample has at most 2^24 values (`InputShape`) and there are fewer than 2^32, so this cannot overflow.
        let per_sample: u64 = self.sizes.iter().map(|size| *size as u64).product();
        let bytes = samples as u64 * per_sample;
        let len = usize::try_from(bytes).ok().filter(|_| bytes <= MAX_BYTES).ok_or_else(|| {
            Error::new(Code::FileFormat, format!("{} is too large", self.source.path().display()))
                .expected(format!("at most {MAX_BYTES} bytes"))
                .received(format!("{bytes} bytes"))
                .hint("limit the number of samples")
        })?;
        let values = self.source.read_vec(len)?;
        if samples == self.samples {
            let end = self.source.expect_end(self.header + bytes);
            end.map_err(|error| foreign::explain_damage(error, self.source.path()))?;
        }
        Ok(values)
    }
}

fn wrong_magic(path: &Path, content: Content, magic: [u8; 4]) -> Error {
    let number = u32::from_be_bytes(magic);
    let other = match content {
        Content::Labels => Content::Images,
        Content::Images => Content::Labels,
    };
    let is_idx = magic[..2] == [0, 0];
    let hint = if is_idx && magic[2] == UNSIGNED_BYTE && other.fits(magic[3]) {
        match other {
            Content::Labels => "this looks like a labels file; are the two files swapped?",
            Content::Images => "this looks like an images file; are the two files swapped?",
        }
    } else if is_idx && matches!(magic[2], 0x09 | 0x0b..=0x0e) {
        "this looks like an IDX file of another kind of value; only unsigned bytes are read"
    } else if magic[2..] == [0, 0] && magic[1] == UNSIGNED_BYTE {
        "its bytes are in reverse order (little-endian); write the numbers of the header big-endian"
    } else {
        "this does not look like an IDX file"
    };
    Error::new(Code::FileFormat, format!("{} has the wrong magic number", path.display()))
        .expected(content.expected())
        .received(format!("{number} (0x{number:08x})"))
        .hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_guesses_what_the_file_is() {
        let hint = |content, magic| wrong_magic(Path::new("x"), content, magic).hint;
        assert!(hint(Content::Images, [0, 0, 8, 1]).contains("labels file"));
        assert!(hint(Content::Labels, [0, 0, 8, 3]).contains("images file"));
        assert!(hint(Content::Images, [0, 0, 0x0d, 3]).contains("another kind of value"));
        assert!(hint(Content::Images, [3, 8, 0, 0]).contains("little-endian"));
        assert!(hint(Content::Images, *b"\x89PNG").contains("not look like an IDX"));
        let error = wrong_magic(Path::new("x"), Content::Images, [0, 0, 8, 1]);
        assert_eq!(error.received, "2049 (0x00000801)");
    }
}
