//! The weights of T blocks in a file: each block's `[parameters | statistics]` behind those of the one before, which is also the
//! order of the model file's tensors. A run with one block in flight so needs the memory of one block, whatever T is.

use super::container::{from_bytes, hexadecimal, to_bytes};
use crate::error::{Code, Error, Result};
use crate::memory::reserved;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Values that are read or written at once.
const PIECE: usize = 1 << 16;

/// Weights in a file without a name, or inside a model file.
pub struct WeightStore {
    file: Mutex<File>,
    start: u64,
    /// Where each block begins and the last one ends, values.
    ends: Vec<u64>,
    /// Of a file that others can reach: what it was at first.
    origin: Option<Origin>,
}

/// A model file, which another process may overwrite in place while it is open. Every block is compared with its digest
/// whenever it is read. A copy would need as much room on a disk, or in memory, again.
struct Origin {
    path: PathBuf,
    /// SHA-256 of each block's bytes.
    digests: Vec<[u8; 32]>,
}

impl WeightStore {
    /// An empty store in the system's directory for temporary files; it vanishes with the process, however that ends.
    pub fn temporary(blocks: usize, block_len: usize) -> Result<Self> {
        Self::temporary_of(&vec![block_len; blocks])
    }

    /// The same for blocks of these numbers of values.
    pub fn temporary_of(lens: &[usize]) -> Result<Self> {
        let file = tempfile::tempfile().map_err(|error| {
            Error::new(Code::Io, "no temporary file can be made for the weights")
                .received(error.to_string())
                .hint("set TMPDIR to a directory that may be written to")
        })?;
        Ok(Self { file: Mutex::new(file), start: 0, ends: ends(lens), origin: None })
    }

    /// The weights inside a model file, from where `file` stands. Reads them once, in pieces, and shows each to `see`: which
    /// block (from 1), the place of its first value, and the values.
    ///
    /// # Errors
    /// Those of `see`, and [`Code::Io`].
    pub fn inside(
        mut file: File,
        path: &Path,
        lens: &[usize],
        mut see: impl FnMut(usize, usize, &[f32]) -> Result<()>,
    ) -> Result<Self> {
        let start = file.stream_position().map_err(io)?;
        let digest = |(index, len): (usize, &usize)| {
            let mut hash = Sha256::new();
            pieces(&mut file, *len, |first, bytes| {
                hash.update(bytes);
                see(index + 1, first, &from_bytes(bytes))
            })?;
            Ok(hash.finalize().into())
        };
        let digests = lens.iter().enumerate().map(digest).collect::<Result<_>>()?;
        let origin = Some(Origin { path: path.to_owned(), digests });
        Ok(Self { file: Mutex::new(file), start, ends: ends(lens), origin })
    }

    /// Number of blocks.
    pub fn blocks(&self) -> usize {
        self.ends.len() - 1
    }

    /// Values of a block (from 1).
    pub(crate) fn len(&self, block: usize) -> usize {
        (self.ends[block] - self.ends[block - 1]) as usize
    }

    /// The file, its position at `block` (from 1).
    fn at(&self, block: usize) -> Result<MutexGuard<'_, File>> {
        if !(1..=self.blocks()).contains(&block) {
            return Err(Error::new(Code::Internal, format!("there is no block {block} of {}", self.blocks())));
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let position = self.start + 4 * self.ends[block - 1];
        file.seek(SeekFrom::Start(position)).map_err(io)?;
        Ok(file)
    }

    /// Stores a block's weights.
    pub fn write(&self, block: usize, weights: &[f32]) -> Result<()> {
        let mut file = self.at(block)?;
        if weights.len() != self.len(block) || self.origin.is_some() {
            return Err(Error::new(Code::Internal, "weights that do not belong into this store"));
        }
        weights.chunks(PIECE).try_for_each(|piece| file.write_all(&to_bytes(piece)).map_err(io))
    }

    /// Shows the little-endian bytes of a block's weights to `see`, piece by piece. What was seen only counts if this
    /// succeeds.
    ///
    /// # Errors
    /// [`Code::ModelChanged`] when they are not those of the beginning, [`Code::Io`], or what `see` returns.
    pub fn each_piece(&self, block: usize, mut see: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut file = self.at(block)?;
        let Some(origin) = &self.origin else {
            return pieces(&mut file, self.len(block), |_, bytes| see(bytes));
        };
        let mut hash = Sha256::new();
        let outcome = pieces(&mut file, self.len(block), |_, bytes| {
            hash.update(bytes);
            see(bytes)
        });
        match outcome {
            Err(error) if error.code == Code::ModelTruncated => return Err(changed(&origin.path)),
            outcome => outcome?,
        }
        if hash.finalize()[..] == origin.digests[block - 1] { Ok(()) } else { Err(changed(&origin.path)) }
    }

