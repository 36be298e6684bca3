//! Which values share a buffer: those of one size of which none is still needed when the other is written.
//!
//! Each buffer is a tensor of its own: candle holds a lock on a storage while an operation writes it, and values in one arena
//! would share theirs.

use super::{At, Call};
use std::collections::HashMap;
use std::fmt;

/// Values of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// So many of each sample.
    Samples(usize),
    /// So many of each block.
    Block(usize),
    /// So many zeros of each block, which nobody writes.
    Zeros(usize),
}

impl Size {
    /// Values of one block whose batches have at most `capacity` samples.
    pub fn of(self, capacity: usize) -> usize {
        match self {
            Self::Samples(len) => capacity * len,
            Self::Block(len) | Self::Zeros(len) => len,
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Samples(len) => write!(f, "{len} a sample"),
            Self::Block(len) => write!(f, "{len} a block"),
            Self::Zeros(len) => write!(f, "{len} zeros"),
        }
    }
}

/// Buffers, and the buffer of each slot. The results are read after the last call. All calls but the first `fixed` may run again, so what
/// those leave to them stays.
pub(super) fn plan<'c>(
    sizes: &[Size],
    calls: impl Iterator<Item = &'c Call>,
    results: &[At],
    fixed: usize,
) -> (Vec<Size>, Vec<usize>) {
    // The calls in which a slot is used first and last.
    let mut uses: HashMap<usize, [usize; 2]> = HashMap::new();
    let mut count = 0;
    for (index, Call { reads, writes, .. }) in calls.enumerate() {
        count = index + 1;
        for at in reads.iter().chain(writes) {
            let At::Slot(slot) = at else { continue };
            uses.entry(*slot).or_insert([index; 2])[1] = index;
        }
    }
    for at in results {
        let At::Slot(slot) = at else { continue };
        uses.entry(*slot).or_insert([count; 2])[1] = count;
    }
    for [first, last] in uses.values_mut() {
        if *first < fixed && *last >= fixed {
            *last = count;
        }
    }
    let mut order: Vec<_> = (0..sizes.len()).collect();
    order.sort_by_key(|slot| uses.get(slot).map_or(usize::MAX, |[first, _]| *first));
    let mut buffers = Vec::new();
    let mut last_use: Vec<usize> = Vec::new();
    let mut places = vec![0; sizes.len()];
    for slot in order {
        let Some([first, last]) = uses.get(&slot) else { continue };
        // Zeros are one size of their own, and one slot of each length.
        let free = (0..buffers.len()).find(|buffer| buffers[*buffer] == sizes[slot] && last_use[*buffer] < *first);
        places[slot] = free.unwrap_or(buffers.len());
        match free {
            Some(buffer) => last_use[buffer] = *last,
            None => {
                buffers.push(sizes[slot]);
                last_use.push(*last);
            }
        }
    }
    (buffers, places)
}
