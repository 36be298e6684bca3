//! A table in memory, cell by cell.

pub use super::cell::Cell;
pub(super) use super::cell::number;
use super::cell::of_text;
use super::plain::{Numbers, Plain};
use crate::{Code, Error, Result};

/// Most columns of a table.
pub(super) const MAX_COLUMNS: usize = 1 << 16;

/// Rows under distinct names of columns.
#[derive(Debug)]
pub struct Table {
    names: Vec<String>,
    /// Columns that had no name.
    unnamed: Vec<usize>,
    /// What separated the cells of a text.
    delimiter: Option<u8>,
    rows: usize,
    cells: Cells,
}

#[derive(Debug)]
enum Cells {
    /// Column after column, since columns are what is worked on.
    Texts(Vec<Texts>),
    /// In the text of a file.
    Plain(Plain),
    /// Row after row.
    Values(Vec<Value>),
    /// Row after row.
    Numbers(Vec<f64>),
}

/// The texts of a column, one after the other, and where each of them ends.
#[derive(Debug, Default)]
pub(super) struct Texts {
    text: String,
    ends: Vec<u32>,
}

impl Texts {
    /// Adds a row. All texts of a table together have less than 2^32 bytes, as its file has.
    pub fn push(&mut self, cell: &str) {
        self.text.push_str(cell);
        self.ends.push(self.text.len() as u32);
    }

    fn get(&self, row: usize) -> &str {
        let start = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        &self.text[start..self.ends[row] as usize]
    }
}

/// A cell that owns its text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Missing,
    Number(f64),
    Text(String),
}

impl Table {
    /// A column of texts for each name, all of one length.
    pub(super) fn of_texts(names: Vec<String>, columns: Vec<Texts>) -> Result<Self> {
        let rows = columns.first().map_or(0, |column| column.ends.len());
        Self::new(names, rows, Cells::Texts(columns))
    }

    /// The cells of a text.
    pub(super) fn of_plain(names: Vec<String>, cells: Plain) -> Result<Self> {
        let rows = cells.rows();
        Self::new(names, rows, Cells::Plain(cells))
    }

    pub(super) fn of_values(names: Vec<String>, values: Vec<Value>) -> Result<Self> {
        let rows = values.len() / names.len().max(1);
        Self::new(names, rows, Cells::Values(values))
    }

    pub(super) fn of_numbers(columns: usize, values: Vec<f64>) -> Result<Self> {
        let rows = values.len() / columns.max(1);
        let names = (0..columns).map(|column| column.to_string()).collect();
        Self::new(names, rows, Cells::Numbers(values))
    }

    fn new(names: Vec<String>, rows: usize, cells: Cells) -> Result<Self> {
        Self { names, unnamed: Vec::new(), delimiter: None, rows, cells }.checked()
    }

    /// The table, whose cells this has separated.
    pub(super) fn separated_by(mut self, delimiter: u8) -> Self {
        self.delimiter = Some(delimiter);
        self
    }

    fn checked(mut self) -> Result<Self> {
        if self.rows == 0 || self.names.is_empty() {
            return Err(Error::new(Code::Count, "the table has no rows").expected("at least one row of values"));
        }
        if self.names.len() > MAX_COLUMNS {
            return Err(Error::new(Code::Count, "the table has too many columns")
                .expected(format!("at most {MAX_COLUMNS}"))
                .received(self.names.len().to_string()));
        }
        if u32::try_from(self.rows).is_err() {
            return Err(
                Error::new(Code::Count, "the table has too many rows").expected(format!("at most {}", u32::MAX))
            );
        }
        self.unnamed = distinct(&mut self.names);
        Ok(self)
    }

