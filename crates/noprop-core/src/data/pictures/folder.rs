//! Folders of pictures whose names are the labels: `photos/cats/1.jpg`, or `train/` and `test/` above the classes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{Files, Labels};
use super::item::Item;
use super::load::load;
use super::options::{FolderOptions, LoadedFolder};
use crate::data::dataset::check_limit;
use crate::data::listing::visible;
use crate::tensor::StopFlag;
use crate::{Code, Error, Result};

/// Endings of picture files. What they hold decides, not the ending.
const ENDINGS: [&str; 9] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "dib"];
/// Files that systems put everywhere.
const JUNK: [&str; 3] = ["thumbs.db", "desktop.ini", "ehthumbs.db"];
/// Folders of the training, and of the test, best first.
const TRAIN: [&str; 2] = ["train", "training"];
const TEST: [&str; 5] = ["test", "testing", "val", "valid", "validation"];
/// Most folders in one another.
const DEEPEST: usize = 32;

/// Reads a folder of a folder a class, or of `train` and `test` with such folders. Pictures may lie deeper. `test` is another
/// folder with the test pictures.
///
/// Hidden files, `Thumbs.db`, `desktop.ini` and `__MACOSX` do not exist; a class without pictures is none. Without `size`, small
/// pictures that all have one size stay as they are; others become squares whose side is the median of their smaller sides,
/// rounded down to a multiple of 8, from 16 to 64.
///
/// # Errors
/// [`Code::FileNotFound`] where there are no pictures; [`Code::FileFormat`], [`Code::FileTruncated`] for the first damaged one if
/// `strict`, or if none is sound; [`Code::Option`], [`Code::Shape`], [`Code::Memory`], [`Code::Cancelled`].
pub fn load_folder(
    folder: &Path,
    test: Option<&Path>,
    options: &FolderOptions,
    stop: &StopFlag,
) -> Result<LoadedFolder> {
    check_limit(options.limit)?;
    let mut notes = Vec::new();
    let (train_folder, own_test) = splits(folder)?;
    if own_test.is_some() && test.is_some() {
        return Err(Error::new(Code::Option, format!("the test pictures of {} are named twice", folder.display()))
            .expected("a test folder beside train, option test, or option testSplit")
            .hint("leave out the option, or name the train folder itself as the data"));
    }
    let train = find(&train_folder, &mut notes)?;
    let test_folder = match test {
        Some(test) => Some(splits(test).map(|(train, test)| test.unwrap_or(train))?),
        None => own_test,
    };
    let tested = test_folder.map(|folder| find(&folder, &mut notes)).transpose()?;
    load(train, tested, options, notes, stop)
}

/// The folders of the training and of the test, if a folder has them, or the folder itself.
fn splits(folder: &Path) -> Result<(PathBuf, Option<PathBuf>)> {
    let entries: BTreeMap<String, PathBuf> = visible(folder)?
        .into_iter()
        .filter(|(_, path)| path.is_dir())
        .map(|(name, path)| (name.to_lowercase(), path))
        .collect();
    let find = |names: &[&str]| names.iter().find_map(|name| entries.get(*name).cloned());
    match (find(&TRAIN), find(&TEST)) {
        // A class may be called "train", among others.
        (Some(train), test) if entries.len() <= 1 + TEST.len() && holds_classes(&train)? => {
            Ok((train, test.filter(|test| holds_classes(test).unwrap_or(false))))
        }
        _ => Ok((folder.to_owned(), None)),
    }
}

fn holds_classes(folder: &Path) -> Result<bool> {
    Ok(visible(folder)?.iter().any(|(_, path)| path.is_dir()))
}

/// The pictures in the folders of `folder`, class by class, by name.
fn find(folder: &Path, notes: &mut Vec<String>) -> Result<Files> {
    let (mut paths, mut labels, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let mut others = 0;
    let mut loose = 0;
    for (name, path) in visible(folder)? {
        if !path.is_dir() {
            loose += usize::from(is_picture(&name));
            continue;
        }
        let before = paths.len();
        walk(&path, DEEPEST, &mut paths, &mut others)?;
        if paths.len() == before {
            notes.push(format!("folder {name:?} has no pictures and is no class"));
            continue;
        }
        labels.resize(paths.len(), names.len() as i32);
        names.push(name);
    }
    if paths.is_empty() {
        return Err(Error::new(Code::FileNotFound, format!("{} holds no folders of pictures", folder.display()))
            .expected("a folder for each class, with JPEG, PNG, WebP, GIF or BMP files")
            .received(if loose > 0 { format!("{loose} pictures without a class") } else { "none".to_owned() })
            .hint("put the pictures of each class into a folder of its name"));
    }
    if loose > 0 {
        notes.push(format!("{loose} pictures lie beside the folders of the classes and are left out"));
    }
    if others > 0 {
        notes.push(format!("{others} files are no pictures by their names and are left out"));
    }
    let items = paths.into_iter().map(|path| Item::File(Arc::from(path))).collect();
    Ok(Files { place: folder.display().to_string(), items, labels, classes: Labels::Names(names) })
}

fn is_picture(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending.to_lowercase().as_str()))
}

/// Adds the pictures of a folder and of those in it. Links to folders are left out: they may lead back.
fn walk(folder: &Path, deepest: usize, paths: &mut Vec<PathBuf>, others: &mut usize) -> Result<()> {
    for (name, path) in visible(folder)? {
        let metadata = std::fs::symlink_metadata(&path).map_err(|error| Error::io(&path, &error))?;
        if metadata.is_dir() {
            if deepest > 0 {
                walk(&path, deepest - 1, paths, others)?;
            }
        } else if is_picture(&name) && !path.is_dir() {
            paths.push(path);
        } else if !JUNK.contains(&name.to_lowercase().as_str()) {
            *others += 1;
        }
    }
    Ok(())
}
