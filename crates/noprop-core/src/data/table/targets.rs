//! Columns of numbers to predict.

use super::cells::{Cell, Table, number};
use super::columns::no_column;
use super::notation::Notation;
use crate::data::{TableSteps, Targets};
use crate::memory::zeros;
use crate::{Code, Error, Result};

/// The numbers of rows in these columns, `[rows, columns]`, written as `steps` say.
///
/// # Errors
/// [`Code::Option`] for a column that is not there; [`Code::Value`] for a cell that is no finite number; [`Code::Memory`].
pub(super) fn read(
    file: &str,
    table: &Table,
    columns: &[String],
    steps: &TableSteps,
    rows: &[usize],
) -> Result<Targets> {
    let width = columns.len();
    let mut values = zeros::<f32>(rows.len().saturating_mul(width), "the targets of the table")?;
    for (k, name) in columns.iter().enumerate() {
        let has = |names: &[String]| names.contains(name);
        let (decimal_comma, thousands_comma) = (has(&steps.decimal_comma), has(&steps.thousands_comma));
        let notation = Notation::of(decimal_comma, thousands_comma);
        let is_stated = notation != Notation::Point;
        let column = table.column(name).ok_or_else(|| no_column(file, table, name))?;
        for (out, row) in values[k..].iter_mut().step_by(width).zip(rows) {
            let cell = table.cell(*row, column);
            let found = match cell {
                Cell::Number(value) => Some(value),
                Cell::Text(text) if is_stated => notation.number(text),
                // A decimal comma is one where a point would not do.
                Cell::Text(text) => number(text, false).or_else(|| number(text, true)),
                Cell::Missing => None,
            };
            let found = found.map(|value| value as f32).filter(|value| value.is_finite());
            *out = found.ok_or_else(|| {
                Error::new(Code::Value, format!("row {row} of {file} has no number in the target column {name:?}"))
                    .expected(if is_stated { notation.expected() } else { "a finite number in every row" })
                    .received(cell.shown())
                    .hint("rows are counted from 0, without the header; leave rows without a target out")
            })?;
        }
    }
    Ok(Targets { width, values })
}
