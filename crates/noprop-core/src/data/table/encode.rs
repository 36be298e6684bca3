//! A column's cells as the values that a net sees.

use super::cells::{Cell, Table};
use super::notation::Notation;
use crate::data::preprocessing::ColumnSteps;
use crate::{Code, Error, Result};

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
            ColumnSteps::Number { mean, std, decimal_comma, thousands_comma, .. } => {
                let notation = Notation::of(*decimal_comma, *thousands_comma);
                let value = match cell {
                    Cell::Missing => continue,
                    Cell::Number(value) => Some(value),
                    Cell::Text(text) => notation.number(text),
                };
                let Some(value) = value else {
                    return Err(refused(notation.expected(), cell.shown()));
                };
                let value = ((value - mean) / std) as f32;
                if !value.is_finite() {
                    return Err(refused("a number near those of the training data", cell.shown()));
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
