//! Kernels on a card, on candle's stream.
//!
//! A device that [`open`] gives has one stream of its own. Everything of a run goes through it in order, so nothing waits for
//! events, and a step can be recorded as a [`Graph`]. Two runs on one card have two streams.
//!
//! | file | what it holds |
//! |---|---|
//! | `kernels.rs` | the fat binary, its functions, and what is checked before one is launched |
//! | `graph.rs` | recording and replaying |
//! | `scratch.rs` | memory for the length of one operation |
//! | `devices.rs` | the cards of this machine, and whether each can be used |
//! | `opened.rs` | the devices that have been opened, which live as long as the process |

mod devices;

mod graph;
mod kernels;
mod opened;
mod scratch;

pub(crate) use devices::cards;

pub use graph::Graph;

use super::address::{Address, address_of};
use super::launch::{Arguments, Launch};
use crate::device::usable;
use crate::error::driver::of_driver;
use crate::error::{Code, Error, Result};
use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::sys::CUevent_flags;
use candle_core::cuda_backend::cudarc::driver::{CudaEvent, CudaStream, DeviceRepr, result};
use candle_core::{CudaDevice, CudaStorage, Device, Tensor, WithDType};
use kernels::Kernels;
use std::ffi::c_void;
use std::sync::Arc;

/// Opens a card by its number, with a stream of its own; the card is free again for another when everything is dropped that
/// belongs to the device.
///
/// # Errors
/// [`Code::CudaDriver`], [`Code::CudaDriverOld`], [`Code::Device`] for a card that is not there or cannot be used,
/// [`Code::DeviceMemory`].
pub fn open(ordinal: usize) -> Result<Device> {
    usable(&cards()?, ordinal)?;
    opened::open(ordinal)
}

/// A place in a stream.
pub(crate) struct Event(CudaEvent);

impl Event {
    /// Waits until the card has come there, without keeping a core busy.
    pub(crate) fn wait(&self) -> Result<()> {
        self.0.synchronize().map_err(|error| of_driver(error, "the GPU failed"))
    }
}

/// A card's stream and the kernels for it.
pub struct Gpu {
    stream: Arc<CudaStream>,
    kernels: Arc<Kernels>,
}

/// The card on which a storage lies.
pub(crate) fn of(storage: &CudaStorage) -> candle_core::Result<Gpu> {
    Gpu::new(storage.device())
}

impl Gpu {
    /// The stream and kernels of a device of candle.
    fn new(device: &CudaDevice) -> candle_core::Result<Self> {
        let stream = device.cuda_stream();
        let kernels = Kernels::of(stream.context()).map_err(candle_core::Error::wrap)?;
        Ok(Self { stream, kernels })
    }

    /// The card behind a device.
    ///
    /// # Errors
    /// [`Code::Device`] for the processor, and for a card that the kernels were not compiled for.
    pub fn on(device: &Device) -> Result<Self> {
        match device {
            Device::Cuda(device) => Ok(Self::new(device)?),
            _ => Err(Error::new(Code::Device, "the processor is not a GPU")),
        }
    }

    /// Puts a kernel into the stream; returns before it has run.
    pub(crate) fn launch<A: Arguments>(&self, launch: &Launch<'_, A>) -> Result<()> {
        let function = self.kernels.function(launch.kernel, launch.threads, launch.shared, size_of::<A>())?;
        self.bind()?;
        let [x, y, z] = launch.grid;
        let mut parameters = [(&raw const launch.arguments).cast_mut().cast::<c_void>()];
        // SAFETY: the kernel takes one parameter of the size of `A` (`function` compared them), which the driver copies
        // before it returns; its addresses are valid by the contract of `Arguments`.
        let outcome = unsafe {
            let stream = self.stream.cu_stream();
            let threads = (launch.threads, 1, 1);
            result::launch_kernel(function, (x, y, z), threads, launch.shared, stream, &mut parameters)
        };
        outcome.map_err(|error| of_driver(error, &format!("kernel {} cannot be launched", launch.kernel)))
    }

    /// See [`Executor::scratch`](super::Executor::scratch). All operations of the stream run in order, so they share it.
    pub(crate) fn scratch(&self, values: usize) -> Result<Address> {
        scratch::of(&self.stream, values)
    }

    /// Copies values into a contiguous tensor that is there already. They are read before this returns.
    ///
    /// # Errors
    /// [`Code::Internal`] for a tensor of another type or length, [`Code::Device`].
    pub(crate) fn write<T: WithDType + DeviceRepr>(&self, tensor: &Tensor, values: &[T]) -> Result<()> {
        let address = Self::whole::<T>(tensor, values.len())?;
        self.bind()?;
        // SAFETY: `whole` checked that so many values lie there; the source is pageable (noprop pins no memory), so the driver
        // takes its copy before it returns.
        let outcome = unsafe { result::memcpy_htod_async(address, values, self.stream.cu_stream()) };
        outcome.map_err(|error| of_driver(error, "values cannot be copied to the GPU"))
    }

