//! Pictures that lie in other files with their labels, as hubs keep sets of them in Parquet.

use std::path::Path;
use std::sync::Arc;

use super::files::{Files, Labels};
use super::item::Item;
use super::load::load;
use super::options::{FolderOptions, LoadedFolder};
use crate::tensor::StopFlag;
use crate::{Code, Error, Result};

/// Pictures as files hold them, with a label each.
#[derive(Debug, Default)]
pub struct Encoded {
    /// The file that they are from, for errors.
    pub place: String,
    /// What each is called, and its bytes: those of a picture file.
    pub pictures: Vec<(String, Vec<u8>)>,
    /// A label each; with `names`, its position in them.
    pub labels: Vec<i32>,
    /// The names of the classes, if they have any.
    pub names: Option<Vec<String>>,
}

impl Encoded {
    fn files(self) -> Result<Files> {
        let Self { place, pictures, labels, names } = self;
        if pictures.is_empty() || pictures.len() != labels.len() {
            return Err(Error::new(Code::Count, format!("the pictures and labels of {place} do not fit"))
                .expected("at least one picture, and a label each")
                .received(format!("{} pictures and {} labels", pictures.len(), labels.len())));
        }
        let classes = match names {
            Some(names) => Labels::Names(names),
            None => {
                let mut values = labels.clone();
                values.sort_unstable();
                values.dedup();
                Labels::Values(values)
            }
        };
        let position = |label: i32| match &classes {
            Labels::Names(names) => usize::try_from(label).ok().filter(|label| *label < names.len()),
            Labels::Values(values) => values.binary_search(&label).ok(),
        };
        let mut positions = Vec::with_capacity(labels.len());
        for (sample, label) in labels.into_iter().enumerate() {
            positions.push(position(label).ok_or_else(|| {
                Error::new(Code::Label, format!("the label of picture {sample} of {place} has no name"))
                    .expected(format!("0 to {}", classes.len().saturating_sub(1)))
                    .received(label.to_string())
            })? as i32);
        }
        let item = |(name, bytes): (String, Vec<u8>)| Item::Bytes {
            name: Arc::from(Path::new(&name)),
            bytes: Arc::from(bytes),
        };
        Ok(Files { place, items: pictures.into_iter().map(item).collect(), labels: positions, classes })
    }
}

/// Reads pictures with their labels, as [`load_folder`](super::load_folder) reads files.
///
/// # Errors
/// Those of [`load_folder`](super::load_folder); [`Code::Count`] without pictures; [`Code::Label`] for a label without a name.
pub fn load_encoded(
    train: Encoded,
    test: Option<Encoded>,
    options: &FolderOptions,
    stop: &StopFlag,
) -> Result<LoadedFolder> {
    load(train.files()?, test.map(Encoded::files).transpose()?, options, Vec::new(), stop)
}
