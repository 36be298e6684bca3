//! Places of tensors in flat buffers.

/// Where one tensor of a block lies in the block's flat buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Index of the first element.
    pub offset: usize,
    /// Number of elements.
    pub len: usize,
}

impl Slot {
    /// The elements of this slot in a flat buffer.
    pub fn of<'a, T>(&self, flat: &'a [T]) -> &'a [T] {
        &flat[self.offset..self.offset + self.len]
    }

    /// The elements of this slot in a flat buffer.
    pub fn of_mut<'a, T>(&self, flat: &'a mut [T]) -> &'a mut [T] {
        &mut flat[self.offset..self.offset + self.len]
    }

    /// The elements of two slots that do not overlap.
    pub fn both_of_mut<T>(slots: [Slot; 2], flat: &mut [T]) -> [&mut [T]; 2] {
        let ranges = slots.map(|slot| slot.offset..slot.offset + slot.len);
        flat.get_disjoint_mut(ranges).expect("tensors of a block do not overlap")
    }

    /// `len` elements of this slot from its element `offset`.
    pub fn part(&self, offset: usize, len: usize) -> Slot {
        assert!(offset + len <= self.len, "a part must lie inside its slot");
        Slot { offset: self.offset + offset, len }
    }
}
