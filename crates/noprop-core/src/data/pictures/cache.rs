//! Where the samples of pictures are: in memory, or where they are too many in a file, which stays for the next time.
//!
//! The file has the samples of the sound pictures one after the other, then the places of the others among all (u32 each), how many
//! they are (u64) and `MAGIC`; numbers are little-endian. Its name is a hash of the pictures and of what they become, so a picture
//! that is changed makes another file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use super::item::Item;
use super::options::FolderOptions;
use super::read::{Failures, Target, read_all};
use crate::data::{OnDisk, Pixels};
use crate::storage::atomic;
use crate::tensor::StopFlag;
use crate::{Code, Error, Result};

/// Its number grows where other pictures count as sound.
const MAGIC: &[u8; 8] = b"NOPROPP2";
/// Bytes of samples that are in memory at a time while a file is written.
const PIECE: usize = 64 << 20;
const MEBIBYTE: f64 = 1_048_576.0;

/// Where samples are put.
pub(super) enum Storage {
    Memory,
    /// In files of this directory; so many bytes.
    Disk(PathBuf, usize),
}

impl Storage {
    /// For so many pictures.
    pub fn of(options: &FolderOptions, pictures: usize, target: Target) -> Result<Self> {
        let Some(limit) = options.memory_limit else { return Ok(Self::Memory) };
        if !(limit.is_finite() && limit >= 0.0) {
            return Err(Error::new(Code::Option, "option memoryLimit is out of range")
                .expected("MiB, a number from 0")
                .received(limit.to_string()));
        }
        let bytes = pictures.saturating_mul(target.len());
        if bytes as f64 <= limit * MEBIBYTE {
            return Ok(Self::Memory);
        }
        match &options.cache {
            Some(cache) => Ok(Self::Disk(cache.clone(), bytes)),
            None => Err(Error::new(Code::Memory, "the pictures take more memory than option memoryLimit allows")
                .expected(format!("at most {limit} MiB"))
                .received(format!("{:.1} MiB", bytes as f64 / MEBIBYTE))
                .hint("name a directory to keep them in, use smaller pictures (size), or raise the limit")),
        }
    }

    /// What users should know.
    pub fn note(&self) -> Option<String> {
        match self {
            Self::Memory => None,
            Self::Disk(directory, bytes) => Some(format!(
                "the samples ({:.1} MiB) are kept in {} and read from there",
                *bytes as f64 / MEBIBYTE,
                directory.display()
            )),
        }
    }

    /// The samples of those pictures that can be read, one after the other.
    pub fn read(&self, items: &[Item], target: Target, stop: &StopFlag) -> Result<(Pixels, Failures)> {
        match self {
            Self::Memory => {
                let (bytes, failures) = read_all(items, target, stop)?;
                Ok((Pixels::U8(bytes), failures))
            }
            Self::Disk(directory, _) => {
                let path = directory.join(format!("{}.pictures", key(items, target)?));
                if let Some(found) = open(&path, items, target)? {
                    return Ok(found);
                }
                std::fs::create_dir_all(directory).map_err(|error| Error::io(directory, &error))?;
                write(&path, items, target, stop)?;
                open(&path, items, target)?.ok_or_else(|| {
                    Error::new(Code::Io, format!("{} is not what was written to it", path.display()))
                        .hint("another program may have changed it; try again")
                })
            }
        }
    }
}

/// A hash of all that the samples follow from. Of files it is their sizes and times, not what they hold.
fn key(items: &[Item], target: Target) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(MAGIC);
    let Target { height, width, channels, fit } = target;
    hash.update(format!("{height} {width} {channels} {fit:?} {}\n", items.len()));
    for item in items {
        match item {
            Item::File(path) => {
                let io = |error: &std::io::Error| Error::io(path, error);
                let full = std::path::absolute(path).map_err(|error| io(&error))?;
                hash.update(full.as_os_str().as_encoded_bytes());
                // What cannot be read is told when it is tried.
                if let Ok(metadata) = std::fs::metadata(path) {
                    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                    hash.update(format!("\0{} {:?}\n", metadata.len(), since));
                }
            }
            Item::Bytes { bytes, .. } => hash.update(Sha256::digest(bytes)),
        }
    }
    Ok(hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

/// Writes the file, a piece after the other.
fn write(path: &Path, items: &[Item], target: Target, stop: &StopFlag) -> Result<()> {
    let step = (PIECE / target.len()).max(1);
    atomic::write(path, |writer| {
        let io = |error: std::io::Error| Error::io(path, &error);
        let mut failed = Vec::new();
        for (piece, items) in items.chunks(step).enumerate() {
            let (bytes, failures) = read_all(items, target, stop)?;
            writer.write_all(&bytes).map_err(io)?;
            failed.extend(failures.into_iter().map(|(index, _)| (piece * step + index) as u32));
        }
        for index in &failed {
            writer.write_all(&index.to_le_bytes()).map_err(io)?;
        }
        writer.write_all(&(failed.len() as u64).to_le_bytes()).map_err(io)?;
        writer.write_all(MAGIC).map_err(io)
    })
}

/// Opens the file of these pictures. None where there is none, or another one.
fn open(path: &Path, items: &[Item], target: Target) -> Result<Option<(Pixels, Failures)>> {
    let Ok(mut file) = File::open(path) else { return Ok(None) };
    let Some(failed) = failed(&mut file, items.len(), target.len()) else { return Ok(None) };
    let mut failures = Failures::new();
    for index in failed {
        // Their errors are found out anew.
        match target.try_read(&items[index]) {
            Err(error) => failures.push((index, error)),
            Ok(()) => return Ok(None),
        }
    }
    let samples = items.len() - failures.len();
    if samples == 0 {
        return Ok(Some((Pixels::U8(Vec::new()), failures)));
    }
    Ok(Some((Pixels::Disk(OnDisk::new(file, path, 0, target.len(), samples)?), failures)))
}

/// The places of the pictures that are left out, in ascending order; none for a file that does not hold what it should.
fn failed(file: &mut File, pictures: usize, size: usize) -> Option<Vec<usize>> {
    let held = file.metadata().ok()?.len();
    let mut end = [0; 16];
    file.seek(SeekFrom::End(-16)).ok()?;
    file.read_exact(&mut end).ok()?;
    let (count, magic) = end.split_at(8);
    let count = usize::try_from(u64::from_le_bytes(count.try_into().ok()?)).ok()?;
    if magic != MAGIC || count > pictures {
        return None;
    }
    let samples = ((pictures - count) as u64).checked_mul(size as u64)?;
    if samples.checked_add(4 * count as u64 + 16)? != held {
        return None;
    }
    file.seek(SeekFrom::Start(samples)).ok()?;
    let mut places = vec![0; 4 * count];
    file.read_exact(&mut places).ok()?;
    let places = places.chunks_exact(4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]) as usize);
    let places: Vec<usize> = places.collect();
    let is_ascending = places.windows(2).all(|pair| pair[0] < pair[1]);
    (is_ascending && places.last().is_none_or(|last| *last < pictures)).then_some(places)
}
