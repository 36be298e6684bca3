//! What is asked for of pictures, and what is made of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use crate::Error;
use crate::data::Dataset;
use crate::data::preprocessing::Fit;

/// How pictures become data sets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FolderOptions {
    /// Height and width of a sample. Default: proposed from the pictures, see [`load_folder`](super::load_folder).
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
