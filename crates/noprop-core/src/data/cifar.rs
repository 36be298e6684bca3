//! CIFAR-10 and CIFAR-100 in their binary version: records of label bytes and 32×32 pixels, all red, all green, all blue.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::dataset::check_limit;
use super::foreign;
use super::listing::{Listing, key, visible};
use super::source::{Source, fill};
use super::{Dataset, InputShape, Pixels, Split, tar};
use crate::{Code, Error, Result};

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
const IMAGE: usize = 3 * PLANE;
/// Records are read in groups of this many.
const GROUP: usize = 256;
/// The most records of one file, twice as many as the longest official one has. No header tells their number, so this
/// bounds what a gzip bomb can take.
const MAX_RECORDS: usize = 100_000;

/// Which of the two data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cifar {
    /// Ten classes; one label byte a record.
    Ten,
    /// A hundred classes; a coarse and a fine label byte a record, of which the fine one is used.
    Hundred,
}

impl Cifar {
    const ALL: [Self; 2] = [Self::Ten, Self::Hundred];

    /// The files of a split, in the order of their samples.
    pub fn files(self, split: Split) -> &'static [&'static str] {
        match (self, split) {
            (Self::Ten, Split::Train) => {
                &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"]
            }
            (Self::Ten, Split::Test) => &["test_batch.bin"],
            (Self::Hundred, Split::Train) => &["train.bin"],
            (Self::Hundred, Split::Test) => &["test.bin"],
        }
    }

    /// The folder that the official archive unpacks to.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Ten => "cifar-10-batches-bin",
            Self::Hundred => "cifar-100-binary",
        }
    }

    /// The official archive.
    pub fn archive(self) -> &'static str {
        match self {
            Self::Ten => "cifar-10-binary.tar.gz",
            Self::Hundred => "cifar-100-binary.tar.gz",
        }
    }

    fn label_bytes(self) -> usize {
        match self {
            Self::Ten => 1,
            Self::Hundred => 2,
        }
    }

    fn record(self) -> usize {
        self.label_bytes() + IMAGE
    }

    fn classes(self) -> u8 {
        match self {
            Self::Ten => 10,
            Self::Hundred => 100,
        }
    }
}

/// Where the files of a split lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// Separate files in this folder, each plain or gzipped.
    Folder(PathBuf),
    /// The official archive at this path.
    Archive(PathBuf),
}

/// Looks for a split of either data set in `directory`, in the folder that the official archive unpacks to, and for the
/// archive itself. Files count as found when the first of the split is there.
///
/// # Errors
/// [`Code::Io`] for a folder that cannot be read, [`Code::FileFormat`] for several files under one name.
pub fn find(directory: &Path, split: Split) -> Result<Option<(Cifar, Location)>> {
    for cifar in Cifar::ALL {
        let unpacked = subfolder(directory, cifar.folder());
        // Explorer and 7-Zip unpack into one more folder, of the archive's name.
        let nested = subfolder(directory, cifar.archive().trim_end_matches(".tar.gz"))
            .and_then(|folder| subfolder(&folder, cifar.folder()));
        for folder in [Some(directory.to_owned()), unpacked, nested].into_iter().flatten() {
            if file_in(&folder, cifar.files(split)[0])?.is_some() {
                return Ok(Some((cifar, Location::Folder(folder))));
            }
        }
        let archive = file_in(directory, cifar.archive())?.filter(|path| path.is_file());
        if let Some(archive) = archive {
            return Ok(Some((cifar, Location::Archive(archive))));
        }
    }
    Ok(None)
}

/// A folder within another, whatever the case of its name.
fn subfolder(directory: &Path, name: &str) -> Option<PathBuf> {
    let entries = visible(directory).ok()?;
    entries
        .into_iter()
        .map(|(found, path)| (key(&found), path))
        .find(|(found, _)| *found == key(name))
        .map(|(_, path)| path)
}

