//! Text files without a quote, which are most of the large ones: pieces of them are read on all cores, and what is a number is read
//! as one while it is at hand. What comes out is what the library `csv` makes of them.

use std::sync::Arc;

use super::cell::{Cell, number, of_text};
use crate::Result;
use crate::data::parallel::map;
use crate::memory::reserved;
use crate::tensor::StopFlag;

/// Bytes of a piece.
pub(super) const PIECE: usize = 4 << 20;

/// Rows of cells in a text.
#[derive(Debug)]
pub(super) struct Plain {
    text: Arc<String>,
    columns: usize,
    /// Where the first cell of each row begins.
    starts: Vec<u32>,
    /// Where each cell ends, row after row. The next cell of the row begins one byte later.
    ends: Vec<u32>,
    /// The values of those columns in which all that is there are numbers; NaN for what is missing.
    numbers: Vec<Option<Vec<f64>>>,
}

impl Plain {
    /// Reads `text` from byte `from` on, in pieces of about so many bytes. None where a row has another number of cells than
    /// `columns`: its error is told by a reader that counts lines.
    pub fn read(text: Arc<String>, from: usize, delimiter: u8, columns: usize, piece: usize) -> Result<Option<Self>> {
        let bounds = bounds(text.as_bytes(), from, piece);
        let parts = map(bounds.len() - 1, &StopFlag::new(), |index| {
            Part::read(&text, bounds[index]..bounds[index + 1], delimiter, columns)
        })?;
        let Some(parts) = parts.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
        let rows = parts.iter().map(|part| part.starts.len()).sum::<usize>();
        let (mut starts, mut ends) = (reserved(rows, "the rows")?, reserved(rows * columns, "the cells")?);
        for part in &parts {
            starts.extend_from_slice(&part.starts);
            ends.extend_from_slice(&part.ends);
        }
        let mut numbers = Vec::with_capacity(columns);
        for column in 0..columns {
            if parts.iter().any(|part| part.numbers[column].is_none()) {
                numbers.push(None);
                continue;
            }
            let mut values = reserved(rows, "the numbers of a column")?;
            parts.iter().flat_map(|part| &part.numbers[column]).for_each(|part| values.extend_from_slice(part));
            numbers.push(Some(values));
        }
        Ok(Some(Self { text, columns, starts, ends, numbers }))
    }

    pub fn rows(&self) -> usize {
        self.starts.len()
    }

    /// What a cell holds, as it is written.
    pub fn get(&self, row: usize, column: usize) -> &str {
        let index = row * self.columns + column;
        let start = if column == 0 { self.starts[row] } else { self.ends[index - 1] + 1 };
        &self.text[start as usize..self.ends[index] as usize]
    }

    /// The values of a column of numbers, NaN for what is missing; none of another.
    pub fn numbers(&self, column: usize) -> Option<&[f64]> {
        self.numbers[column].as_deref()
    }
}

/// Where pieces begin and end: behind the end of a line.
fn bounds(text: &[u8], from: usize, piece: usize) -> Vec<usize> {
    let mut bounds = vec![from];
    let mut at = from;
    while at < text.len() {
        let near = (at + piece).min(text.len());
        let end = text[near..].iter().position(|byte| is_end(*byte)).map_or(text.len(), |after| near + after + 1);
        bounds.push(end);
        at = end;
    }
    if bounds.len() == 1 {
        bounds.push(from);
    }
    bounds
}

/// CR, LF and both together end a line; a line of nothing is no row.
fn is_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// The rows of a piece.
struct Part {
    starts: Vec<u32>,
    ends: Vec<u32>,
    numbers: Vec<Option<Vec<f64>>>,
}

impl Part {
    /// None where a row has another number of cells.
    fn read(text: &str, range: std::ops::Range<usize>, delimiter: u8, columns: usize) -> Option<Self> {
        let mut part = Self { starts: Vec::new(), ends: Vec::new(), numbers: vec![Some(Vec::new()); columns] };
        let (bytes, end) = (text.as_bytes(), range.end);
        let (mut row, mut cell, mut column) = (range.start, range.start, 0);
        for at in range.start..=end {
            // The last line may have no end.
            let byte = if at < end { bytes[at] } else { b'\n' };
            if byte != delimiter && !is_end(byte) {
                continue;
            }
            let is_row = byte != delimiter;
            if is_row && at == row {
                (row, cell) = (at + 1, at + 1);
                continue;
            }
            if column == columns || is_row && column + 1 != columns {
                return None;
            }
            part.add(&text[cell..at], column);
            // A text has less than 2^32 bytes.
            part.ends.push(at as u32);
            (cell, column) = (at + 1, column + 1);
            if is_row {
                part.starts.push(row as u32);
                (row, column) = (at + 1, 0);
            }
        }
        Some(part)
    }

    fn add(&mut self, cell: &str, column: usize) {
        let Some(numbers) = &mut self.numbers[column] else { return };
        let value = match of_text(cell) {
            Cell::Missing => Some(f64::NAN),
            Cell::Text(text) => number(text, false),
            Cell::Number(value) => Some(value),
        };
        match value {
            Some(value) => numbers.push(value),
            None => self.numbers[column] = None,
        }
    }
}
