//! Columns: which are taken, what they hold, and how they become values.

use std::collections::BTreeSet;

use super::cells::{Cell, Table, number};
use super::delimited::has_decimal_commas;
use super::options::TableOptions;
use crate::data::classes::MAX_NAME;
use crate::data::parallel::map;
use crate::data::preprocessing::{ColumnSteps, MAX_CATEGORIES};
use crate::tensor::StopFlag;
use crate::{Code, Error, Result};

/// What is asked for of the columns.
pub(super) struct Chosen<'a> {
    /// Columns that are to be predicted.
    pub predicted: Vec<&'a str>,
    pub options: &'a TableOptions,
}

/// The steps of the columns to take, learned from `rows`. Adds to `notes` what was left out.
pub(super) fn choose(
    file: &str,
    table: &Table,
    rows: &[usize],
    chosen: &Chosen<'_>,
    notes: &mut Vec<String>,
) -> Result<Vec<ColumnSteps>> {
    let TableOptions { columns, ignore, categories, .. } = chosen.options;
    for name in columns.iter().flatten().chain(ignore).chain(categories) {
        table.column(name).ok_or_else(|| no_column(file, table, name))?;
    }
    let names: Vec<&String> = match columns {
        Some(columns) => columns.iter().collect(),
        None => table.names().iter().collect(),
    };
    let mut seen = BTreeSet::new();
    let mut wanted = Vec::new();
    for name in names {
        if !chosen.predicted.contains(&name.as_str()) && !ignore.contains(name) && seen.insert(name) {
            wanted.push(name);
        }
    }
    let learn = |name: &String| -> Result<(Option<ColumnSteps>, Option<String>)> {
        let column = table.column(name).ok_or_else(|| no_column(file, table, name))?;
        let cells = || rows.iter().map(|row| table.cell(*row, column));
        if cells().all(|cell| cell == Cell::Missing) {
            return Ok((None, Some(format!("column {name:?} has no values and is left out"))));
        }
        if columns.is_none() && is_index(table, column, rows) {
            return Ok((None, Some(format!("column {name:?} has no name and counts the rows; it is left out"))));
        }
        let known = table.numbers(column).map(|numbers| move || numbers.of(rows.iter().copied()));
        let learned = if categories.contains(name) { None } else { numbers(file, name, &cells, known)? };
        let learned = match learned {
            Some(learned) => learned,
            None => texts(file, name, &cells)?,
        };
        let note = match &learned {
            ColumnSteps::Number { std, .. } if *std == 1.0 && is_constant(&cells) => {
                Some(format!("column {name:?} has the same value in every row"))
            }
            ColumnSteps::Category { values, .. } if values.len() == 1 => {
                Some(format!("column {name:?} has the same text in every row"))
            }
            _ => None,
        };
        Ok((Some(learned), note))
    };
    let mut steps = Vec::new();
    for learned in map(wanted.len(), &StopFlag::new(), |index| learn(wanted[index]))? {
        let (learned, note) = learned?;
        steps.extend(learned);
        notes.extend(note);
    }
    Ok(steps)
}

/// A column without a name whose values are 0, 1, 2, … or 1, 2, 3, …: pandas and R write their row numbers so.
fn is_index(table: &Table, column: usize, rows: &[usize]) -> bool {
    let has_name = table.names()[column] != column.to_string()
        || table.names().iter().enumerate().all(|(k, name)| *name == k.to_string());
    let value = |row: usize| match table.cell(row, column) {
        Cell::Number(value) => Some(value),
        Cell::Text(text) => number(text, false),
        Cell::Missing => None,
    };
    let Some(first) = value(0).filter(|_| !has_name && rows.len() > 1) else { return false };
    (first == 0.0 || first == 1.0) && rows.iter().all(|row| value(*row) == Some(first + *row as f64))
}

fn is_constant<'a, I: Iterator<Item = Cell<'a>>>(cells: &impl Fn() -> I) -> bool {
    let mut present = cells().filter(|cell| *cell != Cell::Missing);
    present.next().is_some_and(|first| present.all(|cell| cell == first))
}

/// The steps of a column in which all that is there are numbers; none if it is another. `known` are those of the rows that count, if they
/// have been read.
fn numbers<'a, I: Iterator<Item = Cell<'a>>, J: Iterator<Item = f64>>(
    file: &str,
    name: &str,
    cells: &impl Fn() -> I,
    known: Option<impl Fn() -> J>,
) -> Result<Option<ColumnSteps>> {
    let read = |comma: bool| {
        let mut values = Vec::new();
        for cell in cells() {
            match cell {
                Cell::Missing => {}
                Cell::Number(value) => values.push(value),
                Cell::Text(text) => values.push(number(text, comma)?),
            }
        }
        Some(values)
    };
    if let Some(known) = known {
        return standardised(file, name, || known().filter(|value| !value.is_nan()), false).map(Some);
    }
    let (values, decimal_comma) = match read(false) {
        Some(values) => (values, false),
        None if has_decimal_commas(cells()) => (read(true).unwrap_or_default(), true),
        None => return Ok(None),
    };
    standardised(file, name, || values.iter().copied(), decimal_comma).map(Some)
}

