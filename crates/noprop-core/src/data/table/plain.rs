//! Text files without a quote, which are most of the large ones: pieces of them are read on all cores, and what is a number is read
//! as one while it is at hand. What comes out is what the library `csv` makes of them.

use std::sync::Arc;

use super::cell::{Cell, leading_number, number, of_text};
use crate::Result;
use crate::data::parallel::map;
use crate::tensor::StopFlag;

/// Bytes of a piece.
pub(super) const PIECE: usize = 4 << 20;

/// Rows of cells in a text.
#[derive(Debug)]
pub(super) struct Plain {
    text: Arc<String>,
    columns: usize,
    parts: Vec<Part>,
    /// The first row of each part, and the number of rows.
    firsts: Vec<usize>,
}

impl Plain {
    /// Reads `text` from byte `from` on, in pieces of about so many bytes. None where a row has another number of cells than
    /// `columns`: its error is told by a reader that counts lines.
    pub fn read(text: Arc<String>, from: usize, delimiter: u8, columns: usize, piece: usize) -> Result<Option<Self>> {
        let bounds = bounds(text.as_bytes(), from, piece);
        let parts = map(bounds.len() - 1, &StopFlag::new(), |index| {
            Part::read(&text, bounds[index]..bounds[index + 1], delimiter, columns)
        })?;
        let Some(mut parts) = parts.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
        for column in 0..columns {
            if parts.iter().any(|part| part.numbers[column].is_none()) {
                parts.iter_mut().for_each(|part| part.numbers[column] = None);
            }
        }
        let mut firsts = vec![0];
        for part in &parts {
            firsts.push(firsts[firsts.len() - 1] + part.starts.len());
        }
        Ok(Some(Self { text, columns, parts, firsts }))
    }

    pub fn rows(&self) -> usize {
        self.firsts[self.parts.len()]
    }

    /// The part that has a row, and the row's place in it.
    fn find(&self, row: usize) -> (&Part, usize) {
        let part = self.firsts.partition_point(|first| *first <= row) - 1;
        (&self.parts[part], row - self.firsts[part])
    }

    /// What a cell holds, as it is written.
    pub fn get(&self, row: usize, column: usize) -> &str {
        let (part, row) = self.find(row);
        let index = row * self.columns + column;
        let start = if column == 0 { part.starts[row] } else { part.ends[index - 1] + 1 };
        &self.text[start as usize..part.ends[index] as usize]
    }

    /// The values of a column of numbers, NaN for what is missing; none of another.
    pub fn numbers(&self, column: usize) -> Option<Numbers<'_>> {
        let is_known = self.parts.iter().all(|part| part.numbers[column].is_some());
        is_known.then_some(Numbers { cells: self, column })
    }
}

/// The values of a column of numbers.
#[derive(Clone, Copy)]
pub(super) struct Numbers<'a> {
    cells: &'a Plain,
    column: usize,
}

