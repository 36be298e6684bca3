//! Pictures with their classes as data sets.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::cache::Storage;
use super::files::{Files, Labels};
use super::propose::target;
use crate::data::dataset::check_limit;
use crate::data::preprocessing::{Fit, Preprocessing};
use crate::data::split::stratified;
use crate::data::{Dataset, InputShape, Origins};
use crate::tensor::StopFlag;
use crate::{Code, Error, Result};

/// How pictures become data sets.
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
    /// MiB of memory that the samples may take. More are kept in a file in `cache`, and read from there as they are needed. What is
    /// trained on them is the same. Default: any number.
    pub memory_limit: Option<f64>,
    /// The directory of such files. They stay, and serve the next reading of the same pictures.
    pub cache: Option<PathBuf>,
}

/// What was made of pictures.
#[derive(Debug)]
pub struct LoadedFolder {
    /// The pictures to train on.
    pub train: Dataset,
    /// The pictures for the test, if there are any.
    pub test: Option<Dataset>,
    /// What users should know of the reading.
    pub notes: Vec<String>,
    /// The pictures that could not be read and were left out.
    pub failures: Vec<(Arc<Path>, Error)>,
}

/// Reads pictures to train on, and those of the test, if there are any.
pub(super) fn load(
    mut train: Files,
    mut test: Option<Files>,
    options: &FolderOptions,
    mut notes: Vec<String>,
    stop: &StopFlag,
) -> Result<LoadedFolder> {
    check_limit(options.limit)?;
    if test.is_some() && options.test_split.is_some() {
        return Err(Error::new(Code::Option, format!("the test pictures of {} are named twice", train.place))
            .expected("a test folder beside train, option test, or option testSplit")
            .hint("leave out the option, or name the train folder itself as the data"));
    }
    if let Some(share) = options.test_split {
        let (kept, held) = stratified(&train.positions(), share, options.seed)?;
        test = Some(train.of(&held));
        train = train.of(&kept);
    }
    if let Some(limit) = options.limit {
        train = train.of(&train.in_turn(limit));
    }
    let mut failures = Vec::new();
    let target = target(&mut train, options, &mut failures, &mut notes, stop)?;
    let pictures = train.items.len() + test.as_ref().map_or(0, |test| test.items.len());
    let storage = Storage::of(options, pictures, target)?;
    notes.extend(storage.note());
    let preprocessing = Arc::new(Preprocessing::Images { fit: target.fit.unwrap_or_default() });
    let mut read = |files: Files| -> Result<Dataset> {
        let Files { place, mut items, mut labels, classes } = files;
        let (pixels, failed) = storage.read(&items, target, stop)?;
        if let Some((_, error)) = failed.first()
            && (options.strict || pixels.is_empty())
        {
            return Err(error.clone());
        }
        for (index, error) in failed.into_iter().rev() {
            labels.remove(index);
            failures.push((items.remove(index).path().clone(), error));
        }
        let shape = InputShape::new(&[target.height, target.width, target.channels])?;
        let data = match &classes {
            Labels::Names(names) => Dataset::with_names(pixels, shape, &labels, names),
            Labels::Values(values) => {
                let labels = labels.iter().map(|label| values[*label as usize]).collect();
                Dataset::from_arrays(pixels, shape, Some(labels))
            }
        };
        let data = data.map_err(|mut error| {
            error.what = format!("{place}: {}", error.what);
            error
        })?;
        let origins = Origins::Files(items.iter().map(|item| item.path().clone()).collect());
        Ok(data.with_preprocessing(preprocessing.clone()).with_origins(origins))
    };
    let (train, test) = (read(train)?, test.map(read).transpose()?);
    failures.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(LoadedFolder { train, test, notes, failures })
}
