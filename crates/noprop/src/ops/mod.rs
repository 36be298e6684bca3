//! The operations of a training step, one folder each: `mod.rs` states shapes and dispatches, `reference.rs` is the
//! plain definition, `cpu.rs` the fast path that is tested against it.
//!
//! An operation writes one destination, a [`Buffer`], and reads any number of other tensors. Every tensor has a leading
//! dimension K, the blocks that run together; a source whose K is 1 is shared by all of them. `f32` takes the fast path,
//! `f64` the reference, so a whole block can be checked by finite differences in double precision.

// Loops over indices are what the compiler unrolls into registers; see `tile`.
#![allow(clippy::needless_range_loop)]

pub mod adamw;
pub mod add;
pub mod batch_norm;
pub mod conv3x3;
pub mod dense;
pub mod dense_backward;
pub mod dropout;
pub mod linear;
pub mod multiply;
pub mod profile;
pub mod relu;
pub mod sampler;
pub mod simd;
pub mod softmax;
pub mod squared_error;

mod buffer;
mod scratch;
#[cfg(test)]
pub(crate) mod testing;
mod tile;
mod transpose;

pub use buffer::Buffer;

#[cfg(device)]
use crate::cuda::{DeviceRows, Executor};
use crate::error::{Code, Error, Result};
use candle_core::{CpuStorage, InplaceOp1, Layout, Storage, Tensor};
use num_traits::{Float, NumAssign};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that long work polls between and inside operations.
#[derive(Debug, Clone, Default)]
pub struct StopFlag {
    raised: Arc<AtomicBool>,
    /// How often it was polled, and the poll that raises it, if one does.
    #[cfg(test)]
    polls: Arc<(std::sync::atomic::AtomicUsize, Option<usize>)>,
}

impl StopFlag {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// A flag that the poll of this number (from 1) finds raised.
    #[cfg(test)]
    pub(crate) fn raised_by(poll: usize) -> Self {
        Self { polls: Arc::new((Default::default(), Some(poll))), ..Self::default() }
    }

    /// How often it was polled.
    #[cfg(test)]
    pub(crate) fn polls(&self) -> usize {
        self.polls.0.load(Ordering::SeqCst)
    }

    /// Asks the work to stop. Returns at once.
    pub fn stop(&self) {
        self.raised.store(true, Ordering::Relaxed);
    }

    /// Whether the work has been asked to stop.
    pub fn is_stopped(&self) -> bool {
        #[cfg(test)]
        if Some(self.polls.0.fetch_add(1, Ordering::SeqCst) + 1) == self.polls.1 {
            self.stop();
        }
        self.raised.load(Ordering::Relaxed)
    }

    /// [`Code::Cancelled`] once the work has been asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.is_stopped() { Err(Error::cancelled()) } else { Ok(()) }
    }
}

/// The element types of the operations: `f32` for work, `f64` for checks.
pub trait Real: Float + NumAssign + Send + Sync + std::fmt::Debug + 'static {
    /// The value nearest to `value`.
    fn of(value: f64) -> Self;
    /// `Some` for `f32`, which has fast paths.
    fn f32s(slice: &[Self]) -> Option<&[f32]>;
    /// `Some` for `f32`, which has fast paths.
    fn f32s_mut(slice: &mut [Self]) -> Option<&mut [f32]>;
    /// The elements of a tensor of this type.
    fn slice(storage: &CpuStorage) -> candle_core::Result<&[Self]>;
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
    fn f32s(slice: &[Self]) -> Option<&[f32]> {
        Some(slice)
    }
    fn f32s_mut(slice: &mut [Self]) -> Option<&mut [f32]> {
        Some(slice)
    }
    fn slice(storage: &CpuStorage) -> candle_core::Result<&[Self]> {
        storage.as_slice()
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }
    fn f32s(_: &[Self]) -> Option<&[f32]> {
        None
    }
    fn f32s_mut(_: &mut [Self]) -> Option<&mut [f32]> {
        None
    }
    fn slice(storage: &CpuStorage) -> candle_core::Result<&[Self]> {
        storage.as_slice()
    }
}

/// An operation as one block sees it; [`apply`] repeats it over the blocks that run together.
pub(crate) trait BlockOp<const N: usize> {
    const NAME: &'static str;
    /// Computes `destination` of the k-th of the blocks that run together from its `sources`.
    fn block<T: Real>(&self, k: usize, destination: &mut [T], sources: [&[T]; N]) -> Result<()>;
    /// The same for all blocks that run together, by CUDA kernels. f32 alone.
    #[cfg(device)]
    fn launch(&self, on: &Executor<'_>, destination: DeviceRows, sources: [DeviceRows; N]) -> Result<()> {
        let _ = (on, destination, sources);
        Err(Error::new(Code::Internal, format!("operation {} has no CUDA kernel", Self::NAME)))
    }
}

