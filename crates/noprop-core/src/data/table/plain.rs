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
        let (bytes, end) = (text.as_bytes(), range.end);
        // Lines are about as long as the first; none is shorter than its delimiters.
        let line = bytes[range.clone()].iter().position(|byte| is_end(*byte)).unwrap_or(0).max(columns - 1) + 1;
        let mut part = Self { starts: Vec::new(), ends: Vec::new(), numbers: vec![Some(Vec::new()); columns] };
        part.resize(range.len() / line + 1);
        let (mut rows, mut row, mut at, mut column) = (0, range.start, range.start, 0);
        // The last line may have no end.
        while at <= end {
            if column == 0 && (at == end || is_end(bytes[at])) {
                at += 1;
                row = at;
                continue;
            }
            if column == columns {
                return None;
            }
            if column == 0 && rows == part.starts.len() {
                part.resize(2 * rows);
            }
            let stop = part.cell(text, at..end, delimiter, (rows, column));
            // A text has less than 2^32 bytes.
            part.ends[rows * columns + column] = stop as u32;
            (at, column) = (stop + 1, column + 1);
            if stop < end && bytes[stop] == delimiter {
                continue;
            }
            if column != columns {
                return None;
            }
            part.starts[rows] = row as u32;
            (rows, row, column) = (rows + 1, at, 0);
        }
        part.resize(rows);
        Some(part)
    }

    /// Makes room for so many rows. Values are put at their places: to push each would be a call in a program that is optimised for size.
    fn resize(&mut self, rows: usize) {
        self.starts.resize(rows, 0);
        self.ends.resize(rows * self.numbers.len(), 0);
        self.numbers.iter_mut().flatten().for_each(|numbers| numbers.resize(rows, f64::NAN));
    }

    /// Reads the cell at the beginning of `rest`; returns where it ends.
    #[inline(always)]
    fn cell(
        &mut self,
        text: &str,
        rest: std::ops::Range<usize>,
        delimiter: u8,
        (row, column): (usize, usize),
    ) -> usize {
        let (start, bytes) = (rest.start, &text.as_bytes()[rest]);
        let is_stop = |byte: &u8| *byte == delimiter || is_end(*byte);
        // Most numbers are read and their ends found at once; not where they are cut by what numbers consist of.
        if !matches!(delimiter, b'0'..=b'9' | b'.' | b'-')
            && let Some(numbers) = &mut self.numbers[column]
            && let Some((value, len)) = leading_number(bytes)
            && bytes.get(len).is_none_or(is_stop)
        {
            numbers[row] = value;
            return start + len;
        }
        let stop = start + bytes.iter().position(is_stop).unwrap_or(bytes.len());
        self.add(&text[start..stop], (row, column));
        stop
    }

    fn add(&mut self, cell: &str, (row, column): (usize, usize)) {
        let Some(numbers) = &mut self.numbers[column] else { return };
        let value = match of_text(cell) {
            Cell::Missing => Some(f64::NAN),
            Cell::Text(text) => number(text, false),
            Cell::Number(value) => Some(value),
        };
        match value {
            Some(value) => numbers[row] = value,
            None => self.numbers[column] = None,
        }
    }
}