/// The steps of a column of these numbers, of which there is one at least.
fn standardised<I: Iterator<Item = f64>>(
    file: &str,
    name: &str,
    values: impl Fn() -> I,
    decimal_comma: bool,
) -> Result<ColumnSteps> {
    let mut count = 0.0;
    let mean = values().inspect(|_| count += 1.0).sum::<f64>() / count;
    let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    if !variance.is_finite() {
        return Err(Error::new(Code::Value, format!("the numbers of column {name:?} of {file} are too large"))
            .expected("numbers whose squares can be summed up")
            .hint("scale the column, or leave it out (ignore)"));
    }
    let first = values().next().unwrap_or(mean);
    // Where all are equal, the rest of rounding would be blown up.
    let is_spread = variance > 0.0 && values().any(|value| value != first);
    let (mean, std) = if is_spread { (mean, variance.sqrt()) } else { (first, 1.0) };
    Ok(ColumnSteps::Number { name: name.to_owned(), mean, std, decimal_comma })
}

/// The steps of a column of texts.
fn texts<'a, I: Iterator<Item = Cell<'a>>>(file: &str, name: &str, cells: &impl Fn() -> I) -> Result<ColumnSteps> {
    let mut values = BTreeSet::new();
    for cell in cells() {
        let value = match cell {
            Cell::Missing => continue,
            Cell::Number(number) => number.to_string(),
            Cell::Text(text) if values.contains(text) => continue,
            Cell::Text(text) => text.to_owned(),
        };
        if value.len() > MAX_NAME {
            return Err(Error::new(Code::Value, format!("a text of column {name:?} of {file} is too long"))
                .expected(format!("categories of at most {MAX_NAME} bytes"))
                .received(format!("{} bytes", value.len()))
                .hint("leave the column out (ignore)"));
        }
        values.insert(value);
        if values.len() > MAX_CATEGORIES {
            let is_text = |cell: &Cell<'_>| matches!(cell, Cell::Text(text) if number(text, false).is_none());
            let example = cells().find(is_text).map_or(String::new(), |cell| match cell {
                Cell::Text(text) => format!(", the first {:?}", text.chars().take(40).collect::<String>()),
                _ => String::new(),
            });
            return Err(Error::new(Code::Value, format!("column {name:?} of {file} has too many different texts"))
                .expected(format!("numbers, or at most {MAX_CATEGORIES} categories"))
                .received(format!("more than {MAX_CATEGORIES} texts{example}"))
                .hint("leave the column out (ignore), or correct the cells that are no numbers"));
        }
    }
    Ok(ColumnSteps::Category { name: name.to_owned(), values: values.into_iter().collect() })
}

/// Writes a column's values to `out`, at the beginning of every `stride` values.
pub(super) fn encode(
    file: &str,
    table: &Table,
    column: usize,
    rows: &[usize],
    steps: &ColumnSteps,
    out: &mut [f32],
    stride: usize,
) -> Result<()> {
    if let (ColumnSteps::Number { mean, std, decimal_comma: false, .. }, Some(numbers)) = (steps, table.numbers(column))
    {
        let mut is_sound = true;
        for (index, number) in numbers.of(rows.iter().copied()).enumerate() {
            let value = ((number - mean) / std) as f32;
            is_sound &= !value.is_infinite();
            // What is missing is 0, as it was.
            out[index * stride] = if value.is_nan() { 0.0 } else { value };
        }
        // Else the cell is told below.
        if is_sound {
            return Ok(());
        }
    }
    for (index, row) in rows.iter().enumerate() {
        let cell = table.cell(*row, column);
        let refused = |expected: &str, received: String| {
            Error::new(Code::Value, format!("row {row} of {file} has a bad value in column {:?}", steps.name()))
                .expected(expected)
                .received(received)
                .hint("rows are counted from 0, without the header")
        };
        match steps {
            ColumnSteps::Number { mean, std, decimal_comma, .. } => {
                let value = match cell {
                    Cell::Missing => continue,
                    Cell::Number(value) => Some(value),
                    Cell::Text(text) => match number(text, false) {
                        // 1.234 is 1234 where commas are decimal.
                        Some(value) if !decimal_comma || !text.contains('.') => Some(value),
                        _ if *decimal_comma => number(text, true),
                        _ => None,
                    },
                };
                let Some(value) = value else {
                    return Err(refused("a number, as in the training data", format!("{cell:?}")));
                };
                let value = ((value - mean) / std) as f32;
                if !value.is_finite() {
                    return Err(refused("a number near those of the training data", format!("{cell:?}")));
                }
                out[index * stride] = value;
            }
            ColumnSteps::Category { values, .. } => {
                let place = |text: &str| values.binary_search_by(|value| value.as_str().cmp(text));
                let place = match cell {
                    Cell::Missing => continue,
                    Cell::Number(number) => place(&number.to_string()),
                    Cell::Text(text) => place(text),
                };
                if let Ok(place) = place {
                    out[index * stride + place] = 1.0;
                }
            }
        }
    }
    Ok(())
}

/// The error of a column that is not there.
pub(super) fn no_column(file: &str, table: &Table, name: &str) -> Error {
    let names = table.names();
    let shown: Vec<_> = names.iter().take(20).map(|name| format!("{name:?}")).collect();
    let more = if names.len() > shown.len() { format!(", … ({} columns)", names.len()) } else { String::new() };
    Error::new(Code::Option, format!("{file} has no column {name:?}"))
        .expected(format!("one of {}{more}", shown.join(", ")))
        .received(format!("{name:?}"))
        .hint("columns of tables without a header are called 0, 1, 2, …")
}
