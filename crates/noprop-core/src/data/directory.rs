//! Finds out what a directory holds and loads it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Dataset, Split, cifar, idx};
use crate::{Code, Error, Result};

/// Folders of the directory in which IDX files are looked for, in this order.
const IDX_FOLDERS: [&str; 3] = ["", "data", "raw"];

/// Loads a split of the data set in `directory`: IDX files under MNIST's names, with any prefix (EMNIST's) and also in `data/`
/// or `raw/`, or CIFAR's binary files or official archive. Every file may be gzipped. Labels need not start at 0 nor be
/// dense. `limit` loads the first samples only.
///
/// # Errors
/// [`Code::FileNotFound`] when the directory or a file is missing; [`Code::FileFormat`] when `directory` is a file or holds
/// several data sets; otherwise as [`idx::load`] and [`cifar::load`].
pub fn load(directory: &Path, split: Split, limit: Option<usize>) -> Result<Dataset> {
    let kind = std::fs::metadata(directory).map_err(|error| {
        let mut error = Error::io(directory, &error);
        if error.code == Code::FileNotFound {
            error.what = format!("the directory {} does not exist", directory.display());
        }
        error
    })?;
    if !kind.is_dir() {
        return Err(Error::new(Code::FileFormat, format!("{} is not a directory", directory.display()))
            .expected("a directory that holds a data set")
            .received("a file")
            .hint("give the directory that holds the file"));
    }
    for folder in IDX_FOLDERS {
        let folder = if folder.is_empty() { directory.to_owned() } else { directory.join(folder) };
        if let Some((images, labels)) = find_idx(&folder, split)? {
            return idx::load(&images, &labels, limit);
        }
    }
    if let Some((cifar, location)) = cifar::find(directory, split) {
        return cifar::load(cifar, &location, split, limit);
    }
    let (images, others) = match split {
        Split::Train => ("train-images-idx3-ubyte", "data_batch_1.bin … data_batch_5.bin or train.bin"),
        Split::Test => ("t10k-images-idx3-ubyte", "test_batch.bin or test.bin"),
    };
    Err(Error::new(Code::FileNotFound, format!("{} holds no {split} data", directory.display()))
        .expected(format!(
            "IDX files ({images} and its labels, here or in data/ or raw/), or CIFAR's ({others}, or an archive \
             cifar-10-binary.tar.gz or cifar-100-binary.tar.gz); each may be gzipped"
        ))
        .hint("check that the path names the directory with the files"))
}

/// The images file and the labels file of a split, if the folder exists and holds one.
fn find_idx(folder: &Path, split: Split) -> Result<Option<(PathBuf, PathBuf)>> {
    if !folder.is_dir() {
        return Ok(None);
    }
    // Name without `.gz` → path. Where a file is there both plain and gzipped, the plain one is taken.
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(|error| Error::io(folder, &error))? {
        let path = entry.map_err(|error| Error::io(folder, &error))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let stem = name.strip_suffix(".gz").unwrap_or(name).to_owned();
        if stem.ends_with("ubyte") && (stem.len() == name.len() || !files.contains_key(&stem)) {
            files.insert(stem, path);
        }
    }
    let images: Vec<&String> = files.keys().filter(|stem| is_images(stem, split)).collect();
    let stem = match images[..] {
        [] => return Ok(None),
        [stem] => stem,
        _ => {
            let names: Vec<&str> = images.iter().take(8).map(|stem| stem.as_str()).collect();
            return Err(Error::new(Code::FileFormat, format!("{} holds several data sets", folder.display()))
                .expected(format!("one file of {split} images"))
                .received(names.join(", "))
                .hint("put the files of each data set into a directory of its own"));
        }
    };
    let wanted = labels_of(stem);
    let Some(labels) = files.get(&wanted) else {
        return Err(Error::new(Code::FileNotFound, format!("{stem} has no labels in {}", folder.display()))
            .expected(format!("{wanted} or {wanted}.gz beside it")));
    };
    Ok(Some((files[stem].clone(), labels.clone())))
}

/// Whether a file name is that of a split's images, as in `train-images-idx3-ubyte`, `train-images.idx3-ubyte` or
/// `emnist-letters-train-images-idx3-ubyte`.
fn is_images(stem: &str, split: Split) -> bool {
    let names: &[&str] = match split {
        Split::Train => &["train-images"],
        Split::Test => &["t10k-images", "test-images"],
    };
    names.iter().any(|name| {
        stem.find(name).is_some_and(|at| {
            // A whole word: `pretrain-images-…` is something else.
            at == 0 || !stem.as_bytes()[at - 1].is_ascii_alphanumeric()
        })
    })
}

/// The name of the labels that belong to an images file: rank 1, whatever the rank of the images.
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
            ("train-images.idx3-ubyte", Split::Train, "train-labels.idx1-ubyte"),
            ("emnist-letters-train-images-idx3-ubyte", Split::Train, "emnist-letters-train-labels-idx1-ubyte"),
            ("train-images-idx4-ubyte", Split::Train, "train-labels-idx1-ubyte"),
            ("train-images-ubyte", Split::Train, "train-labels-ubyte"),
            ("t10k-images-idx3-ubyte", Split::Test, "t10k-labels-idx1-ubyte"),
            ("emnist-letters-test-images-idx3-ubyte", Split::Test, "emnist-letters-test-labels-idx1-ubyte"),
        ] {
            assert!(is_images(images, split), "{images}");
            assert_eq!(labels_of(images), labels);
            let other = if split == Split::Train { Split::Test } else { Split::Train };
            assert!(!is_images(images, other) && !is_images(labels, split), "{images}");
        }
        assert!(!is_images("pretrain-images-idx3-ubyte", Split::Train));
    }
}
