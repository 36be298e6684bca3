//! What runs launches: a card, or its emulation.

use super::address::Address;
use super::context::Context;
use super::launch::{Arguments, Launch, check_grid};
use super::multiply::Multiply;
use super::step::DeviceStep;
use crate::error::{Code, Error, Result};
use candle_core::Device;

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
    #[cfg_attr(not(device), allow(unused_variables))]
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

#[cfg(all(test, feature = "emulation"))]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct NoArguments;

    // SAFETY: no kernel is reached.
    unsafe impl Arguments for NoArguments {}

    #[test]
    fn a_grid_that_no_card_takes_is_refused_by_the_emulation_too() {
        let launch = |grid| {
            Executor::Emulation.launch(Launch { kernel: "none", grid, threads: 1, shared: 0, arguments: NoArguments })
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
