//! Folders of pictures whose names are the labels: `photos/cats/1.jpg`, or `train/` and `test/` above the classes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::decode::{Header, header};
use super::read::{Target, read_all};
use crate::data::dataset::check_limit;
use crate::data::listing::visible;
use crate::data::parallel::map;
use crate::data::preprocessing::{Fit, Preprocessing};
use crate::data::split::stratified;
use crate::data::{Dataset, InputShape, Pixels};
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
/// The side that is proposed lies between these, and is a multiple of `STEP`.
const SIDES: (usize, usize) = (16, 64);
const STEP: usize = 8;
/// Pictures that all have one size, and no side above this, stay as they are.
const SMALL: usize = 96;

/// How a folder becomes data sets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FolderOptions {
    /// Height and width of a sample. Default: proposed from the pictures, see [`load_folder`].
    pub size: Option<[usize; 2]>,
    /// 1 for grey, 3 for colours. Default: 1 if every picture is grey.
    pub channels: Option<usize>,
    /// What happens to pictures of another ratio. Default: cover.
    pub fit: Option<Fit>,
    /// Whether a picture that cannot be read fails the whole. Default: it is left out.
    pub strict: bool,
    /// Share of the pictures to hold out for the test, of each class alike.
    pub test_split: Option<f64>,
    /// Seed of the choice of those pictures.
    pub seed: u64,
    /// Take only so many pictures to train on, of the classes in turn.
    pub limit: Option<usize>,
}

/// What was made of a folder.
#[derive(Debug)]
pub struct LoadedFolder {
    /// The pictures to train on.
    pub train: Dataset,
    /// The pictures for the test, if there are any.
    pub test: Option<Dataset>,
    /// What users should know of the reading.
    pub notes: Vec<String>,
    /// The pictures that could not be read and were left out.
    pub failures: Vec<(PathBuf, Error)>,
}

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
    if own_test.is_some() && test.is_some() || (own_test.is_some() || test.is_some()) && options.test_split.is_some() {
        return Err(Error::new(Code::Option, format!("the test pictures of {} are named twice", folder.display()))
            .expected("a test folder beside train, option test, or option testSplit")
            .hint("leave out the option, or name the train folder itself as the data"));
    }
    let mut train = Files::find(&train_folder, &mut notes)?;
    let test_folder = match test {
        Some(test) => Some(splits(test).map(|(train, test)| test.unwrap_or(train))?),
        None => own_test,
    };
    let mut tested = test_folder.map(|folder| Files::find(&folder, &mut notes)).transpose()?;
    if let Some(share) = options.test_split {
        let (kept, held) = stratified(&train.positions(), share, options.seed)?;
        tested = Some(train.of(&held));
        train = train.of(&kept);
    }
    if let Some(limit) = options.limit {
        train = train.of(&train.in_turn(limit));
    }
    let mut failures = Vec::new();
    let target = target(&mut train, options, &mut failures, &mut notes, stop)?;
    let fit = target.fit.unwrap_or_default();
    let preprocessing = Arc::new(Preprocessing::Images { fit });
    let mut read = |files: Files| -> Result<Dataset> {
        let Files { folder, mut paths, mut labels, names } = files;
        let (pixels, failed) = read_all(&paths, target, stop)?;
        if let Some((_, error)) = failed.first()
            && (options.strict || pixels.is_empty())
        {
            return Err(error.clone());
        }
        for (index, error) in failed.into_iter().rev() {
            labels.remove(index);
            failures.push((paths.remove(index), error));
        }
        let shape = InputShape::new(&[target.height, target.width, target.channels])?;
        let data = Dataset::with_names(Pixels::U8(pixels), shape, &labels, &names).map_err(|mut error| {
            error.what = format!("{}: {}", folder.display(), error.what);
            error
        })?;
        Ok(data.with_preprocessing(preprocessing.clone()))
    };
    let (train, test) = (read(train)?, tested.map(read).transpose()?);
    failures.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(LoadedFolder { train, test, notes, failures })
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

