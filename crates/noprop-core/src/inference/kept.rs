//! Features that are too many for memory: a file of them, which stays for the next time that the same encoder sees the same samples.
//!
//! `MAGIC`, samples and width (u64 each), the features one sample after the other (f32), SHA-256 of them; numbers are little-endian.

use crate::data::{OnDisk, Pixels};
use crate::error::{Error, Result};
use crate::storage::container::put;
use crate::storage::{atomic, open_file};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"NOPROPF1";
const HEADER: usize = 24;
const DIGEST: usize = 32;

/// The file of the features that an encoder of these weights makes of these data.
pub(super) fn path(directory: &Path, encoder: &str, data: &str) -> PathBuf {
    let key = Sha256::digest(format!("{encoder} {data}"));
    let name: String = key.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    directory.join("features").join(format!("{name}.features"))
}

/// Writes the file atomically; `make` gives the features of so many samples from one on, as bytes.
pub(super) fn write(
    path: &Path,
    (samples, width): (usize, usize),
    step: usize,
    mut make: impl FnMut(usize, usize) -> Result<Vec<u8>>,
) -> Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(|error| Error::io(directory, &error))?;
    }
    atomic::write(path, |writer| {
        put(writer, &header(samples, width))?;
        let mut hash = Sha256::new();
        for first in (0..samples).step_by(step) {
            let bytes = make(first, step.min(samples - first))?;
            hash.update(&bytes);
            put(writer, &bytes)?;
        }
        put(writer, &hash.finalize())
    })
}

/// What [`write`] wrote; none where there is no such file, or where it is damaged.
pub(super) fn open(path: &Path, samples: usize, width: usize) -> Result<Option<Pixels>> {
    if !path.exists() {
        return Ok(None);
    }
    let mut file = open_file(path, crate::Code::Io)?;
    if !is_whole(&mut file, samples, width).map_err(|error| Error::io(path, &error))? {
        return Ok(None);
    }
    Ok(Some(Pixels::Disk(OnDisk::of_floats(file, path, HEADER as u64, width, samples)?)))
}

fn is_whole(file: &mut File, samples: usize, width: usize) -> std::io::Result<bool> {
    let values = (samples as u64).saturating_mul(4 * width as u64);
    if file.metadata()?.len() != values.saturating_add((HEADER + DIGEST) as u64) {
        return Ok(false);
    }
    let mut found = [0; HEADER];
    file.read_exact(&mut found)?;
    if found != header(samples, width) {
        return Ok(false);
    }
    let (mut hash, mut left, mut piece) = (Sha256::new(), values, vec![0; 1 << 20]);
    while left > 0 {
        let len = (piece.len() as u64).min(left) as usize;
        file.read_exact(&mut piece[..len])?;
        hash.update(&piece[..len]);
        left -= len as u64;
    }
    let mut digest = [0; DIGEST];
    file.read_exact(&mut digest)?;
    Ok(hash.finalize()[..] == digest)
}

fn header(samples: usize, width: usize) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..16].copy_from_slice(&(samples as u64).to_le_bytes());
    header[16..].copy_from_slice(&(width as u64).to_le_bytes());
    header
}
