//! A picture that is not decoded yet: a file, or its bytes.

use std::io::{BufRead, BufReader, Cursor, Seek};
use std::path::Path;
use std::sync::Arc;

use super::super::source::open_file;
use crate::{Error, Result};

/// A picture as it is stored.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// A file.
    File(Arc<Path>),
    /// The content of one that lies in another, such as a Parquet file.
    Bytes {
        /// What it is called in errors.
        name: Arc<Path>,
        bytes: Arc<[u8]>,
    },
}

/// What decoders read.
pub(super) trait Readable: BufRead + Seek {}

impl<R: BufRead + Seek> Readable for R {}

impl Item {
    /// Its path, or what it is called.
    pub fn path(&self) -> &Arc<Path> {
        match self {
            Self::File(path) | Self::Bytes { name: path, .. } => path,
        }
    }

    /// A reader of it, and how many bytes it has.
    pub fn open(&self) -> Result<(Box<dyn Readable + '_>, u64)> {
        Ok(match self {
            Self::File(path) => {
                let file = open_file(path)?;
                let len = file.metadata().map_err(|error| Error::io(path, &error))?.len();
                (Box::new(BufReader::new(file)), len)
            }
            Self::Bytes { bytes, .. } => (Box::new(Cursor::new(&bytes[..])), bytes.len() as u64),
        })
    }
}
