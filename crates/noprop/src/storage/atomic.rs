//! Writes that either happen whole or not at all: a temporary file beside the target, flushed, then renamed.

use crate::error::{Code, Error, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Beginning of the names of temporary files, which a killed process may leave behind.
pub const TEMPORARY_PREFIX: &str = ".noprop-";

/// The directory that `path` lies in.
fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn unwritable(path: &Path, received: impl Into<String>) -> Error {
    Error::new(Code::Output, format!("cannot write {}", path.display()))
        .expected("a file name in a directory that exists and may be written to")
        .received(received)
        .hint("create the directory, change its permissions, or choose another path")
}

fn temporary(path: &Path, prefix: &str) -> Result<NamedTempFile> {
    if path.is_dir() {
        return Err(unwritable(path, "a directory"));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    {
        // Permissions as a plain `open` would give, less the process's umask.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(parent(path)).map_err(|error| unwritable(path, error.to_string()))
}

/// Fails as a later [`write()`] to `path` would, and leaves nothing behind.
///
/// # Errors
/// [`Code::Output`].
pub fn probe_output(path: &Path) -> Result<()> {
    temporary(path, TEMPORARY_PREFIX).map(drop)
}

/// Writes `path` by `fill`; readers see the old file or the whole new one.
///
/// # Errors
/// [`Code::Output`], or what `fill` returns.
pub fn write(path: &Path, fill: impl FnOnce(&mut BufWriter<&File>) -> Result<()>) -> Result<()> {
    write_by(TEMPORARY_PREFIX, path, fill)
}

/// As [`write`], by a temporary file whose name begins with `prefix`, so that its owner knows it again.
pub(crate) fn write_by(
    prefix: &str,
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<()>,
) -> Result<()> {
    let file = temporary(path, prefix)?;
    let io = |error: std::io::Error| unwritable(path, error.to_string());
    let mut writer = BufWriter::with_capacity(1 << 18, file.as_file());
    fill(&mut writer)?;
    writer.flush().map_err(io)?;
    drop(writer);
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|error| io(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "old").unwrap();
        let error = write(&path, |writer| {
            writer.write_all(b"half of the n").unwrap();
            Err(Error::cancelled())
        });
        assert_eq!(error.unwrap_err().code, Code::Cancelled);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn unwritable_paths_are_found_before_work_begins() {
        let directory = tempfile::tempdir().unwrap();
        for path in [directory.path().to_owned(), directory.path().join("missing/file")] {
            assert_eq!(probe_output(&path).unwrap_err().code, Code::Output);
        }
        probe_output(&directory.path().join("file")).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
