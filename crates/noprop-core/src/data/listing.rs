//! What of a folder may be a data set's file, in the layouts in which people keep them.
//!
//! Names are compared in lower case, with `.`, `_` and blanks as `-`, and without `.gz`: `train-images.idx3-ubyte` and
//! `TRAIN-IMAGES-IDX3-UBYTE.GZ` are one key. Hidden entries (macOS's `._…`, rsync's `.….XXXXXX`) and `__MACOSX` do not exist. A
//! folder of a file's name that holds that file, as 7-Zip and Kaggle's archives make, stands for the file.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::source::{Source, fill};
use crate::{Code, Error, Result};

/// How a file lies there, best first: of several under one key only those of the best kind count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Plain,
    Packed,
    PlainInFolder,
    PackedInFolder,
    /// No file: opening it says what it is.
    Unusable,
}

/// The files of a folder by key.
#[derive(Default)]
pub(super) struct Listing {
    files: BTreeMap<String, Vec<(Kind, PathBuf)>>,
}

/// The key of a file's name.
pub(super) fn key(name: &str) -> String {
    let lower = name.to_lowercase();
    lower.strip_suffix(".gz").unwrap_or(&lower).replace(['.', '_', ' '], "-")
}

impl Listing {
    /// The entries of `folder` whose key is `wanted`; empty when there is no such folder.
    pub fn new(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Self> {
        let mut listing = Self::default();
        if !folder.is_dir() {
            return Ok(listing);
        }
        for (name, path) in visible(folder)? {
            let key = key(&name);
            if wanted(&key) {
                let found = candidates(&key, &name, path);
                listing.files.entry(key).or_default().extend(found);
            }
        }
        Ok(listing)
    }

    /// The keys that were found, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The file of a key. Several of its best kind must have the same content.
    ///
    /// # Errors
    /// [`Code::FileFormat`] when they differ.
    pub fn file(&self, key: &str) -> Result<Option<PathBuf>> {
        let Some(candidates) = self.files.get(key) else { return Ok(None) };
        let best = candidates.iter().map(|(kind, _)| *kind).min();
        let mut paths = candidates.iter().filter(|(kind, _)| Some(*kind) == best).map(|(_, path)| path);
        let Some(first) = paths.next() else { return Ok(None) };
        if best != Some(Kind::Unusable) {
            for other in paths {
                if !same_content(first, other)? {
                    let text = format!("{} and {} have different contents", first.display(), other.display());
                    return Err(Error::new(Code::FileFormat, text)
                        .expected("one file, or copies of it")
                        .hint("keep the right one and move the other to another directory"));
                }
            }
        }
        Ok(Some(first.clone()))
    }
}

/// The visible entries of a folder by name, in order.
pub(super) fn visible(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| Error::io(folder, &error))? {
        let path = entry.map_err(|error| Error::io(folder, &error))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if !name.starts_with('.') && name != "__MACOSX" {
            entries.push((name.to_owned(), path));
        }
    }
    entries.sort();
    Ok(entries)
}

/// The files that an entry stands for.
fn candidates(key: &str, name: &str, path: PathBuf) -> Vec<(Kind, PathBuf)> {
    let is_packed = |name: &str| name.to_lowercase().ends_with(".gz");
    let metadata = path.metadata();
    if metadata.as_ref().is_ok_and(Metadata::is_file) {
        return vec![(if is_packed(name) { Kind::Packed } else { Kind::Plain }, path)];
    }
    let mut inside: Vec<_> = if metadata.is_ok_and(|metadata| metadata.is_dir()) {
        let members = visible(&path).unwrap_or_default().into_iter();
        members
            .filter(|(name, path)| self::key(name) == key && path.is_file())
            .map(|(name, path)| (if is_packed(&name) { Kind::PackedInFolder } else { Kind::PlainInFolder }, path))
            .collect()
    } else {
        Vec::new()
    };
    if inside.is_empty() {
        inside.push((Kind::Unusable, path));
    }
    inside
}

/// Whether two files hold the same bytes once they are unpacked.
fn same_content(one: &Path, other: &Path) -> Result<bool> {
    let (mut one, mut other) = (Source::open(one)?, Source::open(other)?);
    if let (Some(one), Some(other)) = (one.plain_len(), other.plain_len())
        && one != other
    {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let read =
        |source: &mut Source, buffer: &mut [u8]| fill(source.by_ref(), buffer).map_err(|error| source.explain(&error));
    loop {
        let (here, there) = (read(&mut one, &mut left)?, read(&mut other, &mut right)?);
        if left[..here] != right[..there] {
            return Ok(false);
        }
        if here < left.len() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_name_have_one_key() {
        for name in ["train-images-idx3-ubyte", "train-images.idx3-ubyte.gz", "Train_Images IDX3-ubyte.GZ"] {
            assert_eq!(key(name), "train-images-idx3-ubyte");
        }
        assert_ne!(key("train-images-idx3-ubyte (1)"), key("train-images-idx3-ubyte"));
    }

    #[test]
    fn kinds_are_ordered_and_twins_compared() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        let found = || Listing::new(folder.path(), |key| key == "a-b").unwrap().file("a-b");
        assert_eq!(found().unwrap(), None);
        std::fs::create_dir(folder.path().join("a.b")).unwrap();
        assert_eq!(found().unwrap(), Some(folder.path().join("a.b")), "opening it tells what it is");
        write("a.b/.a.b", b"hidden");
        write("a.b/A_B", b"0");
        assert_eq!(found().unwrap(), Some(folder.path().join("a.b/A_B")));
        write("a-b.gz", b"1");
        assert_eq!(found().unwrap(), Some(folder.path().join("a-b.gz")));
        write("a-b", b"2");
        assert_eq!(found().unwrap(), Some(folder.path().join("a-b")));
        write("A-B", b"2");
        assert!(found().unwrap().is_some());
        write("A-B", b"3");
        if std::fs::read(folder.path().join("a-b")).unwrap() == b"2" {
            assert_eq!(found().unwrap_err().code, Code::FileFormat);
        }
    }
}
