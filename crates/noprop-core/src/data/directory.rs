//! Finds out what a directory holds and loads it.

use std::path::{Path, PathBuf};

use super::listing::{Listing, visible};
use super::pictures::kind::{Kind, kind};
use super::{Dataset, Split, cifar, idx};
use crate::{Code, Error, Result};

/// Folders of the directory in which IDX files are looked for, in this order.
const IDX_FOLDERS: [&str; 3] = ["", "data", "raw"];
/// Words before a name that make it a copy: `old-train-images-idx3-ubyte`, `Copy of train-images-idx3-ubyte`.
const COPY: [&str; 8] = ["old", "backup", "bak", "copy", "of", "orig", "original", "tmp"];

/// Loads a split of the data set in `directory`: IDX files under MNIST's names, with any prefix (EMNIST's) and also in `data/`,
/// `raw/` or one `*/raw/` (torchvision's root); or CIFAR's binary files or official archive. Every file may be gzipped.
/// Labels need not start at 0 nor be dense. `limit` loads the first samples only.
///
/// Upper and lower case, `.` and `-` are the same in names. Hidden files and `__MACOSX` are skipped, and a folder of a file's
/// name that holds this file stands for it. Copies (`old-…`, `copy of …`) and images without labels do not count where
/// other images are.
///
/// # Errors
/// [`Code::FileNotFound`] when the directory or a file is missing; [`Code::FileFormat`] when `directory` is a file or holds
/// several data sets; otherwise as [`idx::load`] and [`cifar::load`].
pub fn load(directory: &Path, split: Split, limit: Option<usize>) -> Result<Dataset> {
    check_directory(directory)?;
    if let Some(Files { images, labels, missing }) = find_idx(directory, split)? {
        let Some(labels) = labels else {
            let text = format!("{} has no labels next to it", images.display());
            return Err(Error::new(Code::FileNotFound, text)
                .expected(format!("{missing} or {missing}.gz"))
                .hint("training and evaluation need labels; prediction does not"));
        };
        return idx::load(&images, &labels, limit);
    }
    load_cifar(directory, split, limit)
}

/// Loads the samples of a split as [`load`] does, without labels: files of labels need not be there and are not read.
///
/// # Errors
/// As [`load`], but for what concerns labels.
pub fn load_unlabelled(directory: &Path, split: Split, limit: Option<usize>) -> Result<Dataset> {
    check_directory(directory)?;
    match find_idx(directory, split)? {
        Some(files) => idx::load_unlabelled(&files.images, limit),
        None => load_cifar(directory, split, limit)?.without_labels(),
    }
}

/// Which parts of a data set of IDX or CIFAR files `directory` has; none of them if it holds something else.
///
/// # Errors
/// As [`load`], but for what concerns the files' contents.
pub fn parts(directory: &Path) -> Result<Vec<Split>> {
    check_directory(directory)?;
    let has = |split| -> Result<bool> {
        Ok(find_idx(directory, split)?.is_some() || cifar::find(directory, split)?.is_some())
    };
    let mut parts = Vec::new();
    for split in [Split::Train, Split::Test] {
        if has(split)? {
            parts.push(split);
        }
    }
    Ok(parts)
}

fn load_cifar(directory: &Path, split: Split, limit: Option<usize>) -> Result<Dataset> {
    if let Some((cifar, location)) = cifar::find(directory, split)? {
        return cifar::load(cifar, &location, split, limit);
    }
    let (images, others) = match split {
        Split::Train => ("train-images-idx3-ubyte", "data_batch_1.bin … data_batch_5.bin or train.bin"),
        Split::Test => ("t10k-images-idx3-ubyte", "test_batch.bin or test.bin"),
    };
    let error = Error::new(Code::FileNotFound, format!("{} holds no {split} data", directory.display()))
        .expected(format!(
            "IDX files ({images} and its labels, here or in data/ or raw/), or CIFAR's ({others}, or an archive \
             cifar-10-binary.tar.gz or cifar-100-binary.tar.gz), each of which may be gzipped; on the command line also \
             folders of pictures, one for each class, and tables (in programs datasets.fromFolder and fromTable)"
        ));
    Err(explain(error, directory)?)
}

/// Says what else a directory has that is read, and how.
fn explain(error: Error, directory: &Path) -> Result<Error> {
    let (mut pictures, mut table) = (0, None);
    for (name, path) in visible(directory)? {
        if path.is_dir() {
            continue;
        }
        let lower = name.to_lowercase();
        let lower = lower.strip_suffix(".gz").unwrap_or(&lower);
        if matches!(kind(&name, &path), Kind::Picture | Kind::Foreign(_)) {
            pictures += 1;
        } else if TABLES.iter().any(|ending| lower.ends_with(ending)) {
            table = table.or(Some(path));
        }
    }
    Ok(match (pictures, table) {
        (0, None) => error.hint("check that the path names the directory with the files"),
        (0, Some(table)) => error.received("a table").hint(format!("name the table itself: {}", table.display())),
        (1, _) => error.received("1 picture in no folder of a class").hint(CLASSES),
        (count, _) => error.received(format!("{count} pictures in no folder of a class")).hint(CLASSES),
    })
}

const CLASSES: &str =
    "put the pictures of each class into a folder of its name, and give the folder that holds these folders";
/// Endings of tables.
const TABLES: [&str; 8] = [".csv", ".tsv", ".ndjson", ".jsonl", ".json", ".npy", ".npz", ".parquet"];

