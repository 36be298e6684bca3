//! How an operation is cut into rows that the threads of a team share.

use crate::team::Cost;
use std::ops::Range;

/// An operation whose destination and sources have rows: a value of the destination depends on its own row of each source, and on
/// sources that serve all rows.
#[derive(Debug, Clone, Copy)]
pub struct Cut<const N: usize> {
    /// Number of rows: samples, tokens or single values.
    pub rows: usize,
    /// Parts begin at multiples of so many rows.
    pub step: usize,
    /// Values of a row of the destination.
    pub destination: usize,
    /// Values of a row of each source; 0 for one that serves all rows.
    pub sources: [usize; N],
    /// What all rows take.
    pub cost: Cost,
}

/// Values that a part of an operation on single values has at least, some cache lines.
const VALUES: usize = 256;

impl<const N: usize> Cut<N> {
    /// Rows with so many values in the destination and in each source.
    pub fn rows(rows: usize, destination: usize, sources: [usize; N]) -> Self {
        let values = rows * (destination + sources.iter().sum::<usize>());
        Self { rows, step: 1, destination, sources, cost: Cost::of_values(values) }
    }

    /// An operation on `len` values, each from one of every source, that does about so many multiply-adds for each.
    pub fn values(len: usize, work: usize) -> Self {
        let cost = Cost { multiply_adds: len * work, ..Cost::of_values(len * (N + 1)) };
        Self { rows: len, step: VALUES, destination: 1, sources: [1; N], cost }
    }

    /// The same with so many multiply-adds in all.
    pub fn with_work(self, multiply_adds: usize) -> Self {
        Self { cost: Cost { multiply_adds, ..self.cost }, ..self }
    }

    /// Those rows of `slice`, whose rows have `len` values; the last may be shorter.
    pub(super) fn of<T>(slice: &[T], len: usize, rows: &Range<usize>) -> Range<usize> {
        if len == 0 {
            return 0..slice.len();
        }
        (rows.start * len).min(slice.len())..(rows.end * len).min(slice.len())
    }
}
