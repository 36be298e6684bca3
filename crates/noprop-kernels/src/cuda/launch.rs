//! What a launch is, and what runs it.

use super::{Address, Context, DeviceStep, Multiply};
use crate::error::{Code, Error, Result};
use candle_core::Device;

/// The arguments of a kernel: plain data, laid out as the struct of the same name in its `.cu`.
///
/// # Safety
/// The type must be `#[repr(C)]` without padding that the kernel would read, and its addresses must be valid on the device
/// while the kernel runs.
pub unsafe trait Arguments: Copy {}

/// One launch of a kernel.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a, A> {
    /// Name of the kernel.
    pub kernel: &'a str,
    /// Blocks of threads.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub threads: u32,
    /// Dynamic shared memory of a block, in bytes.
    pub shared: u32,
    /// What the kernel is given.
    pub arguments: A,
}

/// Where launches run.
#[derive(Clone, Copy)]
pub enum Executor<'a> {
    /// On the processor.
    #[cfg(feature = "emulation")]
    Emulation,
    /// On a card.
    #[cfg(feature = "cuda")]
    Gpu(&'a super::gpu::Gpu),
    /// Never made: keeps the lifetime where there is no card.
    #[allow(dead_code)]
    Nowhere(std::marker::PhantomData<&'a ()>, std::convert::Infallible),
}

impl Executor<'_> {
    /// Hands `work` what runs kernels on tensors of `device`: a card, or the emulation for the processor.
    pub fn with<R>(device: &Device, work: impl FnOnce(&Executor<'_>) -> Result<R>) -> Result<R> {
        match device {
            #[cfg(feature = "emulation")]
            Device::Cpu => work(&Executor::Emulation),
            #[cfg(feature = "cuda")]
            Device::Cuda(_) => work(&Executor::Gpu(&super::gpu::Gpu::on(device)?)),
            _ => Err(Error::new(Code::Internal, format!("no kernels run on {device:?}"))),
        }
    }

    /// Runs a kernel, or puts it into the device's stream.
    pub fn launch<A: Arguments>(&self, launch: Launch<'_, A>) -> Result<()> {
        if launch.grid.contains(&0) {
            return Ok(());
        }
        match self {
            #[cfg(feature = "emulation")]
            Self::Emulation => super::emulation::launch(&launch),
            #[cfg(feature = "cuda")]
            Self::Gpu(gpu) => gpu.launch(&launch),
            Self::Nowhere(_, never) => match *never {},
        }
    }

    /// Room for `values` f32 until the end of the operation that asks: the next one gets the same. What lies there is
    /// unspecified. Its place never changes, so a recorded step may use it.
    pub fn scratch(&self, values: usize) -> Result<Address> {
        match self {
            #[cfg(feature = "emulation")]
            Self::Emulation => super::emulation::scratch(values),
            #[cfg(feature = "cuda")]
            Self::Gpu(gpu) => gpu.scratch(values),
            Self::Nowhere(_, never) => {
                let _ = values;
                match *never {}
            }
        }
    }

    /// What products and convolutions multiply.
    pub fn multiply(&self) -> Multiply {
        Context::current().multiply
    }

    /// Where the values of the running training step lie.
    pub fn step(&self) -> Result<DeviceStep> {
        Context::current().step()
    }
}

/// f32 of the buffer that serves an operation which asks for `values`: few sizes, so that operations share buffers.
pub(super) fn scratch_class(values: usize) -> usize {
    const LEAST: usize = 1 << 18;
    values.next_power_of_two().max(LEAST)
}

/// ⌈len / part⌉ as a number of blocks of threads.
pub fn ceil_div(len: usize, part: usize) -> u32 {
    u32::try_from(len.div_ceil(part)).expect("sizes are checked to be far below 2^32 blocks")
}
