//! A table in memory, cell by cell.

use crate::{Code, Error, Result};

/// Most columns of a table.
pub(super) const MAX_COLUMNS: usize = 1 << 16;
/// Texts that stand for a missing value, as pandas has them, and the `?` of the UCI repository.
const MISSING: [&str; 20] = [
    "", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "n/a", "<NA>", "#N/A", "#NA", "#N/A N/A", "-NaN",
    "-nan", "1.#QNAN", "-1.#QNAN", "1.#IND", "-1.#IND",
];

/// What stands in a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Nothing, or a text that stands for it.
    Missing,
    /// A finite number.
    Number(f64),
    /// A text without blanks around it. It may be that of a number.
    Text(&'a str),
}

/// Rows under distinct names of columns.
#[derive(Debug)]
pub struct Table {
    names: Vec<String>,
    rows: usize,
    cells: Cells,
}

#[derive(Debug)]
enum Cells {
    /// Column after column, since columns are what is worked on.
    Texts(Vec<Texts>),
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
        Self { names, rows, cells: Cells::Texts(columns) }.checked()
    }

    pub(super) fn of_values(names: Vec<String>, values: Vec<Value>) -> Result<Self> {
        let rows = values.len() / names.len().max(1);
        Self { names, rows, cells: Cells::Values(values) }.checked()
    }

    pub(super) fn of_numbers(columns: usize, values: Vec<f64>) -> Result<Self> {
        let rows = values.len() / columns.max(1);
        let names = (0..columns).map(|column| column.to_string()).collect();
        Self { names, rows, cells: Cells::Numbers(values) }.checked()
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
        distinct(&mut self.names);
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

    /// What stands in a cell. Panics when there is none.
    pub fn cell(&self, row: usize, column: usize) -> Cell<'_> {
        assert!(column < self.names.len(), "there is no such column");
        let index = row * self.names.len() + column;
        match &self.cells {
            Cells::Texts(columns) => of_text(columns[column].get(row)),
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

/// A text that is trimmed, or missing.
fn of_text(text: &str) -> Cell<'_> {
    // Most cells are numbers, and nothing that stands for a missing value ends so.
    if let [b'0'..=b'9' | b'-', .., b'0'..=b'9'] | [b'0'..=b'9'] = text.as_bytes() {
        return Cell::Text(text);
    }
    let text = text.trim();
    if text.len() <= 8 && MISSING.contains(&text) { Cell::Missing } else { Cell::Text(text) }
}

/// Gives a name that comes again a number, as pandas does: `a`, `a.1`, `a.2`. A column without a name is called by its position.
fn distinct(names: &mut [String]) {
    let mut seen = std::collections::HashSet::new();
    for (column, name) in names.iter_mut().enumerate() {
        if name.trim().is_empty() {
            *name = column.to_string();
        }
        let base = name.clone();
        let mut number = 0;
        while !seen.insert(name.clone()) {
            number += 1;
            *name = format!("{base}.{number}");
        }
    }
}

/// A text as a finite number: `-1.5e3`. With `comma`, the decimal sign is a comma, and points may group digits by three.
pub(super) fn number(text: &str, comma: bool) -> Option<f64> {
    // Rust also reads `inf` and `nan`.
    let plain = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    if !comma {
        return plain(text);
    }
    let (whole, rest) = text.split_once(',').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    let mut groups = whole.trim_start_matches(['+', '-']).split('.');
    let first = groups.next().unwrap_or_default();
    let grouped = whole.contains('.');
    if grouped && (!(1..=3).contains(&first.len()) || !groups.all(|group| group.len() == 3)) {
        return None;
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | ','))
        || rest.is_some_and(|rest| rest.contains(['.', ',', '+']))
    {
        return None;
    }
    plain(&format!("{}.{}", whole.replace('.', ""), rest.unwrap_or("0")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_both_notations() {
        for (text, value) in [("1", 1.0), ("-1.5e3", -1500.0), (".5", 0.5), ("5.", 5.0), ("+2", 2.0), ("1E-2", 0.01)] {
            assert_eq!(number(text, false), Some(value), "{text}");
        }
        for text in ["", "inf", "-Infinity", "nan", "1,5", "1e999", "0x10", "1_000", "1 000", "--1", "e", "."] {
            assert_eq!(number(text, false), None, "{text}");
        }
        for (text, value) in [
            ("1,5", 1.5),
            ("-0,25", -0.25),
            ("1.234,5", 1234.5),
            ("1.234.567", 1_234_567.0),
            ("7", 7.0),
            ("2,5e1", 25.0),
        ] {
            assert_eq!(number(text, true), Some(value), "{text}");
        }
        for text in ["1.5", "1,234,5", "12.34,5", "1234.567,8", "a", ",", "1,2.3", ""] {
            assert_eq!(number(text, true), None, "{text}");
        }
    }

    #[test]
    fn names_become_distinct() {
        let mut names = ["a", "", "a", "a.1", "a", " "].map(str::to_owned);
        distinct(&mut names);
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
