//! Where a file that is to be written really lies, and whether one may be written there.

use crate::error::{Code, Error, Result};
use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};

/// Links that lead on to links, as many as Linux follows.
const MOST_LINKS: usize = 40;

/// The file that `path` names, all links of its last part followed.
#[derive(Debug)]
pub(super) struct Target {
    /// What the caller named, for messages.
    pub named: PathBuf,
    /// No link itself; in a directory, with a name.
    pub file: PathBuf,
    /// The file that is there already.
    pub old: Option<Metadata>,
}

pub(super) fn unwritable(path: &Path, received: impl Into<String>) -> Error {
    Error::new(Code::Output, format!("cannot write {}", path.display()))
        .expected("a file name in a directory that exists and may be written to")
        .received(received)
        .hint("create the directory, change its permissions, or choose another path")
}

/// The directory that `path` lies in.
pub(super) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

impl Target {
    /// Follows links and refuses what no file may replace: a directory, a device, a pipe, a socket, an open file of a
    /// process (`/dev/stdout`), and a file without permission to write. A link that leads nowhere names the file that will be
    /// there.
    ///
    /// # Errors
    /// [`Code::Output`].
    pub fn of(path: &Path) -> Result<Self> {
        let file = followed(path)?;
        let old = match fs::symlink_metadata(&file) {
            Ok(old) => Some(old),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(unwritable(path, error.to_string())),
        };
        if let Some(old) = &old {
            check_old(path, &file, old)?;
        }
        Ok(Self { named: path.to_owned(), file, old })
    }
}

fn followed(path: &Path) -> Result<PathBuf> {
    let mut at = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(to) = fs::read_link(&at) else { return Ok(at) };
        // Replacing the file behind a process's open file would leave the process with the old one.
        if ["/proc", "/dev/fd"].iter().any(|open| at.starts_with(open)) {
            return Err(unwritable(path, "an open file of a process")
                .expected("the name of a file")
                .hint("choose the name of an ordinary file"));
        }
        at = parent(&at).join(to);
    }
    Err(unwritable(path, "links that lead to one another"))
}

fn check_old(path: &Path, file: &Path, old: &Metadata) -> Result<()> {
    if !old.is_file() {
        return Err(unwritable(path, kind(old))
            .expected("a file, or the name of a new one")
            .hint("choose the name of an ordinary file"));
    }
    let read_only = |reason: String| {
        unwritable(path, reason)
            .expected("a file that may be written to")
            .hint("change its permissions, or remove it first")
    };
    // Permissions do not bind root, and a rename does not ask for the file's own at all; whoever set them meant them.
    if old.permissions().readonly() {
        return Err(read_only("a file that is read-only".to_owned()));
    }
    File::options().append(true).open(file).map(drop).map_err(|error| read_only(error.to_string()))
}

/// What is no file, in words.
pub(crate) fn kind(metadata: &Metadata) -> &'static str {
    if metadata.is_dir() {
        return "a directory";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = metadata.file_type();
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    "something that is not a file"
}
