//! Operations that devices alone have: one kernel does what several operations do on the processor. So they may write several
//! tensors, where a [`BlockOp`](super::BlockOp) writes one.

use super::apply::in_storage;
use crate::cuda::{DeviceRows, Executor};
use crate::error::{Code, Error, Result};
use crate::ops::profile;
use crate::tensor::{Buffer, Rows};
use candle_core::{CpuStorage, DType, InplaceOp1, Layout, Storage, Tensor};
use std::cell::Cell;

/// One kernel that writes `W` tensors and reads `R` others. What it writes it may read as well. f32 alone.
pub trait DeviceOp<const W: usize, const R: usize> {
    /// The operation's name, for profiles and errors.
    const NAME: &'static str;
    /// Launches it for all blocks that run together. Each of `writes` has a row for each of them.
    fn launch(&self, on: &Executor<'_>, writes: [DeviceRows; W], reads: [DeviceRows; R]) -> Result<()>;
}

/// Whether operations on this destination are launched as kernels.
pub fn on_device(destination: &Buffer) -> bool {
    let emulated = || destination.dtype() == DType::F32 && crate::cuda::Context::current().emulate;
    cfg!(device) && (!destination.device().is_cpu() || emulated())
}

/// Launches `op` for every block. No two of the tensors that it writes may share a storage, and none with one that it reads.
pub fn launch<const W: usize, const R: usize, O: DeviceOp<W, R>>(
    op: &O,
    writes: [&Buffer; W],
    reads: [&Tensor; R],
) -> Result<()> {
    let _time = profile::enter(O::NAME);
    let adapter =
        Adapter { op, writes, reads, addresses: Cell::new([0; W]), locked: Cell::new(0), failure: Cell::new(None) };
    let outcome = writes[0].write(&adapter);
    match adapter.failure.take() {
        Some(error) => Err(error),
        None => Ok(outcome?),
    }
}

/// Presents a [`DeviceOp`] to candle, which gives one storage at a time to be written. It enters once for each destination, the
/// next from inside of the one before; innermost it launches.
struct Adapter<'a, const W: usize, const R: usize, O> {
    op: &'a O,
    writes: [&'a Buffer; W],
    reads: [&'a Tensor; R],
    /// Where the storages of the first `locked` destinations begin.
    addresses: Cell<[u64; W]>,
    locked: Cell<usize>,
    /// The operation's own error, which candle's would only carry as text.
    failure: Cell<Option<Error>>,
}

#[cfg_attr(not(device), allow(dead_code))]
impl<const W: usize, const R: usize, O: DeviceOp<W, R>> Adapter<'_, W, R, O> {
    /// Takes a destination, whose storage begins at `address`, and goes on to the next, or launches.
    fn take(
        &self,
        address: u64,
        on: &Executor<'_>,
        begin: impl Fn(&Storage) -> candle_core::Result<u64>,
    ) -> candle_core::Result<()> {
        let (mut addresses, locked) = (self.addresses.get(), self.locked.get());
        addresses[locked] = address;
        self.addresses.set(addresses);
        self.locked.set(locked + 1);
        match self.writes.get(locked + 1) {
            Some(next) => next.write(self),
            None => self.launch(on, begin),
        }
    }

    fn launch(
        &self,
        on: &Executor<'_>,
        begin: impl Fn(&Storage) -> candle_core::Result<u64>,
    ) -> candle_core::Result<()> {
        let mut writes = [DeviceRows::NONE; W];
        for ((rows, buffer), address) in writes.iter_mut().zip(self.writes).zip(self.addresses.get()) {
            *rows = in_storage(Rows::of_destination(buffer.layout(), O::NAME)?, address);
        }
        let guards = self.reads.map(Tensor::storage_and_layout);
        let mut reads = [DeviceRows::NONE; R];
        for (rows, (storage, layout)) in reads.iter_mut().zip(&guards) {
            *rows = in_storage(Rows::of((), layout, O::NAME)?, begin(storage)?);
        }
        let outcome = if writes.iter().all(|rows| rows.count == writes[0].count) {
            self.op.launch(on, writes, reads)
        } else {
            Err(Error::new(Code::Internal, format!("kernel contract broken: rows that {} writes", O::NAME)))
        };
        outcome.map_err(|error| {
            self.failure.set(Some(error));
            candle_core::Error::Msg(format!("{} failed", O::NAME))
        })
    }
}

impl<const W: usize, const R: usize, O: DeviceOp<W, R>> InplaceOp1 for Adapter<'_, W, R, O> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, _: &Layout) -> candle_core::Result<()> {
        #[cfg(feature = "emulation")]
        if let CpuStorage::F32(data) = storage {
            return self.take(data.as_mut_ptr() as u64, &Executor::Emulation, super::apply::emulated);
        }
        let _ = storage;
        candle_core::bail!("{}: it has no kernel on the processor", O::NAME)
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, storage: &mut candle_core::CudaStorage, _: &Layout) -> candle_core::Result<()> {
        let gpu = crate::cuda::gpu::of(storage)?;
        self.take(crate::cuda::on_card(storage)?, &Executor::Gpu(&gpu), super::apply::on_gpu)
    }
}