/// Reads a split; `limit` reads the first samples only. The images have the shape 32x32x3.
///
/// # Errors
/// [`Code::FileNotFound`], [`Code::FileTruncated`] when a file ends inside a record or has none, [`Code::FileFormat`] for a
/// label out of range, an unsound archive or more than 100,000 records in a file, [`Code::Option`] for a limit of 0.
pub fn load(cifar: Cifar, location: &Location, split: Split, limit: Option<usize>) -> Result<Dataset> {
    check_limit(limit)?;
    let limit = limit.unwrap_or(usize::MAX);
    let mut all = Records::default();
    match location {
        Location::Folder(folder) => {
            for name in cifar.files(split) {
                if all.labels.len() < limit {
                    all.append(read_file(cifar, split, folder, name, limit - all.labels.len())?);
                }
            }
        }
        Location::Archive(path) => {
            for records in read_archive(cifar, path, split, limit)? {
                all.append(records);
            }
        }
    }
    all.labels.truncate(limit);
    all.pixels.truncate(all.labels.len() * IMAGE);
    let shape = InputShape::Image { height: SIDE, width: SIDE, channels: 3 };
    Dataset::from_arrays(Pixels::U8(all.pixels), shape, Some(all.labels))
}

/// Images with channels innermost, and their labels.
#[derive(Default)]
struct Records {
    pixels: Vec<u8>,
    labels: Vec<i32>,
}

impl Records {
    fn append(&mut self, mut other: Self) {
        self.pixels.append(&mut other.pixels);
        self.labels.append(&mut other.labels);
    }
}

/// The file `name` of `folder`, plain or gzipped.
fn file_in(folder: &Path, name: &str) -> Result<Option<PathBuf>> {
    let wanted = key(name);
    Listing::new(folder, |key| key == wanted)?.file(&wanted)
}

fn read_file(cifar: Cifar, split: Split, folder: &Path, name: &str, limit: usize) -> Result<Records> {
    let Some(path) = file_in(folder, name)? else {
        return Err(Error::new(Code::FileNotFound, format!("{name} is missing in {}", folder.display()))
            .expected(cifar.files(split).join(", "))
            .hint("each file may also be gzipped; unpack the official archive again, or leave it packed"));
    };
    let mut source = Source::open(&path)?;
    if let Some(len) = source.plain_len() {
        check_len(cifar, &path.display().to_string(), len).map_err(|error| {
            let mut start = [0; foreign::START];
            // Only for the message, so that failures do not matter.
            let read = fill(&mut source, &mut start).unwrap_or(0);
            explain(cifar, error, &start[..read])
        })?;
    }
    let place = path.display().to_string();
    let mut records = Records::default();
    let read = read_records(cifar, &mut source, &place, limit, &mut records);
    read.map_err(|failure| failure.explain(&source))?;
    Ok(records)
}

/// The records of every file of the split, in order. The members of the official archive are not in order.
fn read_archive(cifar: Cifar, path: &Path, split: Split, limit: usize) -> Result<Vec<Records>> {
    let names = cifar.files(split);
    let mut found: Vec<Option<Records>> = names.iter().map(|_| None).collect();
    let mut archive = Source::open(path)?;
    // Until every file is found, or the first ones alone hold enough samples.
    while found.iter().any(Option::is_none) && leading(&found) < limit {
        let Some(member) = tar::next_member(&mut archive)? else { break };
        let slot = names.iter().position(|name| member.is_file && member.name == *name);
        let Some(slot) = slot.filter(|slot| found[*slot].is_none()) else {
            tar::skip(&mut archive, &member, member.size)?;
            continue;
        };
        let place = format!("{} in {}", member.name, path.display());
        check_len(cifar, &place, member.size)?;
        let mut data = archive.by_ref().take(member.size);
        let mut records = Records::default();
        let read = read_records(cifar, &mut data, &place, limit, &mut records);
        let left = data.limit();
        read.map_err(|failure| failure.explain(&archive))?;
        tar::skip(&mut archive, &member, left)?;
        found[slot] = Some(records);
    }
    let missing = names.iter().zip(&found).find(|(_, records)| records.is_none());
    if let Some((name, _)) = missing
        && leading(&found) < limit
    {
        return Err(Error::new(Code::FileNotFound, format!("{name} is missing in {}", path.display()))
            .expected(names.join(", "))
            .hint("fetch the archive again; it must be the binary version"));
    }
    Ok(found.into_iter().map_while(|records| records).collect())
}

/// The number of samples up to the first file that is not found yet.
fn leading(found: &[Option<Records>]) -> usize {
    found.iter().map_while(Option::as_ref).map(|records| records.labels.len()).sum()
}

/// Adds to `error` what the file is, unless it begins as records do: with a label.
fn explain(cifar: Cifar, error: Error, start: &[u8]) -> Error {
    if start.first().is_some_and(|label| *label >= cifar.classes().min(20)) {
        foreign::explain(error, start)
    } else {
        error
    }
}

