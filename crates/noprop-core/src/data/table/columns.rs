//! Columns: which are taken, what they hold, and how they become values.

use std::collections::BTreeSet;

use super::cells::{Cell, Table, number};
use super::index;
use super::notation::{Notation, Notations, nearly_numbers};
use super::options::{ColumnFacts, TableOptions};
use crate::data::classes::MAX_NAME;
use crate::data::parallel::map;
use crate::data::preprocessing::{ColumnSteps, MAX_CATEGORIES};
use crate::memory::untouched_zeros;
use crate::tensor::StopFlag;
use crate::{Code, Error, Result};

/// What is asked for of the columns.
pub(super) struct Chosen<'a> {
    /// Columns that are to be predicted.
    pub predicted: Vec<&'a str>,
    pub options: &'a TableOptions,
    pub notations: &'a Notations,
}

/// What was made of a column: its steps, if it is taken, what users should know of it, and what it holds.
struct Learned {
    steps: Option<ColumnSteps>,
    notes: Vec<String>,
    facts: ColumnFacts,
}

/// The steps of the columns to take, learned from `rows`, and what they hold. Adds to `notes` what was left out.
pub(super) fn choose(
    file: &str,
    table: &Table,
    rows: &[usize],
    chosen: &Chosen<'_>,
    notes: &mut Vec<String>,
) -> Result<(Vec<ColumnSteps>, Vec<ColumnFacts>)> {
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
    let learn = |name: &String| -> Result<Learned> {
        let column = table.column(name).ok_or_else(|| no_column(file, table, name))?;
        let cells = || rows.iter().map(|row| table.cell(*row, column));
        let known = table.numbers(column).map(|numbers| present(numbers.of(rows.iter().copied()), rows.len()));
        let known = known.transpose()?;
        let missing = match &known {
            Some(known) => rows.len() - known.len(),
            None => missing(table, column, rows),
        };
        let facts = |kind, categories| ColumnFacts { name: name.clone(), kind, categories, missing };
        let left_out = |why: String| Learned {
            steps: None,
            notes: vec![format!("column {name:?} {why} is left out")],
            facts: facts("left out", None),
        };
        if missing == rows.len() {
            return Ok(left_out("has no values and".to_owned()));
        }
        if columns.is_none()
            && let Some(reason) = index::reason(table, column)
        {
            return Ok(left_out(format!("{reason}; it")));
        }
        let notation = chosen.notations.of(column).filter(|_| !categories.contains(name));
        let steps = match notation {
            Some(notation) => numbers(file, name, cells(), known, notation)?,
            None => texts(file, name, &cells)?,
        };
        let mut notes = Vec::new();
        let kind = match &steps {
            ColumnSteps::Number { std, .. } => {
                notes.extend(chosen.notations.note(column));
                if *std == 1.0 && is_constant(&cells) {
                    notes.push(format!("column {name:?} has the same value in every row"));
                }
                facts("number", None)
            }
            ColumnSteps::Category { values, .. } => {
                if !categories.contains(name) {
                    notes.extend(nearly_numbers(table, column, rows));
                }
                if values.len() == 1 {
                    notes.push(format!("column {name:?} has the same text in every row"));
                }
                facts("categories", Some(values.len()))
            }
        };
        Ok(Learned { steps: Some(steps), notes, facts: kind })
    };
    let (mut steps, mut facts) = (Vec::new(), Vec::new());
    for learned in map(wanted.len(), &StopFlag::new(), |index| learn(wanted[index]))? {
        let learned = learned?;
        steps.extend(learned.steps);
        notes.extend(learned.notes);
        facts.push(learned.facts);
    }
    Ok((steps, facts))
}

/// How many cells of a column are missing.
pub(super) fn missing(table: &Table, column: usize, rows: &[usize]) -> usize {
    match table.numbers(column) {
        Some(numbers) => numbers.of(rows.iter().copied()).filter(|value| value.is_nan()).count(),
        None => rows.iter().filter(|row| table.cell(**row, column) == Cell::Missing).count(),
    }
}

fn is_constant<'a, I: Iterator<Item = Cell<'a>>>(cells: &impl Fn() -> I) -> bool {
    let mut present = cells().filter(|cell| *cell != Cell::Missing);
    present.next().is_some_and(|first| present.all(|cell| cell == first))
}

/// Those of `count` numbers that are there.
fn present(numbers: impl Iterator<Item = f64>, count: usize) -> Result<Vec<f64>> {
    let (mut values, mut len) = (untouched_zeros::<f64>(count, "the numbers of a column")?, 0);
    let places = values.as_mut_slice();
    numbers.for_each(|number| {
        places[len] = number;
        len += usize::from(!number.is_nan());
    });
    values.truncate(len);
    Ok(values)
}

/// The steps of a column of numbers in that notation. `known` are those that are there, if they have been read.
fn numbers<'a>(
    file: &str,
    name: &str,
    cells: impl Iterator<Item = Cell<'a>>,
    known: Option<Vec<f64>>,
    notation: Notation,
) -> Result<ColumnSteps> {
    let value = |cell: Cell<'_>| match cell {
        Cell::Missing => None,
        Cell::Number(value) => Some(value),
        Cell::Text(text) => notation.number(text),
    };
    let known = known.filter(|_| notation == Notation::Point);
    standardised(file, name, &known.unwrap_or_else(|| cells.filter_map(value).collect()), notation)
}

/// The steps of a column of these numbers, of which there is one at least.
fn standardised(file: &str, name: &str, values: &[f64], notation: Notation) -> Result<ColumnSteps> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    if !variance.is_finite() {
        return Err(Error::new(Code::Value, format!("the numbers of column {name:?} of {file} are too large"))
            .expected("numbers whose squares can be summed up")
            .hint("scale the column, or leave it out (ignore)"));
    }
    let first = values.first().copied().unwrap_or(mean);
    // Where all are equal, the rest of rounding would be blown up.
    let is_spread = variance > 0.0 && values.iter().any(|value| *value != first);
    let (mean, std) = if is_spread { (mean, variance.sqrt()) } else { (first, 1.0) };
    let decimal_comma = notation == Notation::DecimalComma;
    let thousands_comma = notation == Notation::ThousandsComma;
    Ok(ColumnSteps::Number { name: name.to_owned(), mean, std, decimal_comma, thousands_comma })
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

/// The error of a column that is not there.
pub(super) fn no_column(file: &str, table: &Table, name: &str) -> Error {
    let names = table.names();
    let shown: Vec<_> = names.iter().take(20).map(|name| format!("{name:?}")).collect();
    let hint = if table.delimiter().is_some() && names.iter().enumerate().all(|(k, name)| *name == k.to_string()) {
        "the first row was read as data, for a cell of it is a number; where it names the columns, say option header yes"
    } else {
        "columns of tables without a header are called 0, 1, 2, …"
    };
    let more = if names.len() > shown.len() { format!(", … ({} columns)", names.len()) } else { String::new() };
    Error::new(Code::Option, format!("{file} has no column {name:?}"))
        .expected(format!("one of {}{more}", shown.join(", ")))
        .received(format!("{name:?}"))
        .hint(hint)
}