    /// A block's weights.
    ///
    /// # Errors
    /// See [`each_piece`](Self::each_piece), and [`Code::Memory`].
    pub fn read(&self, block: usize) -> Result<Vec<f32>> {
        drop(self.at(block)?);
        let mut weights = reserved(self.len(block), "the weights of a block")?;
        self.each_piece(block, |bytes| {
            weights.extend(from_bytes(bytes));
            Ok(())
        })?;
        Ok(weights)
    }

    /// SHA-256 over all parameter and statistic bytes in the order of their names.
    pub fn sha256(&self) -> Result<String> {
        let mut hash = Sha256::new();
        for block in 1..=self.blocks() {
            self.each_piece(block, |bytes| {
                hash.update(bytes);
                Ok(())
            })?;
        }
        Ok(hexadecimal(&hash.finalize()))
    }
}

/// Where parts of these lengths begin, one after the other, and where the last one ends.
fn ends(lens: &[usize]) -> Vec<u64> {
    let sums = lens.iter().scan(0, |end, len| {
        *end += *len as u64;
        Some(*end)
    });
    std::iter::once(0).chain(sums).collect()
}

/// Shows the next `len` values of a file to `see`, piece by piece, as bytes: the place of the first, and the bytes.
///
/// # Errors
/// [`Code::ModelTruncated`] where the file ends before, [`Code::Io`], or what `see` returns.
pub(crate) fn pieces(file: &mut File, len: usize, mut see: impl FnMut(usize, &[u8]) -> Result<()>) -> Result<()> {
    let mut buffer = vec![0; 4 * PIECE.min(len)];
    for first in (0..len).step_by(PIECE) {
        let bytes = &mut buffer[..4 * PIECE.min(len - first)];
        file.read_exact(bytes).map_err(io)?;
        see(first, bytes)?;
    }
    Ok(())
}

fn changed(path: &Path) -> Error {
    Error::new(
        Code::ModelChanged,
        format!("the model file {} was overwritten while its model was in use", path.display()),
    )
    .expected("the file as it was when the model was loaded")
    .hint("load the model again; replace a model file by renaming another to it, as save does")
}

fn io(error: std::io::Error) -> Error {
    if error.kind() == ErrorKind::UnexpectedEof {
        return Error::new(Code::ModelTruncated, "the file is truncated").hint("copy or save the file again");
    }
    Error::new(Code::Io, "the weights' file cannot be used").received(error.to_string()).hint("free some disk space")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::container::sha256;

    #[test]
    fn blocks_come_back_in_any_order() {
        let store = WeightStore::temporary(3, 2).unwrap();
        for block in [2, 3, 1] {
            store.write(block, &[block as f32, -0.5]).unwrap();
        }
        assert_eq!(store.read(2).unwrap(), [2.0, -0.5]);
        assert_eq!(store.sha256().unwrap(), sha256(&to_bytes(&[1.0, -0.5, 2.0, -0.5, 3.0, -0.5])));
        assert_eq!(store.read(4).unwrap_err().code, Code::Internal);
        assert_eq!(store.write(1, &[0.0]).unwrap_err().code, Code::Internal);
    }

    #[test]
    fn blocks_of_several_pieces_are_read_and_shown_whole() {
        let len = 2 * PIECE + 3;
        let values = |block: usize| (0..len).map(|value| (value * block) as f32).collect::<Vec<_>>();
        let temporary = WeightStore::temporary(2, len).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        for block in [1, 2] {
            temporary.write(block, &values(block)).unwrap();
            file.as_file().write_all(&to_bytes(&values(block))).unwrap();
        }
        let mut seen = vec![Vec::<f32>::new(); 2];
        let inside =
            WeightStore::inside(File::open(file.path()).unwrap(), file.path(), &[len; 2], |block, first, piece| {
                assert_eq!(seen[block - 1].len(), first);
                seen[block - 1].extend(piece);
                Ok(())
            });
        let inside = inside.unwrap();
        for block in [2, 1] {
            assert!(inside.read(block).unwrap() == values(block) && temporary.read(block).unwrap() == values(block));
            assert!(seen[block - 1] == values(block));
        }
        assert_eq!(inside.sha256().unwrap(), temporary.sha256().unwrap());
    }
}
