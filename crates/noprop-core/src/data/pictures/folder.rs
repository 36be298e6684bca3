//! Folders of pictures whose names are the labels: `photos/cats/1.jpg`, or `train/` and `test/` above the classes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{Files, Labels};
use super::item::Item;
use super::kind::{Kind, kind};
use super::load::load;
use super::options::{FolderOptions, LoadedFolder};
use super::splits::{Splits, splits};
use crate::data::dataset::check_limit;
use crate::data::listing::visible;
use crate::tensor::StopFlag;
use crate::{Code, Error, Result};

/// Most folders in one another.
const DEEPEST: usize = 32;
/// So many files of a kind are named.
const NAMED: usize = 3;

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
    let Splits { train: train_folder, test: own_test, mut notes } = splits(folder)?;
    if own_test.is_some() && test.is_some() {
        return Err(Error::new(Code::Option, format!("the test pictures of {} are named twice", folder.display()))
            .expected("a test folder beside train, option test, or option testSplit")
            .hint("leave out the option, or name the train folder itself as the data"));
    }
    let train = find(&train_folder, &mut notes)?;
    let test_folder = match test {
        Some(test) => {
            check_test(test)?;
            let Splits { train, test, .. } = splits(test)?;
            Some(test.unwrap_or(train))
        }
        None => own_test,
    };
    let tested = test_folder.map(|folder| find(&folder, &mut notes)).transpose()?;
    load(train, tested, options, notes, stop)
}

/// Refuses a file where the test pictures should be.
fn check_test(test: &Path) -> Result<()> {
    if test.is_dir() || !test.exists() {
        return Ok(());
    }
    Err(Error::new(Code::Option, format!("option test: {} is no folder", test.display()))
        .expected("a folder with a folder of pictures for each class, as the data have it")
        .received("a file"))
}

/// What lies in the folders of classes.
#[derive(Default)]
struct Found {
    pictures: Vec<PathBuf>,
    /// Pictures of kinds that are not read: how many, and the first few.
    foreign: BTreeMap<&'static str, (usize, Vec<PathBuf>)>,
    /// Files that are no pictures.
    others: usize,
}

impl Found {
    fn add(&mut self, name: &str, path: PathBuf) {
        match kind(name, &path) {
            Kind::Picture => self.pictures.push(path),
            Kind::Foreign(what) => {
                let (count, named) = self.foreign.entry(what).or_default();
                *count += 1;
                if named.len() < NAMED {
                    named.push(path);
                }
            }
            Kind::Other => self.others += 1,
            Kind::Junk => {}
        }
    }

    /// Adds the files of a folder and of those in it. Links to folders are left out: they may lead back.
    fn walk(&mut self, folder: &Path, deepest: usize) -> Result<()> {
        for (name, path) in visible(folder)? {
            let metadata = std::fs::symlink_metadata(&path).map_err(|error| Error::io(&path, &error))?;
            if metadata.is_dir() {
                if deepest > 0 {
                    self.walk(&path, deepest - 1)?;
                }
            } else if !path.is_dir() {
                self.add(&name, path);
            }
        }
        Ok(())
    }

    /// Says which pictures are of kinds that are not read: `6 files are of a kind that is not read (HEIC): a/1.heic, …`.
    fn foreign(&self, folder: &Path) -> Vec<String> {
        let named = |paths: &[PathBuf]| {
            let paths = paths.iter().map(|path| path.strip_prefix(folder).unwrap_or(path).display().to_string());
            paths.collect::<Vec<_>>().join(", ")
        };
        let told = self.foreign.iter().map(|(what, (count, paths))| {
            let files = if *count == 1 { "file is" } else { "files are" };
            let more = if *count > paths.len() { ", …" } else { "" };
            format!("{count} {files} of a kind that is not read ({what}): {}{more}", named(paths))
        });
        told.collect()
    }
}

/// The pictures in the folders of `folder`, class by class, by name.
fn find(folder: &Path, notes: &mut Vec<String>) -> Result<Files> {
    let (mut found, mut labels, mut names) = (Found::default(), Vec::new(), Vec::new());
    let mut beside = Found::default();
    for (name, path) in visible(folder)? {
        if !path.is_dir() {
            beside.add(&name, path);
            continue;
        }
        found.walk(&path, DEEPEST)?;
        if found.pictures.len() == labels.len() {
            notes.push(format!("folder {name:?} has no pictures and is no class"));
            continue;
        }
        labels.resize(found.pictures.len(), names.len() as i32);
        names.push(name);
    }
    let loose = beside.pictures.len();
    let foreign = found.foreign(folder);
    if found.pictures.is_empty() {
        let received = match (loose, &foreign[..]) {
            (0, []) => "none".to_owned(),
            (0, foreign) => foreign.join("; "),
            (loose, _) => format!("{loose} pictures without a class"),
        };
        let convert = loose == 0 && !foreign.is_empty();
        return Err(Error::new(Code::FileNotFound, format!("{} holds no folders of pictures", folder.display()))
            .expected("a folder for each class, with JPEG, PNG, WebP, GIF or BMP files")
            .received(received)
            .hint(if convert { CONVERT } else { "put the pictures of each class into a folder of its name" }));
    }
    if loose > 0 {
        notes.push(format!("{loose} pictures lie beside the folders of the classes and are left out"));
    }
    notes.extend(foreign.into_iter().map(|told| format!("{told}; {CONVERT}")));
    if found.others > 0 {
        notes.push(format!("{} files are no pictures and are left out", found.others));
    }
    let items = found.pictures.into_iter().map(|path| Item::File(Arc::from(path))).collect();
    Ok(Files { place: folder.display().to_string(), items, labels, classes: Labels::Names(names) })
}

const CONVERT: &str = "convert them to JPEG or PNG";
