//! The folders of the training and of the test that a folder may have.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::data::listing::visible;

/// Folders of the training, and of the test, best first.
const TRAIN: [&str; 2] = ["train", "training"];
const TEST: [&str; 5] = ["test", "testing", "val", "valid", "validation"];

/// Where the classes are.
pub(super) struct Splits {
    pub train: PathBuf,
    pub test: Option<PathBuf>,
    /// What is left out, in sentences.
    pub notes: Vec<String>,
}

/// The folders of the training and of the test, if a folder has them, or the folder itself.
pub(super) fn splits(folder: &Path) -> Result<Splits> {
    let folders: Vec<_> = visible(folder)?.into_iter().filter(|(_, path)| path.is_dir()).collect();
    let of = |names: &[&str]| -> Vec<&(String, PathBuf)> {
        names.iter().flat_map(|name| folders.iter().filter(move |(other, _)| other.to_lowercase() == *name)).collect()
    };
    let (trains, tests) = (of(&TRAIN), of(&TEST));
    let mut notes = Vec::new();
    // A class may be called "train", among others.
    let train = trains.first().filter(|_| folders.len() <= 1 + TEST.len());
    let Some((train_name, train)) = train else {
        return Ok(Splits { train: folder.to_owned(), test: None, notes });
    };
    if !holds_classes(train)? {
        if !tests.is_empty() {
            notes.push(format!("folder {train_name:?} has no folders of classes, so it counts as a class itself"));
        }
        return Ok(Splits { train: folder.to_owned(), test: None, notes });
    }
    let test = tests.iter().find(|(_, path)| holds_classes(path).unwrap_or(false));
    for (name, path) in &folders {
        if path == train || test.is_some_and(|(used, _)| used == name) {
            continue;
        }
        let is_test = tests.iter().any(|(other, _)| other == name);
        if is_test && holds_classes(path).unwrap_or(false) {
            let used = test.map_or("", |(used, _)| used);
            notes.push(format!(
                "folder {name:?} is left out, since {used:?} serves for the test; to take it instead, name {} as the data and {} as the test",
                train.display(),
                path.display()
            ));
        } else if is_test && visible(path).is_ok_and(|entries| !entries.is_empty()) {
            notes.push(format!(
                "folder {name:?} has no folders of classes and is left out; to measure on its pictures, put them into a folder for each class"
            ));
        } else if !is_test {
            notes.push(format!("folder {name:?} beside {train_name:?} is left out"));
        }
    }
    Ok(Splits { train: train.clone(), test: test.map(|(_, path)| path.clone()), notes })
}

fn holds_classes(folder: &Path) -> Result<bool> {
    Ok(visible(folder)?.iter().any(|(_, path)| path.is_dir()))
}
