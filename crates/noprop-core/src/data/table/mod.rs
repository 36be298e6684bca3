//! Tables: rows of numbers and texts under names of columns, from files or from programs.
//!
//! | file | what it reads |
//! |---|---|
//! | `delimited.rs`, `plain.rs` | CSV and TSV |
//! | `json.rs` | objects, one a line (NDJSON) or in a list |
//! | `npy.rs`, `numpy.rs` | `.npy` and `.npz` |
//!
//! `load.rs` reads any of them; `samples.rs`, `columns.rs` and `labels.rs` make data sets of what was read. What points and commas mean in
//! its numbers is in `notation.rs`.

mod cell;
mod cells;
mod columns;
mod delimited;
mod encode;
mod index;
mod json;
mod labels;
mod load;
mod notation;
mod npy;
mod numpy;
mod options;
mod plain;
mod quotes;
mod samples;
mod targets;

pub use cells::{Cell, Table};
pub use load::{TableSource, load_table};
pub use options::{ColumnFacts, LoadedTable, TableOptions};

#[cfg(test)]
mod fuzz;
