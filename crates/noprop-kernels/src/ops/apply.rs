//! What an operation is, and how it runs on every one of the blocks that run together.

use crate::cuda::{DeviceRows, Executor};
use crate::error::Code;
use crate::error::{Error, Result};
use crate::ops::cut::Cut;
use crate::ops::profile;
use crate::team::{self, Shared};
use crate::tensor::{Buffer, Real, Rows};
use candle_core::{CpuStorage, InplaceOp1, Layout, Storage, Tensor};
use std::cell::Cell;
use std::ops::Range;

/// An operation as one block sees it, which writes one destination and reads its sources; [`apply`] repeats it over the blocks
/// that run together.
pub trait BlockOp<const N: usize>: Sync {
    /// The operation's name, for profiles and errors.
    const NAME: &'static str;
    /// Computes `destination` of the k-th of the blocks that run together from its `sources`.
    fn block<T: Real>(&self, k: usize, destination: &mut [T], sources: [&[T]; N]) -> Result<()>;
    /// How threads share it, if they do so by rows.
    fn cut(&self) -> Option<Cut<N>> {
        None
    }
    /// The same operation on some of the rows of [`cut`](Self::cut).
    fn of_rows(&self, rows: Range<usize>) -> Self
    where
        Self: Sized,
    {
        unreachable!("{} has no rows: {rows:?}", Self::NAME)
    }
    /// The same for all blocks that run together, by CUDA kernels. f32 alone.
    fn launch(&self, on: &Executor<'_>, destination: DeviceRows, sources: [DeviceRows; N]) -> Result<()> {
        let _ = (on, destination, sources);
        Err(Error::new(Code::Internal, format!("operation {} has no CUDA kernel", Self::NAME)))
    }
}

/// Runs `op` for every block: row k of `destination` from row k of each source (row 0 of a source with one row).
pub fn apply<const N: usize, O: BlockOp<N>>(op: &O, destination: &Buffer, sources: [&Tensor; N]) -> Result<()> {
    let _time = profile::enter(O::NAME);
    let adapter = Adapter { op, layout: destination.layout(), sources, failure: Cell::new(None) };
    let outcome = destination.write(&adapter);
    match adapter.failure.take() {
        Some(error) => Err(error),
        None => Ok(outcome?),
    }
}

/// Presents a [`BlockOp`] to candle. candle's public entry points take at most two sources; further ones are read
/// through their own guards, which cannot dead-lock because no operation here reads the storage it writes.
struct Adapter<'a, const N: usize, O> {
    op: &'a O,
    /// The destination's own; what candle hands over is that of its first element.
    layout: &'a Layout,
    sources: [&'a Tensor; N],
    /// The operation's own error, which candle's would only carry as text.
    failure: Cell<Option<Error>>,
}

impl<const N: usize, O: BlockOp<N>> Adapter<'_, N, O> {
    fn run<T: Real>(&self, destination: &mut [T]) -> candle_core::Result<()> {
        let guards = self.sources.map(Tensor::storage_and_layout);
        let mut views: [Rows<&[T]>; N] = std::array::from_fn(|_| Rows::default());
        for (view, (storage, layout)) in views.iter_mut().zip(&guards) {
            let Storage::Cpu(storage) = &**storage else {
                candle_core::bail!("{}: a source is not on the CPU", O::NAME)
            };
            *view = Rows::of(T::slice(storage)?, layout, O::NAME)?;
        }
        let rows = Rows::of_destination(self.layout, O::NAME)?;
        for k in 0..rows.count {
            let start = rows.start + k * rows.stride;
            let sources = views.each_ref().map(|view| view.row(k));
            if let Err(error) = shared(self.op, k, &mut destination[start..start + rows.len], sources) {
                self.failure.set(Some(error));
                candle_core::bail!("{} failed", O::NAME)
            }
        }
        Ok(())
    }
}