impl<'a> Numbers<'a> {
    /// Those of some rows, NaN for what is missing.
    pub fn of<R: IntoIterator<Item = usize>>(self, rows: R) -> impl Iterator<Item = f64> + use<'a, R> {
        let (mut first, mut values): (usize, &[f64]) = (0, &[]);
        rows.into_iter().map(
            #[inline(always)]
            move |row| {
                // Rows come in their order, most of them from the part of the one before.
                if let Some(value) = row.checked_sub(first).and_then(|place| values.get(place)) {
                    return *value;
                }
                let (part, place) = self.cells.find(row);
                (first, values) = (row - place, part.numbers[self.column].as_deref().unwrap_or_default());
                values[place]
            },
        )
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
#[inline(always)]
fn is_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// The rows of a piece.
#[derive(Debug)]
struct Part {
    /// Where the first cell of each row begins.
    starts: Vec<u32>,
    /// Where each cell ends, row after row. The next cell of the row begins one byte later.
    ends: Vec<u32>,
    /// The values of those columns in which all that is there are numbers; NaN for what is missing.
    numbers: Vec<Option<Vec<f64>>>,
}

impl Part {
    /// None where a row has another number of cells.
    fn read(text: &str, range: std::ops::Range<usize>, delimiter: u8, columns: usize) -> Option<Self> {
        let bytes = &text.as_bytes()[..range.end];
        // Lines are about as long as the first; none is shorter than its delimiters.
        let line = bytes[range.start..].iter().position(|byte| is_end(*byte)).unwrap_or(0).max(columns - 1) + 1;
        let mut part = Self { starts: Vec::new(), ends: Vec::new(), numbers: vec![Some(Vec::new()); columns] };
        part.resize(range.len() / line + 1);
        let (mut rows, mut at) = (0, range.start);
        while at < bytes.len() {
            if is_end(bytes[at]) {
                at += 1;
                continue;
            }
            if rows == part.starts.len() {
                part.resize(2 * rows);
            }
            // A text has less than 2^32 bytes.
            part.starts[rows] = at as u32;
            at = part.row(rows, text, bytes, at, delimiter)?;
            rows += 1;
        }
        part.resize(rows);
        Some(part)
    }

    /// Reads the row that begins at byte `at`, of what ends with `bytes`; returns where the next line begins. Slices, since to index a vector
    /// is a call in a program that is optimised for size.
    fn row(&mut self, row: usize, text: &str, bytes: &[u8], mut at: usize, delimiter: u8) -> Option<usize> {
        let columns = self.numbers.len();
        let numbers = self.numbers.as_mut_slice();
        let ends = &mut self.ends.as_mut_slice()[row * columns..(row + 1) * columns];
        // Not where numbers are cut by what they consist of.
        let may_lead = !matches!(delimiter, b'0'..=b'9' | b'.' | b'-');
        for column in 0..columns {
            // Most numbers are read and their ends found at once.
            let stop = if let (true, Some(values)) = (may_lead, &mut numbers[column])
                && let Some((value, len)) = leading_number(&bytes[at..])
                && is_stop(bytes.get(at + len), delimiter)
            {
                values.as_mut_slice()[row] = value;
                at + len
            } else {
                cell(text, &bytes[at..], at, delimiter, &mut numbers[column], row)
            };
            ends[column] = stop as u32;
            at = stop + 1;
            let is_cut = bytes.get(stop) == Some(&delimiter);
            if is_cut == (column + 1 == columns) {
                return None;
            }
        }
        Some(at)
    }

    /// Makes room for so many rows. Values are put at their places: to push each would be a call in a program that is optimised for size.
    fn resize(&mut self, rows: usize) {
        self.starts.resize(rows, 0);
        self.ends.resize(rows * self.numbers.len(), 0);
        self.numbers.iter_mut().flatten().for_each(|numbers| numbers.resize(rows, f64::NAN));
    }
}

/// Whether a cell ends before that byte, or there is none.
#[inline(always)]
fn is_stop(byte: Option<&u8>, delimiter: u8) -> bool {
    byte.is_none_or(|byte| *byte == delimiter || is_end(*byte))
}

/// Reads any cell, at the beginning of `rest` and byte `at` of the text; returns where it ends.
#[inline(never)]
fn cell(text: &str, rest: &[u8], at: usize, delimiter: u8, numbers: &mut Option<Vec<f64>>, row: usize) -> usize {
    let mut stop = at;
    while !is_stop(rest.get(stop - at), delimiter) {
        stop += 1;
    }
    if let Some(values) = numbers {
        let value = match of_text(&text[at..stop]) {
            Cell::Missing => Some(f64::NAN),
            Cell::Text(text) => number(text, false),
            Cell::Number(value) => Some(value),
        };
        match value {
            Some(value) => values[row] = value,
            None => *numbers = None,
        }
    }
    stop
}