/// Checks that `len` bytes make whole records.
fn check_len(cifar: Cifar, place: &str, len: u64) -> Result<()> {
    let record = cifar.record() as u64;
    if len > 0 && len.is_multiple_of(record) {
        return Ok(());
    }
    Err(Error::new(Code::FileTruncated, format!("{place} does not hold whole records"))
        .expected(format!("a positive multiple of {record} bytes"))
        .received(format!("{len} bytes"))
        .hint("the file is damaged or its download stopped early; fetch it again"))
}

/// A failure of reading: of the file below, or of what it holds.
enum Failure {
    Read(std::io::Error),
    Content(Error),
}

impl Failure {
    fn explain(self, source: &Source) -> Error {
        match self {
            Self::Read(error) => source.explain(&error),
            Self::Content(error) => error,
        }
    }
}

fn read_records(
    cifar: Cifar,
    reader: &mut dyn Read,
    place: &str,
    limit: usize,
    records: &mut Records,
) -> std::result::Result<(), Failure> {
    let record = cifar.record();
    let mut group = vec![0; GROUP * record];
    loop {
        let wanted = GROUP.min(limit - records.labels.len()) * record;
        let read = fill(reader, &mut group[..wanted]).map_err(Failure::Read)?;
        let is_first = records.labels.is_empty();
        let start = if is_first { &group[..read.min(foreign::START)] } else { &[] };
        let content = |error| Failure::Content(explain(cifar, error, start));
        for bytes in group[..read].chunks_exact(record) {
            push(cifar, place, bytes, records).map_err(content)?;
        }
        if read < GROUP * record {
            let total = (records.labels.len() * record + read % record) as u64;
            return check_len(cifar, place, total).map_err(content);
        }
    }
}

/// Appends one record, its three colour planes interleaved.
fn push(cifar: Cifar, place: &str, record: &[u8], records: &mut Records) -> Result<()> {
    let index = records.labels.len();
    if index == MAX_RECORDS {
        return Err(Error::new(Code::FileFormat, format!("{place} holds too many records"))
            .expected(format!("at most {MAX_RECORDS} records")));
    }
    let (labels, planes) = record.split_at(cifar.label_bytes());
    let label = labels[labels.len() - 1];
    if label >= cifar.classes() {
        return Err(Error::new(Code::FileFormat, format!("record {index} of {place} has a label out of range"))
            .expected(format!("a label from 0 to {}", cifar.classes() - 1))
            .received(label.to_string())
            .hint("the file is damaged, or not in CIFAR's binary version; records are counted from 0"));
    }
    records.labels.push(i32::from(label));
    let (red, rest) = planes.split_at(PLANE);
    let (green, blue) = rest.split_at(PLANE);
    records.pixels.extend((0..PLANE).flat_map(|pixel| [red[pixel], green[pixel], blue[pixel]]));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(labels: &[u8]) -> Vec<u8> {
        [labels, &[1; PLANE], &[2; PLANE], &[3; PLANE]].concat()
    }

    #[test]
    fn colour_planes_are_interleaved() {
        let mut records = Records::default();
        push(Cifar::Ten, "x", &record(&[9]), &mut records).unwrap();
        push(Cifar::Hundred, "x", &record(&[19, 99]), &mut records).unwrap();
        assert_eq!(records.labels, [9, 99]);
        assert!(records.pixels.len() == 2 * IMAGE && records.pixels.chunks(3).all(|pixel| pixel == [1, 2, 3]));
    }

    #[test]
    fn labels_out_of_range_are_refused() {
        for (cifar, labels) in [(Cifar::Ten, &[10][..]), (Cifar::Hundred, &[0, 100])] {
            let mut records = Records { labels: vec![0; 17], pixels: Vec::new() };
            let error = push(cifar, "x", &record(labels), &mut records).unwrap_err();
            assert_eq!(error.code, Code::FileFormat);
            assert!(error.what.starts_with("record 17 of x"), "{error}");
        }
    }

    #[test]
    fn the_number_of_records_is_bounded() {
        let mut records = Records { labels: vec![0; MAX_RECORDS], pixels: Vec::new() };
        let error = push(Cifar::Ten, "x", &record(&[0]), &mut records).unwrap_err();
        assert_eq!((error.code, records.pixels.len()), (Code::FileFormat, 0));
    }
}
