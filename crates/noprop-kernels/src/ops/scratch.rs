//! Buffers that a kernel needs for the length of one call, kept by their thread so that a warm step allocates nothing.
//!
//! A guard and not a closure: a closure would be compiled outside of the kernel's instruction set.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

thread_local! {
    static FREE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Values of a cache line: buffers begin on one, so that no vector of a panel lies across two.
const LINE: usize = 16;

/// A borrowed buffer; it goes back to its thread when dropped.
pub(super) struct Scratch {
    buffer: Vec<f32>,
    start: usize,
    len: usize,
}

/// A buffer of `len` values of unspecified content.
pub(super) fn take(len: usize) -> Scratch {
    let mut buffer = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < len + LINE {
        buffer.resize(len + LINE, 0.0);
    }
    let start = buffer.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
    Scratch { buffer, start, len }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        // A thread that is ending has no list to give the buffer back to.
        let _ = FREE.try_with(|free| free.borrow_mut().push(buffer));
    }
}

impl Deref for Scratch {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.buffer[self.start..self.start + self.len]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer[self.start..self.start + self.len]
    }
}
