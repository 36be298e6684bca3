//! Tables: rows of numbers and texts under names of columns, from files or from programs.
//!
//! | file | what it reads |
//! |---|---|
//! | `delimited.rs` | CSV and TSV |
//! | `json.rs` | objects, one a line (NDJSON) or in a list |
//! | `numpy.rs` | `.npy` and `.npz` |
//! | `load.rs` | any of them, as data sets |

mod cells;
mod columns;
mod delimited;
mod json;
mod load;
mod numpy;

pub use cells::{Cell, Table};
pub use load::{LoadedTable, TableOptions, TableSource, load_table};

#[cfg(test)]
mod fuzz;
