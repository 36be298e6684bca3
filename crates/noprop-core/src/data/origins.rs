//! Where samples came from, for people who want to look at one.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

/// Where each sample of a data set came from. It is no part of what the data are: neither the fingerprint nor a model knows it.
#[derive(Clone, Debug, Default)]
pub enum Origins {
    /// Nothing is known but its place in the data set.
    #[default]
    Places,
    /// A file each.
    Files(Vec<Arc<Path>>),
    /// A row each of a table, from 0, without the header.
    Rows(Vec<u32>),
}

/// Where one sample came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// Its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its row in a table, from 0, without the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u32>,
}

impl Origins {
    /// That of one sample.
    pub fn of(&self, sample: usize) -> Origin {
        match self {
            Self::Places => Origin::default(),
            Self::Files(files) => {
                Origin { path: files.get(sample).map(|path| path.to_string_lossy().into_owned()), row: None }
            }
            Self::Rows(rows) => Origin { path: None, row: rows.get(sample).copied() },
        }
    }

    /// Those of the samples at these positions.
    pub(super) fn picked(&self, samples: &[usize]) -> Self {
        match self {
            Self::Places => Self::Places,
            Self::Files(files) => Self::Files(samples.iter().filter_map(|at| files.get(*at).cloned()).collect()),
            Self::Rows(rows) => Self::Rows(samples.iter().filter_map(|at| rows.get(*at).copied()).collect()),
        }
    }

    /// Bytes of memory that they take, about.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Places => 0,
            Self::Files(files) => files.iter().map(|path| size_of::<Arc<Path>>() + path.as_os_str().len()).sum(),
            Self::Rows(rows) => 4 * rows.capacity(),
        }
    }
}
