//! Files: atomic writes, the safetensors container, and the store that holds the weights of trained blocks.

pub mod atomic;
pub mod container;
mod duplicates;
mod target;
pub mod weights;

pub use atomic::probe_output;
pub use weights::WeightStore;

use crate::error::{Code, Error, Result};
use std::fs::File;
use std::path::Path;

/// Opens a file for reading. Asks first what it is: opening a pipe would wait for ever.
///
/// # Errors
/// [`Code::FileNotFound`], [`Code::Io`]; `other` for a directory, a device, a pipe or a socket.
pub(crate) fn open_file(path: &Path, other: Code) -> Result<File> {
    let metadata = std::fs::metadata(path).map_err(|error| Error::io(path, &error))?;
    if !metadata.is_file() {
        return Err(Error::new(other, format!("{} is {}", path.display(), target::kind(&metadata)))
            .expected("a file")
            .hint("choose another path"));
    }
    File::open(path).map_err(|error| Error::io(path, &error))
}
