//! Whether an operation is worth cutting, and where.

use super::{share, threads};
use crate::error::Result;
use std::marker::PhantomData;
use std::ops::Range;

/// What an operation takes, roughly.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Multiply-adds, or operations that take as long as one in a product.
    pub multiply_adds: usize,
    /// Bytes read and written.
    pub bytes: usize,
}

/// Multiply-adds of a core in a nanosecond, about.
const MULTIPLY_ADDS: usize = 32;
/// Bytes that a core moves in a nanosecond, about: most of them are in a cache.
const BYTES: usize = 16;
/// A part that takes less than this, in nanoseconds, costs more to hand out than it saves: a round takes one or two
/// microseconds, and its parts do not end at the same time.
const SHORTEST: usize = 4000;
/// Parts for each thread: with more, a thread that was interrupted is waited for less long.
const EACH: usize = 2;

impl Cost {
    /// Of `values` f32 read or written, each with little work.
    pub fn of_values(values: usize) -> Self {
        Self { multiply_adds: 0, bytes: 4 * values }
    }

    /// Into how many parts an operation of `pieces` pieces goes, of which there are to be `wanted`.
    pub(super) fn by_cost(self, wanted: usize, pieces: usize) -> usize {
        let nanoseconds = self.multiply_adds / MULTIPLY_ADDS + self.bytes / BYTES;
        wanted.min(nanoseconds / SHORTEST).min(pieces).max(1)
    }

    fn parts(self, wanted: usize, pieces: usize) -> usize {
        #[cfg(any(test, feature = "testing"))]
        if super::stress::is_on() {
            return wanted.min(pieces).max(1);
        }
        self.by_cost(wanted, pieces)
    }
}

/// Into how many parts this thread's team cuts an operation of this cost that has `most` pieces.
pub fn parts(cost: Cost, most: usize) -> usize {
    match threads() {
        1 => 1,
        threads => cost.parts(EACH * threads, most),
    }
}

/// The same where each part repeats some work: one for each thread.
pub fn coarse_parts(cost: Cost, most: usize) -> usize {
    cost.parts(threads(), most)
}

/// The part `part` of `parts` of `0..len`; parts begin at multiples of `step`.
pub fn part_of(len: usize, step: usize, (part, parts): (usize, usize)) -> Range<usize> {
    let steps = len.div_ceil(step);
    let border = |part: usize| (steps * part / parts * step).min(len);
    border(part)..border(part + 1)
}

/// Values that threads write parts of.
#[derive(Debug, Clone, Copy)]
pub struct Shared<'a, T> {
    start: *mut T,
    len: usize,
    values: PhantomData<&'a mut [T]>,
}

// SAFETY: it is an exclusive borrow whose parts go to several threads; see `Shared::part` and `Shared::from`.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    /// Lends `values` to threads.
    pub fn new(values: &'a mut [T]) -> Self {
        Self { start: values.as_mut_ptr(), len: values.len(), values: PhantomData }
    }

    /// Number of values.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first value's place.
    #[inline(always)]
    pub(crate) fn as_mut_ptr(&self) -> *mut T {
        self.start
    }

    /// The values from `at` on, of which a part may write some.
    #[inline(always)]
    pub(crate) fn from(&self, at: usize) -> Self {
        assert!(at <= self.len);
        // SAFETY: asserted above.
        Self { start: unsafe { self.start.add(at) }, len: self.len - at, values: PhantomData }
    }

    /// Some of the values.
    ///
    /// # Safety
    /// Nobody else reads or writes them during the life of the slice.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn part(&self, range: Range<usize>) -> &'a mut [T] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: inside of the values, as asserted; the caller vouches that nobody else uses them.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}

/// Values of a cache line: parts of sums begin at one.
const LINE: usize = 16;

/// Cuts sums over rows by their columns, which are the values of the destinations, and runs `work` on each part: its first column,
/// and its sums.
pub fn share_columns<T: Send, const N: usize>(
    sums: [&mut [T]; N],
    cost: Cost,
    work: impl Fn(usize, [&mut [T]; N]) -> Result<()> + Sync,
) -> Result<()> {
    let columns = sums.first().map_or(0, |sums| sums.len());
    share_rows(sums, [1; N], (columns, LINE, cost), |range, sums| work(range.start, sums))
}

/// Cuts destinations by rows, whose lengths are `lens`, and runs `work` on each part: the numbers of its rows, and those rows of
/// each destination. Parts begin at multiples of `step` rows.
pub fn share_rows<T: Send, const N: usize>(
    destinations: [&mut [T]; N],
    lens: [usize; N],
    (rows, step, cost): (usize, usize, Cost),
    work: impl Fn(Range<usize>, [&mut [T]; N]) -> Result<()> + Sync,
) -> Result<()> {
    let count = parts(cost, rows.div_ceil(step));
    if count == 1 {
        return work(0..rows, destinations);
    }
    let shared = destinations.map(Shared::new);
    share(count, |part| {
        let range = part_of(rows, step, (part, count));
        let mut n = 0;
        work(
            range.clone(),
            shared.each_ref().map(|shared| {
                let len = lens[n];
                n += 1;
                // SAFETY: parts do not overlap, and no row is in two.
                unsafe { shared.part(range.start * len..range.end * len) }
            }),
        )
    })
}
