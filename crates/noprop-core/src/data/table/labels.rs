//! A column of labels.

use std::borrow::Cow;
use std::collections::HashMap;

use super::cells::{Cell, Table, number};
use crate::data::{Classes, Dataset, InputShape, Pixels};
use crate::{Code, Error, Result};

/// One label a row.
pub(super) enum Labels {
    Values(Vec<i32>),
    Names { names: Vec<String>, labels: Vec<i32> },
}

impl Labels {
    /// Whole numbers where all are, else texts.
    pub fn read(file: &str, table: &Table, column: usize, rows: usize) -> Result<Self> {
        let name = &table.names()[column];
        let refused = |row: usize, what: &str| {
            Error::new(Code::Label, format!("the label of row {row} of {file} {what} (column {name:?})"))
                .expected("a whole number or a text")
                .hint("rows are counted from 0, without the header")
        };
        let whole = |cell: Cell<'_>| match cell {
            Cell::Number(number) => Some(number),
            Cell::Text(text) => number(text, false),
            Cell::Missing => None,
        };
        let as_label = |number: f64| (number.fract() == 0.0 && number.abs() < 2f64.powi(31)).then_some(number as i32);
        let known = table.numbers(column).and_then(|numbers| numbers.of(0..rows).map(as_label).collect());
        if let Some(values) = known {
            return Ok(Self::Values(values));
        }
        let (mut values, mut names, mut labels) = (Vec::new(), Vec::<String>::new(), Vec::new());
        let mut places = HashMap::new();
        let (mut numbers, mut fraction) = (true, None);
        for row in 0..rows {
            let cell = table.cell(row, column);
            let text = match cell {
                Cell::Missing => return Err(absent(refused(row, "is missing"), table.written(row, column))),
                Cell::Text(text) => Cow::Borrowed(text),
                Cell::Number(number) => Cow::Owned(number.to_string()),
            };
            match whole(cell) {
                None => numbers = false,
                Some(number) => match as_label(number) {
                    Some(label) => values.push(label),
                    None => fraction = fraction.or(Some(row)),
                },
            }
            let place = *places.entry(text.clone()).or_insert_with(|| {
                names.push(text.into_owned());
                names.len() as i32 - 1
            });
            labels.push(place);
        }
        match fraction {
            _ if !numbers => Ok(Self::Names { names, labels }),
            None => Ok(Self::Values(values)),
            Some(row) => Err(refused(row, "is no class")
                .received(table.cell(row, column).shown())
                .hint("numbers to predict are a target (option target), not a label; or another column is the label")),
        }
    }

    pub fn of(&self, rows: &[usize]) -> Self {
        let pick = |labels: &[i32]| rows.iter().map(|row| labels[*row]).collect();
        match self {
            Self::Values(values) => Self::Values(pick(values)),
            Self::Names { names, labels } => Self::Names { names: names.clone(), labels: pick(labels) },
        }
    }

    pub fn into_dataset(self, pixels: Pixels, shape: InputShape) -> Result<Dataset> {
        match self {
            Self::Values(values) => Dataset::from_arrays(pixels, shape, Some(values)),
            Self::Names { names, labels } => Dataset::with_names(pixels, shape, &labels, &names),
        }
    }

    /// The class of each row, counted in increasing order, so that it does not depend on how labels are written.
    pub fn positions(&self) -> Result<Vec<u32>> {
        let pixels = Pixels::U8(vec![0; self.len()]);
        let data = self.of(&(0..self.len()).collect::<Vec<_>>()).into_dataset(pixels, InputShape::Vector { len: 1 })?;
        let classes: Classes = data.classes().clone();
        data.class_indices(&classes)
    }

    fn len(&self) -> usize {
        match self {
            Self::Values(labels) | Self::Names { labels, .. } => labels.len(),
        }
    }
}

/// Adds what stands in the cell of a label that is missing.
fn absent(error: Error, written: Option<&str>) -> Error {
    match written {
        Some(word) if !word.is_empty() => error
            .received(format!("{word:?}, which stands for a missing value"))
            .hint("give a class of that name another one, such as \"no\"; leave rows without a label out"),
        _ => error
            .received("nothing")
            .hint("leave rows without a label out; rows are counted from 0, without the header"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::cells::Value;
    use super::*;

    #[test]
    fn words_for_what_is_missing_are_named() {
        let error = |word: &str| {
            let cells = ["x", word].map(|word| Value::Text(word.to_owned())).to_vec();
            let table = Table::of_values(vec!["kind".to_owned()], cells).unwrap();
            Labels::read("x.csv", &table, 0, 2).err().unwrap()
        };
        let found = error("None");
        assert!(found.what.contains("row 1") && found.received.contains("\"None\""), "{found}");
        assert!(found.hint.contains("another one"), "{found}");
        assert_eq!(error(" ").received, "nothing");
    }
}
