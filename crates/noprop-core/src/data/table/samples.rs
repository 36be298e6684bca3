//! Tables that have been read, as data sets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::cells::Table;
use super::columns::{self, Chosen, choose, missing};
use super::encode;
use super::labels::Labels;
use super::notation::{Notation, Notations};
use super::options::{ColumnFacts, LoadedTable, TableOptions};
use super::targets;
use crate::data::dataset::check_limit;
use crate::data::parallel::{each, lock};
use crate::data::preprocessing::{ColumnSteps, Preprocessing, TableSteps};
use crate::data::split::stratified;
use crate::data::{Dataset, InputShape, Origins, Pixels};
use crate::memory::untouched_zeros;
use crate::tensor::StopFlag;
use crate::{Code, Error, Result};

/// As [`load_table`](super::load_table), of tables that have been read; `name` is that of the file, for errors.
pub(super) fn from_table(
    name: &str,
    table: &Table,
    test: Option<(&str, &Table)>,
    options: &TableOptions,
) -> Result<LoadedTable> {
    let rows = options.limit.unwrap_or(usize::MAX).min(table.rows());
    check_limit(options.limit)?;
    let mut notes = Vec::new();
    let known = match &options.preprocessing {
        None => None,
        Some(Preprocessing::Table(steps)) => Some(steps),
        Some(_) => {
            return Err(Error::new(Code::Option, format!("option preprocessing is not that of a table, as {name} is"))
                .expected("the preprocessing of a table")
                .hint("the model takes other data"));
        }
    };
    let label = match known {
        // What is predicted has no labels, or they are not looked at.
        Some(steps) => options.label.as_ref().or(steps.label.as_ref()).filter(|label| table.column(label).is_some()),
        None => options.label.as_ref(),
    };
    let target = match known {
        Some(steps) if options.target.is_empty() => &steps.target,
        _ => &options.target,
    };
    if label.is_some() && !options.target.is_empty() {
        return Err(Error::new(Code::Option, "options label and target are both given")
            .expected("a label for classes, or targets for numbers")
            .received("both"));
    }
    let is_twice = |(place, name): &(usize, &String)| options.target[..*place].contains(name);
    if let Some((_, twice)) = options.target.iter().enumerate().find(is_twice) {
        return Err(Error::new(Code::Option, format!("option target names column {twice:?} twice"))
            .expected("each column once")
            .received(options.target.join(", ")));
    }
    // What is predicted has no targets, or not all of them.
    let has_targets = |table: &Table| known.is_none() || target.iter().all(|name| table.column(name).is_some());
    let labels = label.map(|label| Labels::read(name, table, column(name, table, label)?, rows)).transpose()?;
    let (train, held) = match (options.test_split, &labels) {
        (Some(share), Some(labels)) => stratified(&labels.positions()?, share, options.seed)?,
        (Some(share), None) => stratified(&vec![0; rows], share, options.seed)?,
        (None, _) => ((0..rows).collect(), Vec::new()),
    };
    let mut facts = Vec::new();
    let steps = match known {
        Some(steps) => steps.clone(),
        None => {
            let predicted: Vec<&str> = label.into_iter().chain(target).map(String::as_str).collect();
            let notations = Notations::find(table, &train)?;
            let chosen = Chosen { predicted: predicted.clone(), options, notations: &notations };
            let columns;
            (columns, facts) = choose(name, table, &train, &chosen, &mut notes)?;
            let (mut decimal_comma, mut thousands_comma) = (Vec::new(), Vec::new());
            for predicted in predicted {
                let column = column(name, table, predicted)?;
                let kind = if target.iter().any(|target| target == predicted) { "target" } else { "label" };
                let missing = missing(table, column, &train);
                facts.push(ColumnFacts { name: predicted.to_owned(), kind, categories: None, missing });
                if kind == "label" {
                    continue;
                }
                notes.extend(notations.note(column));
                match notations.of(column) {
                    Some(Notation::DecimalComma) => decimal_comma.push(predicted.to_owned()),
                    Some(Notation::ThousandsComma) => thousands_comma.push(predicted.to_owned()),
                    _ => {}
                }
            }
            let places: HashMap<_, _> = table.names().iter().zip(0..).collect();
            facts.sort_by_key(|facts| places.get(&facts.name).copied().unwrap_or(usize::MAX));
            TableSteps { label: label.cloned(), target: target.clone(), decimal_comma, thousands_comma, columns }
        }
    };
    let shape = InputShape::new(&[steps.width()]).map_err(|_| {
        Error::new(Code::Count, format!("{name} has no columns to learn from"))
            .expected("at least one column beside the label")
            .received(if table.names().len() == 1 { "one column" } else { "none that is chosen and has values" })
    })?;
    let preprocessing = Arc::new(Preprocessing::Table(steps.clone()));
    let steps = &steps;
    let make = |name: &str, table: &Table, rows: &[usize], labels: Option<&Labels>| -> Result<Dataset> {
        let pixels = Pixels::F32(encode(name, table, rows, steps)?);
        let data = match labels {
            None if !target.is_empty() && has_targets(table) => {
                Dataset::with_targets(pixels, shape, targets::read(name, table, target, steps, rows)?)
            }
            None => Dataset::from_arrays(pixels, shape, None),
            Some(labels) => labels.of(rows).into_dataset(pixels, shape),
        };
        // Places of rows have 32 bits (`Table::checked`).
        let origins = Origins::Rows(rows.iter().map(|row| *row as u32).collect());
        Ok(data?.with_preprocessing(preprocessing.clone()).with_origins(origins))
    };
    let test = match test {
        Some((name, table)) => {
            let rows: Vec<usize> = (0..table.rows()).collect();
            let labels =
                label.map(|label| Labels::read(name, table, column(name, table, label)?, rows.len())).transpose()?;
            Some(make(name, table, &rows, labels.as_ref())?)
        }
        None if held.is_empty() => None,
        None => Some(make(name, table, &held, labels.as_ref())?),
    };
    Ok(LoadedTable { train: make(name, table, &train, labels.as_ref())?, test, notes, columns: facts })
}