/// The cases that compare each operation's kernels with its reference, by name: of those with products, or of all.
#[cfg(device)]
pub(crate) fn parity(all: bool) -> Vec<(&'static str, crate::cuda::parity::Cases)> {
    let mut operations: Vec<(_, crate::cuda::parity::Cases)> = vec![
        ("conv3x3", conv3x3::parity),
        ("dense", dense::parity),
        ("dense_backward", dense_backward::parity),
        ("linear", linear::parity),
    ];
    if all {
        operations.extend([
            ("adamw", adamw::parity as crate::cuda::parity::Cases),
            ("add", add::parity),
            ("batch_norm", batch_norm::parity),
            ("dropout", dropout::parity),
            ("relu", relu::parity),
            ("sampler", sampler::parity),
            ("softmax", softmax::parity),
            ("squared_error", squared_error::parity),
        ]);
    }
    operations
}

/// Whether operations on this destination are launched as kernels.
#[cfg(device)]
pub(crate) fn on_device(destination: &Buffer) -> bool {
    let emulated = destination.dtype() == candle_core::DType::F32 && crate::cuda::Context::current().emulate;
    !destination.device().is_cpu() || emulated
}

/// Runs `op` for every block: row k of `destination` from row k of each source (row 0 of a source with one row).
pub(crate) fn apply<const N: usize, O: BlockOp<N>>(op: &O, destination: &Buffer, sources: [&Tensor; N]) -> Result<()> {
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
            if let Err(error) = self.op.block(k, &mut destination[start..start + rows.len], sources) {
                self.failure.set(Some(error));
                candle_core::bail!("{} failed", O::NAME)
            }
        }
        Ok(())
    }
}

#[cfg(device)]
impl<const N: usize, O: BlockOp<N>> Adapter<'_, N, O> {
    /// Launches the operation on the rows of a destination and of sources whose storages begin at the addresses given.
    fn launch(
        &self,
        on: &Executor<'_>,
        destination: u64,
        source: impl Fn(&Storage) -> candle_core::Result<u64>,
    ) -> candle_core::Result<()> {
        let guards = self.sources.map(Tensor::storage_and_layout);
        let mut sources = [DeviceRows { address: 0, stride: 0, count: 0, len: 0 }; N];
        for (rows, (storage, layout)) in sources.iter_mut().zip(&guards) {
            *rows = Rows::of((), layout, O::NAME)?.on_device(source(storage)?);
        }
        let destination = Rows::of_destination(self.layout, O::NAME)?.on_device(destination);
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
            let address = data.as_mut_ptr() as u64;
            return self.launch(&Executor::Emulation, address, |storage| match storage {
                Storage::Cpu(CpuStorage::F32(data)) => Ok(data.as_ptr() as u64),
                _ => candle_core::bail!("{}: a source is not f32 on the CPU", O::NAME),
            });
        }
        match storage {
            CpuStorage::F32(data) => self.run(data),
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
        use crate::cuda::gpu;
        let gpu = gpu::of(storage)?;
        self.launch(&Executor::Gpu(&gpu), gpu::address(storage)?, |storage| match storage {
            Storage::Cuda(storage) => gpu::address(storage),
            _ => candle_core::bail!("{}: a source is not on the GPU", O::NAME),
        })
    }
}

/// The rows of a tensor `[K, …]` whose rows are contiguous.
#[derive(Clone, Copy, Default)]
struct Rows<D> {
    data: D,
    start: usize,
    stride: usize,
    count: usize,
    len: usize,
}

impl<D> Rows<D> {
    fn of(data: D, layout: &Layout, name: &str) -> candle_core::Result<Self> {
        let (dims, strides) = (layout.dims(), layout.stride());
        let mut expected = 1;
        for (dim, stride) in dims.iter().zip(strides).skip(1).rev() {
            if *dim != 1 && *stride != expected {
                candle_core::bail!("{name}: rows are not contiguous: {layout:?}")
            }
            expected *= dim;
        }
        let count = dims.first().copied().unwrap_or(1);
        Ok(Self {
            data,
            start: layout.start_offset(),
            stride: strides.first().copied().unwrap_or(0),
            count,
            len: expected,
        })
    }
}

impl Rows<()> {
    /// The rows of a destination, which must not overlap: contiguous rows do where the next begins inside of one. That is
    /// all that candle's own check would refuse, which sees only the first element of a [`Buffer`].
    fn of_destination(layout: &Layout, name: &str) -> candle_core::Result<Self> {
        let rows = Self::of((), layout, name)?;
        if rows.count > 1 && rows.stride < rows.len {
            candle_core::bail!("{name}: rows of the destination overlap: {layout:?}")
        }
        Ok(rows)
    }
}

#[cfg(device)]
impl Rows<()> {
    /// The same rows of f32 in a storage that begins at `address`.
    fn on_device(&self, address: u64) -> DeviceRows {
        let stride = if self.count == 1 { 0 } else { self.stride };
        DeviceRows { address: address + 4 * self.start as u64, stride, count: self.count, len: self.len }
    }
}

impl<'a, T> Rows<&'a [T]> {
    fn row(&self, k: usize) -> &'a [T] {
        let start = self.start + if self.count == 1 { 0 } else { k * self.stride };
        &self.data[start..start + self.len]
    }
}

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

/// A defect of this library, for shapes that configurations have already been checked for.
pub(crate) fn check(condition: bool, what: &str) -> Result<()> {
    if condition { Ok(()) } else { Err(Error::new(Code::Internal, format!("kernel contract broken: {what}"))) }
}
