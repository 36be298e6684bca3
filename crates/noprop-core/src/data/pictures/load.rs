//! Pictures with their classes as data sets.

use std::path::Path;
use std::sync::Arc;

use super::cache::Storage;
use super::files::{Files, Labels};
use super::options::{FolderOptions, LoadedFolder};
use super::propose::target;
use crate::data::dataset::check_limit;
use crate::data::preprocessing::Preprocessing;
use crate::data::split::stratified;
use crate::data::{Dataset, InputShape, Origins};
use crate::tensor::StopFlag;
use crate::{Code, Error, Result};

/// So many pictures that cannot be read are named in a note.
const NAMED: usize = 3;

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
    notes.extend(note(&failures));
    Ok(LoadedFolder { train, test, notes, failures })
}

/// Says that pictures are left out, which first ones, and why.
fn note(failures: &[(Arc<Path>, Error)]) -> Option<String> {
    let could = match failures.len() {
        0 => return None,
        1 => "1 picture could not be read and is left out".to_owned(),
        count => format!("{count} pictures could not be read and are left out"),
    };
    let named: Vec<_> = failures.iter().take(NAMED).map(|(_, error)| error.what.as_str()).collect();
    let more = if failures.len() > NAMED { ", …" } else { "" };
    Some(format!("{could}: {}{more}", named.join(", ")))
}