/// The sample that the pictures become; those whose header cannot be read are left out.
fn target(
    files: &mut Files,
    options: &FolderOptions,
    failures: &mut Vec<(PathBuf, Error)>,
    notes: &mut Vec<String>,
    stop: &StopFlag,
) -> Result<Target> {
    let fit = options.fit.or(Some(Fit::default()));
    if let Some(channels) = options.channels
        && ![1, 3].contains(&channels)
    {
        return Err(Error::new(Code::Option, "option channels is out of range")
            .expected("1 for grey, 3 for colours")
            .received(channels.to_string()));
    }
    if let Some([height, width]) = options.size {
        InputShape::new(&[height, width, 3]).map_err(|mut error| {
            error.code = Code::Option;
            error.what = "option size is out of range".to_owned();
            error
        })?;
        if let Some(channels) = options.channels {
            return Ok(Target { height, width, channels, fit });
        }
    }
    let headers = map(files.paths.len(), stop, |index| header(&files.paths[index]))?;
    let (mut sound, mut kept) = (Vec::new(), Vec::new());
    let mut first = None;
    for (index, header) in headers.into_iter().enumerate() {
        match header {
            Ok(header) => {
                sound.push(header);
                kept.push(index);
            }
            Err(error) if options.strict => return Err(error),
            Err(error) => {
                first = first.or_else(|| Some(error.clone()));
                failures.push((files.paths[index].clone(), error));
            }
        }
    }
    if let (true, Some(error)) = (sound.is_empty(), first) {
        return Err(error);
    }
    *files = files.of(&kept);
    let channels = options.channels.unwrap_or(if sound.iter().all(|header| header.is_grey) { 1 } else { 3 });
    let [height, width] = options.size.unwrap_or_else(|| {
        let size = propose(&sound);
        notes.push(format!("pictures become {}x{} pixels (width x height; size sets it)", size[1], size[0]));
        size
    });
    Ok(Target { height, width, channels, fit })
}

/// Height and width for pictures of these sizes, at least one.
fn propose(headers: &[Header]) -> [usize; 2] {
    let first = headers[0];
    let same = headers.iter().all(|header| (header.height, header.width) == (first.height, first.width));
    if same && first.height.max(first.width) <= SMALL {
        return [first.height, first.width];
    }
    let mut sides: Vec<_> = headers.iter().map(|header| header.height.min(header.width)).collect();
    sides.sort_unstable();
    let side = (sides[sides.len() / 2] / STEP * STEP).clamp(SIDES.0, SIDES.1);
    [side, side]
}

/// Picture files and their classes.
struct Files {
    folder: PathBuf,
    paths: Vec<PathBuf>,
    /// Positions in `names`.
    labels: Vec<i32>,
    names: Vec<String>,
}

impl Files {
    /// The pictures in the folders of `folder`, class by class, by name.
    fn find(folder: &Path, notes: &mut Vec<String>) -> Result<Self> {
        let mut files = Self { folder: folder.to_owned(), paths: Vec::new(), labels: Vec::new(), names: Vec::new() };
        let mut others = 0;
        let mut loose = 0;
        for (name, path) in visible(folder)? {
            if !path.is_dir() {
                loose += usize::from(is_picture(&name));
                continue;
            }
            let before = files.paths.len();
            walk(&path, DEEPEST, &mut files.paths, &mut others)?;
            if files.paths.len() == before {
                notes.push(format!("folder {name:?} has no pictures and is no class"));
                continue;
            }
            files.labels.resize(files.paths.len(), files.names.len() as i32);
            files.names.push(name);
        }
        if files.paths.is_empty() {
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
        Ok(files)
    }

    fn positions(&self) -> Vec<u32> {
        self.labels.iter().map(|label| *label as u32).collect()
    }

    fn of(&self, samples: &[usize]) -> Self {
        Self {
            folder: self.folder.clone(),
            paths: samples.iter().map(|sample| self.paths[*sample].clone()).collect(),
            labels: samples.iter().map(|sample| self.labels[*sample]).collect(),
            names: self.names.clone(),
        }
    }

    /// So many pictures, the first of each class, then the second of each, and so on; in the order of the files.
    fn in_turn(&self, limit: usize) -> Vec<usize> {
        let mut seen = vec![0; self.names.len()];
        let turns = self.labels.iter().enumerate().map(|(sample, label)| {
            let turn = &mut seen[*label as usize];
            *turn += 1;
            (*turn, *label, sample)
        });
        let mut turns: Vec<(usize, i32, usize)> = turns.collect();
        turns.sort_unstable();
        let mut samples: Vec<_> = turns.into_iter().take(limit).map(|(_, _, sample)| sample).collect();
        samples.sort_unstable();
        samples
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_proposed_from_the_pictures() {
        let header = |height, width| Header { height, width, is_grey: false };
        assert_eq!(propose(&[header(28, 30), header(28, 30)]), [28, 30]);
        assert_eq!(propose(&[header(300, 400), header(300, 400)]), [64, 64]);
        assert_eq!(propose(&[header(45, 80), header(90, 50), header(1000, 53)]), [48, 48]);
        assert_eq!(propose(&[header(5, 80), header(9, 6)]), [16, 16]);
    }

    #[test]
    fn limits_take_classes_in_turn() {
        let files = Files {
            folder: PathBuf::new(),
            paths: Vec::new(),
            labels: vec![0, 0, 0, 0, 1, 2, 2],
            names: vec![String::new(); 3],
        };
        assert_eq!(files.in_turn(4), [0, 1, 4, 5]);
        assert_eq!(files.in_turn(6), [0, 1, 2, 4, 5, 6]);
        assert_eq!(files.in_turn(99), [0, 1, 2, 3, 4, 5, 6]);
    }
}
