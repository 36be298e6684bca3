//! Keeps the states and estimates of a chain's moves.

use crate::error::Result;
use crate::memory::zeros;
use std::sync::{Mutex, PoisonError};

/// Takes states and estimates from any thread.
pub(super) struct Recorder {
    /// States and estimates, each `[moves, samples, classes]`.
    kept: [Mutex<Vec<f32>>; 2],
    /// Values of all samples, and of one.
    values: usize,
    width: usize,
}

impl Recorder {
    /// Room for so many moves of samples of `values` values, `width` each.
    ///
    /// # Errors
    /// [`crate::Code::Memory`].
    pub fn new(moves: usize, values: usize, width: usize) -> Result<Self> {
        let room = || zeros::<f32>(moves.saturating_mul(values), "the states of all blocks").map(Mutex::new);
        Ok(Self { kept: [room()?, room()?], values, width })
    }

    /// Takes the states after a move (from 0) of the samples from `first` on.
    pub fn states(&self, place: [usize; 2], states: &[f32]) {
        self.keep(0, place, states);
    }

    /// Takes the estimates that the move is made by.
    pub fn estimates(&self, place: [usize; 2], estimates: &[f32]) {
        self.keep(1, place, estimates);
    }

    fn keep(&self, which: usize, [index, first]: [usize; 2], values: &[f32]) {
        let at = index * self.values + first * self.width;
        let mut kept = self.kept[which].lock().unwrap_or_else(PoisonError::into_inner);
        kept[at..at + values.len()].copy_from_slice(values);
    }

    /// States and estimates, each `[moves, samples, classes]`.
    pub fn finish(self) -> [Vec<f32>; 2] {
        self.kept.map(|kept| kept.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}