fn check_directory(directory: &Path) -> Result<()> {
    let kind = std::fs::metadata(directory).map_err(|error| {
        let mut error = Error::io(directory, &error);
        if error.code == Code::FileNotFound {
            error.what = format!("the directory {} does not exist", directory.display());
        }
        error
    })?;
    if kind.is_dir() {
        return Ok(());
    }
    Err(Error::new(Code::FileFormat, format!("{} is not a directory", directory.display()))
        .expected("a directory that holds a data set")
        .received("a file")
        .hint("give the directory that holds the file"))
}

/// The files of a split.
struct Files {
    images: PathBuf,
    labels: Option<PathBuf>,
    /// The name that labels have.
    missing: String,
}

/// The IDX files of a split in `directory` or the folders within where they may be.
fn find_idx(directory: &Path, split: Split) -> Result<Option<Files>> {
    for folder in IDX_FOLDERS {
        let folder = if folder.is_empty() { directory.to_owned() } else { directory.join(folder) };
        if let Some(files) = find_in(&folder, split)? {
            return Ok(Some(files));
        }
    }
    let mut found = None;
    for (_, folder) in visible(directory)? {
        let Some(files) = find_in(&folder.join("raw"), split)? else { continue };
        if let Some((other, _)) = found.replace((folder.clone(), files)) {
            return Err(several(directory, split, &format!("{} and {}", other.display(), folder.display())));
        }
    }
    Ok(found.map(|(_, files)| files))
}

/// The IDX files of a split in a folder, which need not exist.
fn find_in(folder: &Path, split: Split) -> Result<Option<Files>> {
    let listing = Listing::new(folder, |key| key.ends_with("ubyte"))?;
    let mut images: Vec<&str> = listing.keys().filter(|key| prefix(key, split).is_some()).collect();
    keep_if_any(&mut images, |key| !is_copy(key, split));
    keep_if_any(&mut images, |key| listing.keys().any(|other| other == labels_of(key)));
    let key = match images[..] {
        [] => return Ok(None),
        [key] => key,
        _ => return Err(several(folder, split, &images[..images.len().min(8)].join(", "))),
    };
    let Some(images) = listing.file(key)? else { return Ok(None) };
    let missing = labels_of(key);
    Ok(Some(Files { images, labels: listing.file(&missing)?, missing }))
}

fn several(folder: &Path, split: Split, received: &str) -> Error {
    Error::new(Code::FileFormat, format!("{} holds several data sets", folder.display()))
        .expected(format!("one file of {split} images"))
        .received(received)
        .hint("put the files of each data set into a directory of its own")
}

/// Removes what is not `good`, unless nothing would be left.
fn keep_if_any(keys: &mut Vec<&str>, good: impl Fn(&str) -> bool) {
    if keys.iter().any(|key| good(key)) {
        keys.retain(|key| good(key));
    }
}

/// What comes before the name of a split's images in a [key](super::listing::key), as in `train-images-idx3-ubyte` or
/// `emnist-letters-train-images-idx3-ubyte`; none if it is another file's.
fn prefix(key: &str, split: Split) -> Option<&str> {
    let names: &[&str] = match split {
        Split::Train => &["train-images"],
        Split::Test => &["t10k-images", "test-images"],
    };
    names.iter().find_map(|name| {
        // A whole word: `pretrain-images-…` is something else.
        let prefix = &key[..key.find(name)?];
        (!prefix.ends_with(char::is_alphanumeric)).then_some(prefix)
    })
}

/// Whether the words before the name say that it is a copy.
fn is_copy(key: &str, split: Split) -> bool {
    let mut words = prefix(key, split).unwrap_or_default().split('-').filter(|word| !word.is_empty()).peekable();
    words.peek().is_some() && words.all(|word| COPY.contains(&word))
}

/// The key of the labels that belong to images: rank 1, whatever the rank of the images.
fn labels_of(images: &str) -> String {
    let mut name = images.replace("-images", "-labels");
    for rank in 2..=4 {
        name = name.replace(&format!("idx{rank}"), "idx1");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images_and_their_labels() {
        for (images, split, labels) in [
            ("train-images-idx3-ubyte", Split::Train, "train-labels-idx1-ubyte"),
            ("emnist-letters-train-images-idx3-ubyte", Split::Train, "emnist-letters-train-labels-idx1-ubyte"),
            ("train-images-idx4-ubyte", Split::Train, "train-labels-idx1-ubyte"),
            ("train-images-ubyte", Split::Train, "train-labels-ubyte"),
            ("t10k-images-idx3-ubyte", Split::Test, "t10k-labels-idx1-ubyte"),
            ("emnist-letters-test-images-idx3-ubyte", Split::Test, "emnist-letters-test-labels-idx1-ubyte"),
        ] {
            assert!(prefix(images, split).is_some() && !is_copy(images, split), "{images}");
            assert_eq!(labels_of(images), labels);
            let other = if split == Split::Train { Split::Test } else { Split::Train };
            assert!(prefix(images, other).is_none() && prefix(labels, split).is_none(), "{images}");
        }
        assert!(prefix("pretrain-images-idx3-ubyte", Split::Train).is_none());
    }

    #[test]
    fn copies_are_known_by_the_words_before_the_name() {
        for prefix in ["old-", "copy-of-", "backup---", "bak-"] {
            assert!(is_copy(&format!("{prefix}train-images-idx3-ubyte"), Split::Train), "{prefix}");
        }
        for prefix in ["", "-", "emnist-old-", "gold-", "qmnist-"] {
            assert!(!is_copy(&format!("{prefix}train-images-idx3-ubyte"), Split::Train), "{prefix}");
        }
    }
}