fn column(file: &str, table: &Table, name: &str) -> Result<usize> {
    table.column(name).ok_or_else(|| columns::no_column(file, table, name))
}

/// So many rows are encoded at a time.
const ROWS: usize = 4096;

/// The samples of rows, `[rows, width]`.
fn encode(file: &str, table: &Table, rows: &[usize], steps: &TableSteps) -> Result<Vec<f32>> {
    let width = steps.width();
    let mut out = untouched_zeros::<f32>(rows.len().saturating_mul(width), "the samples of the table")?;
    let place = |column: &ColumnSteps| {
        table.column(column.name()).ok_or_else(|| {
            let mut error = columns::no_column(file, table, column.name());
            error.code = Code::Value;
            error.what = format!("{file} lacks the column {:?}, which the model was trained with", column.name());
            error
        })
    };
    let places = steps.columns.iter().map(place).collect::<Result<Vec<_>>>()?;
    let parts = Mutex::new(out.chunks_mut((ROWS * width).max(1)).zip(rows.chunks(ROWS)).enumerate());
    let mut parts = each(rows.len().div_ceil(ROWS), &StopFlag::new(), || {
        || {
            let (part, (out, rows)) = lock(&parts).next()?;
            let mut offset = 0;
            for (column, place) in steps.columns.iter().zip(&places) {
                if let Err(error) = encode::encode(file, table, *place, rows, column, &mut out[offset..], width) {
                    return Some((part, Err(error)));
                }
                offset += column.width();
            }
            Some((part, Ok(())))
        }
    })?;
    // The first error is told, whatever the order of work.
    parts.sort_by_key(|(part, _)| *part);
    parts.into_iter().try_for_each(|(_, done)| done)?;
    Ok(out)
}