/// Computes one block, its rows by as many threads as are there.
fn shared<T: Real, const N: usize, O: BlockOp<N>>(
    op: &O,
    k: usize,
    destination: &mut [T],
    sources: [&[T]; N],
) -> Result<()> {
    let (cut, parts) = match op.cut() {
        Some(cut) => (cut, team::parts(cut.cost, cut.rows.div_ceil(cut.step))),
        None => return op.block(k, destination, sources),
    };
    if parts == 1 {
        return op.block(k, destination, sources);
    }
    let len = destination.len();
    let destination = Shared::new(destination);
    team::share(parts, |part| {
        let rows = team::part_of(cut.rows, cut.step, (part, parts));
        let begin = |end: usize| (end * cut.destination).min(len);
        // SAFETY: parts do not overlap, and no row is in two.
        let destination = unsafe { destination.part(begin(rows.start)..begin(rows.end)) };
        let mut sources = sources;
        for (source, len) in sources.iter_mut().zip(cut.sources) {
            *source = &source[Cut::<N>::of(source, len, &rows)];
        }
        op.of_rows(rows).block(k, destination, sources)
    })
}

#[cfg_attr(not(device), allow(dead_code))]
impl<const N: usize, O: BlockOp<N>> Adapter<'_, N, O> {
    /// Launches the operation on the rows of a destination and of sources whose storages begin at the addresses given.
    fn launch(
        &self,
        on: &Executor<'_>,
        destination: u64,
        begin: impl Fn(&Storage) -> candle_core::Result<u64>,
    ) -> candle_core::Result<()> {
        let guards = self.sources.map(Tensor::storage_and_layout);
        let mut sources = [DeviceRows::NONE; N];
        for (rows, (storage, layout)) in sources.iter_mut().zip(&guards) {
            *rows = in_storage(Rows::of((), layout, O::NAME)?, begin(storage)?);
        }
        let destination = in_storage(Rows::of_destination(self.layout, O::NAME)?, destination);
        self.op.launch(on, destination, sources).map_err(|error| {
            self.failure.set(Some(error));
            candle_core::Error::Msg(format!("{} failed", O::NAME))
        })
    }
}

impl<const N: usize, O: BlockOp<N>> InplaceOp1 for Adapter<'_, N, O> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, _: &Layout) -> candle_core::Result<()> {
        #[cfg(feature = "emulation")]
        if let (true, CpuStorage::F32(data)) = (crate::cuda::Context::current().emulate, &mut *storage) {
            return self.launch(&Executor::Emulation, data.as_mut_ptr() as u64, emulated);
        }
        match storage {
            CpuStorage::F32(data) => self.run(data),
            // What checks compare with. Nobody trains in it, and the kernels would take twice their room.
            #[cfg(any(test, feature = "testing", device))]
            CpuStorage::F64(data) => self.run(data),
            other => candle_core::bail!(
                "{}: no kernel for {:?}",
                O::NAME,
                candle_core::backend::BackendStorage::dtype(other)
            ),
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, storage: &mut candle_core::CudaStorage, _: &Layout) -> candle_core::Result<()> {
        let gpu = crate::cuda::gpu::of(storage)?;
        self.launch(&Executor::Gpu(&gpu), crate::cuda::on_card(storage)?, on_gpu)
    }
}

/// Where a storage begins that the emulation reads.
#[cfg(feature = "emulation")]
pub(super) fn emulated(storage: &Storage) -> candle_core::Result<u64> {
    match storage {
        Storage::Cpu(CpuStorage::F32(data)) => Ok(data.as_ptr() as u64),
        _ => candle_core::bail!("a source is not f32 on the CPU"),
    }
}

/// Where a storage begins that a card reads.
#[cfg(feature = "cuda")]
pub(super) fn on_gpu(storage: &Storage) -> candle_core::Result<u64> {
    match storage {
        Storage::Cuda(storage) => crate::cuda::on_card(storage),
        _ => candle_core::bail!("a source is not on the GPU"),
    }
}

/// Rows of f32 in a storage that begins at `address`.
pub(super) fn in_storage(rows: Rows<()>, address: u64) -> DeviceRows {
    let stride = if rows.count == 1 { 0 } else { rows.stride };
    DeviceRows { address: address + 4 * rows.start as u64, stride, count: rows.count, len: rows.len }
}
