//! How a table becomes data sets, and what was made of it.

use serde::{Deserialize, Serialize};

use crate::data::{Dataset, Preprocessing};

/// How a table becomes data sets. The default takes all columns, without labels.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TableOptions {
    /// The column of the labels; in a `.npz` the array.
    pub label: Option<String>,
    /// The columns of numbers to predict, instead of a label.
    pub target: Vec<String>,
    /// The columns to take. Default: all but the label and the targets.
    pub columns: Option<Vec<String>>,
    /// Columns to leave out.
    pub ignore: Vec<String>,
    /// Columns of numbers that are categories (postcodes, say).
    pub categories: Vec<String>,
    /// Whether the first row names the columns. Default: if no cell of it is a number.
    pub header: Option<bool>,
    /// What separates the cells of a text. Default: what separates most of comma, semicolon, tab and bar.
    pub delimiter: Option<String>,
    /// Share of the rows to hold out for the test, of each class alike.
    pub test_split: Option<f64>,
    /// Seed of the choice of those rows.
    pub seed: u64,
    /// Take only the first rows.
    pub limit: Option<usize>,
    /// What another table, that of the training, has taught. Default: it is learned from this table.
    pub preprocessing: Option<Preprocessing>,
}

/// What was made of a table.
#[derive(Debug)]
pub struct LoadedTable {
    /// The samples to train on.
    pub train: Dataset,
    /// The samples held out, if any are.
    pub test: Option<Dataset>,
    /// What users should know of the reading: columns that were left out, and the like.
    pub notes: Vec<String>,
    /// What the columns hold, where they were learned from: those of a table, in its order.
    pub columns: Vec<ColumnFacts>,
}

/// What a column of a table holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnFacts {
    /// Its name.
    pub name: String,
    /// `number`, `categories`, `label`, `target`, or `left out`.
    pub kind: &'static str,
    /// How many different categories there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub categories: Option<usize>,
    /// How many of its cells are missing, in the rows to train on.
    pub missing: usize,
}
