//! Values into tensors on the processor and out of them, without allocating.

use crate::error::{Code, Error, Result};
use crate::ops::BlockOp;
use crate::ops::batch::widen;
use crate::tensor::{Buffer, Real, Slot, check};
use candle_core::{CpuStorage, Storage, Tensor};

/// Writes values to the beginning of a tensor.
pub(crate) struct CopyIn<'a>(pub &'a [f32]);

impl BlockOp<0> for CopyIn<'_> {
    const NAME: &'static str = "copy-in";
    fn block<T: Real>(&self, _: usize, to: &mut [T], []: [&[T]; 0]) -> Result<()> {
        check(to.len() >= self.0.len(), "values to copy")?;
        widen(to, self.0);
        Ok(())
    }
}

/// Writes values, one after the other, to some parts of a tensor.
pub(crate) struct PutSlots<'a> {
    pub slots: &'a [Slot],
    pub values: &'a [f64],
}

impl BlockOp<0> for PutSlots<'_> {
    const NAME: &'static str = "put-slots";
    fn block<T: Real>(&self, _: usize, to: &mut [T], []: [&[T]; 0]) -> Result<()> {
        let mut values = self.values.iter();
        for slot in self.slots {
            check(to.len() >= slot.offset + slot.len, "a slot to write")?;
            slot.of_mut(to).iter_mut().zip(&mut values).for_each(|(to, value)| *to = T::of(*value));
        }
        Ok(())
    }
}

/// Shortens the first `len` values of a tensor, as a vector, to a length of at most `most`.
pub(crate) struct Clip {
    pub most: f64,
    pub len: usize,
}

impl BlockOp<0> for Clip {
    const NAME: &'static str = "clip";
    fn block<T: Real>(&self, _: usize, to: &mut [T], []: [&[T]; 0]) -> Result<()> {
        check(to.len() >= self.len, "values to clip")?;
        clip(&mut to[..self.len], self.most);
        Ok(())
    }
}

/// Shortens values, as a vector, to a length of at most `most`. Returns whether they were longer.
pub(super) fn clip<T: Real>(values: &mut [T], most: f64) -> bool {
    // Eight sums side by side, which a processor makes at once; their order is that of the code.
    let mut sums = [0.0_f64; 8];
    for eight in values.chunks(8) {
        for (sum, value) in sums.iter_mut().zip(eight) {
            let value = value.to_f64().unwrap_or(f64::NAN);
            *sum += value * value;
        }
    }
    let norm = sums.iter().sum::<f64>().sqrt();
    // Values that are not finite stay, so that the step is known to have diverged.
    let is_longer = norm > most;
    if is_longer {
        let factor = T::of(most / norm);
        values.iter_mut().for_each(|value| *value *= factor);
    }
    is_longer
}

/// Moves the first `len` values of a tensor by a share of the way to those of another.
pub(crate) struct Towards {
    pub share: f64,
    pub len: usize,
}

impl BlockOp<1> for Towards {
    const NAME: &'static str = "towards";
    fn block<T: Real>(&self, _: usize, to: &mut [T], [from]: [&[T]; 1]) -> Result<()> {
        check(to.len().min(from.len()) >= self.len, "values to move")?;
        let share = T::of(self.share);
        to[..self.len].iter_mut().zip(from).for_each(|(to, from)| *to += share * (*from - *to));
        Ok(())
    }
}

/// The first `count` values of a tensor, in place of those in `to`.
pub(crate) fn read(tensor: &Tensor, count: usize, to: &mut Vec<f64>) -> Result<()> {
    to.clear();
    extend(tensor, Slot { offset: 0, len: count }, to)
}

/// The values in `slots`, one after the other, in place of those in `to`.
pub(crate) fn read_slots(tensor: &Buffer, slots: &[Slot], to: &mut Vec<f64>) -> Result<()> {
    to.clear();
    slots.iter().try_for_each(|slot| extend(tensor, *slot, to))
}

fn extend(tensor: &Tensor, slot: Slot, to: &mut Vec<f64>) -> Result<()> {
    let (storage, layout) = tensor.storage_and_layout();
    check(slot.offset + slot.len <= tensor.elem_count(), "values to read")?;
    let from = layout.start_offset() + slot.offset;
    match &*storage {
        Storage::Cpu(CpuStorage::F32(values)) => to.extend(values[from..][..slot.len].iter().map(|v| f64::from(*v))),
        Storage::Cpu(CpuStorage::F64(values)) => to.extend_from_slice(&values[from..][..slot.len]),
        _ => return Err(neither()),
    }
    Ok(())
}

/// The first value.
pub(super) fn first_value(tensor: &Tensor) -> Result<f64> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(CpuStorage::F32(values)) => Ok(f64::from(values[layout.start_offset()])),
        Storage::Cpu(CpuStorage::F64(values)) => Ok(values[layout.start_offset()]),
        _ => Err(neither()),
    }
}

/// Whether every value of a contiguous tensor is a finite number, without a copy.
pub(super) fn all_finite(tensor: &Tensor) -> Result<bool> {
    // A part at a time without a way out in the middle, so that the loop is vectorised.
    fn check<T: Real>(values: &[T]) -> bool {
        values.chunks(1024).all(|part| part.iter().fold(true, |finite, value| finite & value.is_finite()))
    }
    let (storage, layout) = tensor.storage_and_layout();
    let range = layout.start_offset()..layout.start_offset() + tensor.elem_count();
    match &*storage {
        Storage::Cpu(CpuStorage::F32(values)) => Ok(check(&values[range])),
        Storage::Cpu(CpuStorage::F64(values)) => Ok(check(&values[range])),
        _ => Err(neither()),
    }
}

fn neither() -> Error {
    Error::new(Code::Internal, "a tensor of training is neither f32 nor f64 on the CPU")
}
