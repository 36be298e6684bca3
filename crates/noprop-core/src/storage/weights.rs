//! The weights of T blocks in a file: block t's `[parameters | statistics]` at t − 1 times their size, which is also the
//! order of the model file's tensors. A run with one block in flight so needs the memory of one block, whatever T is.

use super::container::{from_bytes, hexadecimal, to_bytes};
use crate::error::{Code, Error, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Weights in a file without a name, or inside a model file.
pub struct WeightStore {
    file: Mutex<File>,
    start: u64,
    /// Values of one block.
    block_len: usize,
    blocks: usize,
}

impl WeightStore {
    /// An empty store in the system's directory for temporary files; it vanishes with the process, however that ends.
    pub fn temporary(blocks: usize, block_len: usize) -> Result<Self> {
        let file = tempfile::tempfile().map_err(|error| {
            Error::new(Code::Io, "no temporary file can be made for the weights")
                .received(error.to_string())
                .hint("set TMPDIR to a directory that may be written to")
        })?;
        Ok(Self { file: Mutex::new(file), start: 0, block_len, blocks })
    }

    /// The weights inside a file, from byte `start`. The caller has checked the file's length.
    pub fn inside(file: File, start: u64, blocks: usize, block_len: usize) -> Self {
        Self { file: Mutex::new(file), start, block_len, blocks }
    }

    /// Number of blocks.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// Values of one block.
    pub fn block_len(&self) -> usize {
        self.block_len
    }

    /// The file, its position at `block` (from 1).
    fn at(&self, block: usize) -> Result<MutexGuard<'_, File>> {
        if !(1..=self.blocks).contains(&block) {
            return Err(Error::new(Code::Internal, format!("there is no block {block} of {}", self.blocks)));
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let position = self.start + (block - 1) as u64 * 4 * self.block_len as u64;
        file.seek(SeekFrom::Start(position)).map_err(io)?;
        Ok(file)
    }

    /// Stores a block's weights.
    pub fn write(&self, block: usize, weights: &[f32]) -> Result<()> {
        if weights.len() != self.block_len {
            return Err(Error::new(Code::Internal, "a block has weights of another size"));
        }
        self.at(block)?.write_all(&to_bytes(weights)).map_err(io)
    }

    /// The little-endian bytes of a block's weights.
    pub fn bytes(&self, block: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; 4 * self.block_len];
        self.at(block)?.read_exact(&mut bytes).map_err(io)?;
        Ok(bytes)
    }

    /// A block's weights.
    pub fn read(&self, block: usize) -> Result<Vec<f32>> {
        Ok(from_bytes(&self.bytes(block)?))
    }

    /// SHA-256 over all parameter and statistic bytes in the order of their names.
    pub fn sha256(&self) -> Result<String> {
        let mut hash = Sha256::new();
        for block in 1..=self.blocks {
            hash.update(self.bytes(block)?);
        }
        Ok(hexadecimal(&hash.finalize()))
    }
}

fn io(error: std::io::Error) -> Error {
    Error::new(Code::Io, "the weights' file cannot be used")
        .received(error.to_string())
        .hint("free some disk space, and leave a model file alone while its model is in use")
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
}
