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
    delimiter: u8,
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
        let Some(parts) = parts.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
        let mut firsts = vec![0];
        for part in &parts {
            firsts.push(firsts[firsts.len() - 1] + part.starts.len());
        }
        Ok(Some(Self { text, delimiter, parts, firsts }))
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
        let (start, end) = match &part.columns[column] {
            Column::Texts(spans) => spans[row],
            Column::Numbers(_) => span(self.text.as_bytes(), part.starts[row], self.delimiter, column),
        };
        &self.text[start as usize..end as usize]
    }

    /// The values of a column of numbers, NaN for what is missing; none of another.
    pub fn numbers(&self, column: usize) -> Option<Numbers<'_>> {
        let is_known = self.parts.iter().all(|part| matches!(part.columns[column], Column::Numbers(_)));
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
        rows.into_iter().map(move |row| {
            // Rows come in their order, most of them from the part of the one before.
            if let Some(value) = row.checked_sub(first).and_then(|place| values.get(place)) {
                return *value;
            }
            let (part, place) = self.cells.find(row);
            let Column::Numbers(numbers) = &part.columns[self.column] else { return f64::NAN };
            (first, values) = (row - place, numbers);
            values[place]
        })
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

/// What a piece has of a column.
#[derive(Debug)]
enum Column {
    /// All that is there are numbers; NaN for what is missing. Where they stand is looked for again if their texts are asked for.
    Numbers(Vec<f64>),
    /// Where each cell begins and ends.
    Texts(Vec<(u32, u32)>),
}

/// Where the cell of a row stands that begins at `start`.
fn span(text: &[u8], start: u32, delimiter: u8, column: usize) -> (u32, u32) {
    let stop = |from: usize| {
        let is_stop = |byte: &u8| *byte == delimiter || is_end(*byte);
        text[from..].iter().position(is_stop).map_or(text.len(), |after| from + after)
    };
    let start = (0..column).fold(start as usize, |from, _| stop(from) + 1);
    // A text has less than 2^32 bytes.
    (start as u32, stop(start) as u32)
}

/// The rows of a piece.
#[derive(Debug)]
struct Part {
    /// Where the first cell of each row begins.
    starts: Vec<u32>,
    columns: Vec<Column>,
}

impl Part {
    /// None where a row has another number of cells.
    fn read(text: &str, range: std::ops::Range<usize>, delimiter: u8, columns: usize) -> Option<Self> {
        let (bytes, end) = (text.as_bytes(), range.end);
        // Lines are about as long as the first; none is shorter than its delimiters.
        let line = bytes[range.clone()].iter().position(|byte| is_end(*byte)).unwrap_or(0).max(columns - 1) + 1;
        let rows = range.len() / line + 1;
        let mut part = Self {
            starts: Vec::with_capacity(rows),
            columns: (0..columns).map(|_| Column::Numbers(Vec::with_capacity(rows))).collect(),
        };
        let (mut row, mut at, mut column) = (range.start, range.start, 0);
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
            let stop = part.cell(text, at..end, delimiter, column);
            (at, column) = (stop + 1, column + 1);
            if stop < end && bytes[stop] == delimiter {
                continue;
            }
            if column != columns {
                return None;
            }
            part.starts.push(row as u32);
            (row, column) = (at, 0);
        }
        Some(part)
    }

    /// Reads the cell at the beginning of `rest`; returns where it ends.
    fn cell(&mut self, text: &str, rest: std::ops::Range<usize>, delimiter: u8, column: usize) -> usize {
        let (start, bytes) = (rest.start, &text.as_bytes()[rest]);
        let is_stop = |byte: &u8| *byte == delimiter || is_end(*byte);
        // Most numbers are read and their ends found at once; not where they are cut by what numbers consist of.
        if !matches!(delimiter, b'0'..=b'9' | b'.' | b'-')
            && let Column::Numbers(numbers) = &mut self.columns[column]
            && let Some((value, len)) = leading_number(bytes)
            && bytes.get(len).is_none_or(is_stop)
        {
            numbers.push(value);
            return start + len;
        }
        let stop = start + bytes.iter().position(is_stop).unwrap_or(bytes.len());
        self.add(text, start..stop, delimiter, column);
        stop
    }

    fn add(&mut self, text: &str, cell: std::ops::Range<usize>, delimiter: u8, column: usize) {
        // A text has less than 2^32 bytes.
        let here = (cell.start as u32, cell.end as u32);
        let numbers = match &mut self.columns[column] {
            Column::Texts(spans) => return spans.push(here),
            Column::Numbers(numbers) => numbers,
        };
        let value = match of_text(&text[cell]) {
            Cell::Missing => Some(f64::NAN),
            Cell::Text(text) => number(text, false),
            Cell::Number(value) => Some(value),
        };
        match value {
            Some(value) => numbers.push(value),
            None => {
                let before = self.starts.iter().map(|start| span(text.as_bytes(), *start, delimiter, column));
                self.columns[column] = Column::Texts(before.chain([here]).collect());
            }
        }
    }
}