    /// Names of the columns, all distinct.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of rows, at least 1.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|other| other == name)
    }

    /// The values of a column in which all that is there are numbers without a decimal comma, NaN for what is missing. None of others,
    /// and where the cells tell it sooner.
    pub(super) fn numbers(&self, column: usize) -> Option<Numbers<'_>> {
        match &self.cells {
            Cells::Plain(cells) => cells.numbers(column),
            _ => None,
        }
    }

    /// Whether it is known without a look at its cells that [`Table::numbers`] reads the column, or that its cells are no texts.
    pub(super) fn is_plain_numbers(&self, column: usize) -> bool {
        !self.has_texts() || self.numbers(column).is_some()
    }

    /// Whether cells may be texts.
    pub(super) fn has_texts(&self) -> bool {
        !matches!(self.cells, Cells::Numbers(_))
    }

    /// What separated the cells, where they were those of a text.
    pub(super) fn delimiter(&self) -> Option<u8> {
        self.delimiter
    }

    /// Whether a column came without a name, or with the one that pandas then gives it.
    pub(super) fn is_unnamed(&self, column: usize) -> bool {
        self.unnamed.binary_search(&column).is_ok() || self.names[column] == format!("Unnamed: {column}")
    }

    /// What is written in a cell, without blanks around it. None of what is no text.
    pub(super) fn written(&self, row: usize, column: usize) -> Option<&str> {
        match &self.cells {
            Cells::Texts(columns) => Some(columns[column].get(row).trim()),
            Cells::Plain(cells) => Some(cells.get(row, column).trim()),
            Cells::Values(values) => match &values[row * self.names.len() + column] {
                Value::Text(text) => Some(text.trim()),
                _ => None,
            },
            Cells::Numbers(_) => None,
        }
    }

    /// What stands in a cell. Panics when there is none.
    pub fn cell(&self, row: usize, column: usize) -> Cell<'_> {
        assert!(column < self.names.len(), "there is no such column");
        let index = row * self.names.len() + column;
        match &self.cells {
            Cells::Texts(columns) => of_text(columns[column].get(row)),
            Cells::Plain(cells) => of_text(cells.get(row, column)),
            Cells::Values(values) => match &values[index] {
                Value::Missing => Cell::Missing,
                Value::Number(number) => Cell::Number(*number),
                Value::Text(text) => of_text(text),
            },
            Cells::Numbers(values) if values[index].is_nan() => Cell::Missing,
            Cells::Numbers(values) => Cell::Number(values[index]),
        }
    }
}

/// Gives a name that comes again a number, as pandas does: `a`, `a.1`, `a.2`. A column without a name is called by its position; returns
/// these.
fn distinct(names: &mut [String]) -> Vec<usize> {
    let mut seen = std::collections::HashSet::new();
    let mut unnamed = Vec::new();
    for (column, name) in names.iter_mut().enumerate() {
        if name.trim().is_empty() {
            *name = column.to_string();
            unnamed.push(column);
        }
        let base = name.clone();
        let mut number = 0;
        while !seen.insert(name.clone()) {
            number += 1;
            *name = format!("{base}.{number}");
        }
    }
    unnamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_distinct() {
        let mut names = ["a", "", "a", "a.1", "a", " "].map(str::to_owned);
        assert_eq!(distinct(&mut names), [1, 5]);
        assert_eq!(names, ["a", "1", "a.1", "a.1.1", "a.2", "5"]);
    }

    #[test]
    fn missing_values() {
        let texts = ["NA", " ", "None", "0", " x y "].map(|text| Value::Text(text.to_owned()));
        let table = Table::of_values(vec!["a".to_owned()], texts.to_vec()).unwrap();
        let cells: Vec<_> = (0..5).map(|row| table.cell(row, 0)).collect();
        assert_eq!(cells, [Cell::Missing, Cell::Missing, Cell::Missing, Cell::Text("0"), Cell::Text("x y")]);
        let table = Table::of_numbers(1, vec![f64::NAN, 2.0]).unwrap();
        assert_eq!((table.cell(0, 0), table.cell(1, 0)), (Cell::Missing, Cell::Number(2.0)));
        assert_eq!(Table::of_numbers(0, vec![]).unwrap_err().code, Code::Count);
    }
}