    /// Copies a contiguous tensor into `values`, after everything that the stream holds.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub(crate) fn read<T: WithDType + DeviceRepr>(&self, tensor: &Tensor, values: &mut [T]) -> Result<()> {
        let address = Self::whole::<T>(tensor, values.len())?;
        self.bind()?;
        // SAFETY: `whole` checked that so many values lie there; `values` stays borrowed until the stream has done the copy.
        let outcome = unsafe { result::memcpy_dtoh_async(values, address, self.stream.cu_stream()) };
        let outcome = outcome.and_then(|()| self.stream.synchronize());
        outcome.map_err(|error| of_driver(error, "values cannot be copied from the GPU"))
    }

    /// Copies one contiguous tensor of f32 to another as fast as the card can; returns before it is done.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub(crate) fn copy(&self, to: &Tensor, from: &Tensor) -> Result<()> {
        let len = to.elem_count();
        let (to, from) = (Self::whole::<f32>(to, len)?, Self::whole::<f32>(from, len)?);
        self.bind()?;
        // SAFETY: `whole` checked that `len` values lie at both places; kernels and copies of the stream run in order.
        let outcome = unsafe { result::memcpy_dtod_async(to, from, len * size_of::<f32>(), self.stream.cu_stream()) };
        outcome.map_err(|error| of_driver(error, "values cannot be copied on the GPU"))
    }

    /// Marks the place behind everything in the stream.
    pub(crate) fn mark(&self) -> Result<Event> {
        let event = self.stream.record_event(Some(CUevent_flags::CU_EVENT_BLOCKING_SYNC));
        event.map(Event).map_err(|error| of_driver(error, "a place in the GPU's queue cannot be marked"))
    }

    /// Waits for everything in the stream; errors of kernels arrive here.
    ///
    /// # Errors
    /// [`Code::Device`].
    pub fn synchronize(&self) -> Result<()> {
        self.stream.synchronize().map_err(|error| of_driver(error, "the GPU failed"))
    }

    /// Free and total memory of the card in bytes. Waits for the stream: what is given back is free only once the stream has
    /// come there; and hands what the driver keeps for this process back to the system.
    ///
    /// # Errors
    /// [`Code::Device`].
    pub fn memory(&self) -> Result<(usize, usize)> {
        self.give_back()?;
        self.stream.context().mem_get_info().map_err(|error| of_driver(error, "the GPU does not tell its memory"))
    }

    /// Waits for the stream and hands memory that is not used back to the system, for other processes.
    ///
    /// # Errors
    /// [`Code::Device`].
    pub(crate) fn give_back(&self) -> Result<()> {
        self.synchronize()?;
        opened::trim(self.stream.context()).map_err(|error| of_driver(error, "the GPU does not take its memory back"))
    }

    /// Records what `work` puts into the stream, without running it. `work` must have run once before, since kernels are
    /// loaded and scratch memory is taken at their first launch; and it must not wait for the stream, copy from or to the host,
    /// nor make or drop tensors. `None` where somebody else on the card has broken the recording: nothing is wrong with the work,
    /// which may be launched, and recorded another time. After that, and after an error, the stream is as it was before.
    ///
    /// # Errors
    /// Those of `work`; [`Code::Internal`] if it does something besides launching kernels, [`Code::Device`].
    pub fn record(&self, work: impl FnOnce() -> Result<()>) -> Result<Option<Graph>> {
        Graph::record(&self.stream, work)
    }

    /// A context belongs to a thread, and a run's threads change.
    fn bind(&self) -> Result<()> {
        self.stream
            .context()
            .bind_to_thread()
            .map_err(|error| of_driver(error, "the GPU cannot be used by this thread"))
    }

    fn whole<T: WithDType>(tensor: &Tensor, len: usize) -> Result<Address> {
        if tensor.dtype() != T::DTYPE
            || tensor.elem_count() != len
            || !tensor.is_contiguous()
            || !tensor.device().is_cuda()
        {
            return Err(Error::new(Code::Internal, "a copy between a tensor and values that do not match")
                .expected(format!("{len} values of {:?}, contiguous, on a GPU", T::DTYPE))
                .received(format!("{} of {:?}", tensor.elem_count(), tensor.dtype())));
        }
        address_of(tensor)
    }
}
