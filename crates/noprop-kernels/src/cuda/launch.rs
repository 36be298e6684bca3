//! What a launch is, and what runs it.

use super::{Address, Context, DeviceStep, Multiply};
use crate::error::{Code, Error, Result};
use candle_core::Device;

/// The arguments of a kernel: plain data, laid out as the struct of the same name in its `.cu`.
///
/// # Safety
/// The type must be `#[repr(C)]` without padding that the kernel would read, and its addresses must be valid on the device
/// while the kernel runs.
pub unsafe trait Arguments: Copy {
    /// Of a product, whether each of its factors is read four values at once.
    #[cfg(all(any(test, feature = "testing"), feature = "emulation"))]
    fn in_fours(&self) -> Vec<bool> {
        Vec::new()
    }
}

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
        check_grid(launch.kernel, launch.grid)?;
        match self {
            #[cfg(feature = "emulation")]
            Self::Emulation => super::emulation::launch(&launch),
            #[cfg(feature = "cuda")]
            Self::Gpu(gpu) => gpu.launch(&launch),
            Self::Nowhere(_, never) => match *never {},
        }
    }

    /// Waits until everything is done that was asked; errors of kernels arrive here.
    pub fn synchronize(&self) -> Result<()> {
        match self {
            #[cfg(feature = "emulation")]
            Self::Emulation => Ok(()),
            #[cfg(feature = "cuda")]
            Self::Gpu(gpu) => gpu.synchronize(),
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

/// Most blocks of threads of a grid in each direction, on every card (CUDA C++ Programming Guide, table "Technical
/// Specifications per Compute Capability").
const MOST_BLOCKS: [u32; 3] = [(1 << 31) - 1, 65_535, 65_535];

/// Refuses a grid that no card takes. The last two directions are parts of a product and blocks that run together.
fn check_grid(kernel: &str, grid: [u32; 3]) -> Result<()> {
    if grid.iter().zip(MOST_BLOCKS).all(|(blocks, most)| *blocks <= most) {
        return Ok(());
    }
    let [x, y, z] = MOST_BLOCKS;
    Err(Error::new(Code::DeviceMemory, format!("kernel {kernel}: a step is too large for the GPU"))
        .expected(format!("a grid of at most {x} x {y} x {z} blocks of threads"))
        .received(grid.map(|blocks| blocks.to_string()).join(" x "))
        .hint("use a smaller batch, or fewer blocks in flight (inFlight)"))
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

#[cfg(all(test, feature = "emulation"))]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Nothing;

    // SAFETY: no kernel is reached.
    unsafe impl Arguments for Nothing {}

    #[test]
    fn a_grid_that_no_card_takes_is_refused_by_the_emulation_too() {
        let launch = |grid| {
            Executor::Emulation.launch(Launch { kernel: "none", grid, threads: 1, shared: 0, arguments: Nothing })
        };
        for grid in [[1 << 31, 1, 1], [u32::MAX, 1, 1], [1, 65_536, 1], [1, 1, 65_536]] {
            let error = launch(grid).unwrap_err();
            assert_eq!(error.code, Code::DeviceMemory, "{grid:?}");
            assert_eq!(error.received, grid.map(|blocks| blocks.to_string()).join(" x "));
        }
        // The largest that are taken come as far as the kernel, which there is not.
        for grid in [[(1 << 31) - 1, 1, 1], [1, 65_535, 65_535]] {
            assert_eq!(launch(grid).unwrap_err().code, Code::Internal, "{grid:?}");
        }
    }
}
