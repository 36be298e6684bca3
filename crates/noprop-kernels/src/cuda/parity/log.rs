//! What comparisons have found so far, in a file: a crash or a hang of a kernel loses none of it, and shows where it came.

use super::Comparison;
use crate::error::{Error, Result};
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A line of the file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Line<'a> {
    /// An operation whose cases come next.
    Operation { operation: &'static str, multiply: &'static str },
    /// A case that comes next.
    Begun { case: &'a str, multiply: &'static str },
    /// A case that is not made.
    LeftOut { case: &'a str, multiply: &'static str },
    /// What a case found.
    Compared(&'a Comparison),
}

/// See the module; without a file nothing is kept.
#[derive(Default)]
pub(crate) struct Log(Option<(PathBuf, File)>);

impl Log {
    /// Empties the file, or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(|error| Error::io(path, &error))?;
        Ok(Self(Some((path.to_owned(), file))))
    }

    /// Hands a line to the system before the next kernel is launched.
    pub(crate) fn add(&mut self, line: &Line<'_>) -> Result<()> {
        let Some((path, file)) = &mut self.0 else { return Ok(()) };
        let text = serde_json::to_string(line).expect("a line has no map with odd keys") + "\n";
        file.write_all(text.as_bytes()).map_err(|error| Error::io(path, &error))
    }
}
