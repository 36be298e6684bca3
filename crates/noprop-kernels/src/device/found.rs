//! The GPUs of this machine, and which of them a user's choice means.

use super::card::{Card, first_usable, one_kind, usable};
use super::choice::{DeviceChoice, Devices};
use crate::error::Result;

impl DeviceChoice {
    /// Looks for what was asked for. `auto` never fails.
    ///
    /// # Errors
    /// [`Code::Device`](crate::Code::Device) for GPUs that are not there or cannot be used, and in a build without the feature `cuda`;
    /// [`Code::CudaDriver`](crate::Code::CudaDriver) and [`Code::CudaDriverOld`](crate::Code::CudaDriverOld) when there can be none.
    pub fn resolve(&self) -> Result<Devices> {
        self.resolve_or_why().map(|(devices, _)| devices)
    }

    /// [`resolve`](Self::resolve), and where `auto` takes the processor, why, in one line.
    pub fn resolve_or_why(&self) -> Result<(Devices, Option<String>)> {
        let devices = match self {
            Self::Cpu => Devices::Cpu,
            Self::Auto => match first_usable(cards()) {
                Ok(gpu) => Devices::Gpus(vec![gpu]),
                Err(why) => return Ok((Devices::Cpu, Some(why))),
            },
            Self::Cuda(gpus) => self.gpus(Some(gpus))?,
            Self::AllCuda => self.gpus(None)?,
            #[cfg(feature = "emulation")]
            Self::Emulated(count) => Devices::Emulated(*count),
        };
        Ok((devices, None))
    }

    fn gpus(&self, asked: Option<&[usize]>) -> Result<Devices> {
        let cards = cards()?;
        let gpus = asked.map_or_else(|| (0..cards.len()).collect(), <[usize]>::to_vec);
        gpus.iter().try_for_each(|gpu| usable(&cards, *gpu))?;
        one_kind(&cards, &gpus)?;
        Ok(Devices::Gpus(gpus))
    }
}

/// Every GPU that the driver shows, by number.
///
/// # Errors
/// [`Code::Device`](crate::Code::Device) without a GPU, and in a build without the feature `cuda`; [`Code::CudaDriver`](crate::Code::CudaDriver) without a driver that
/// runs, [`Code::CudaDriverOld`](crate::Code::CudaDriverOld).
pub fn cards() -> Result<Vec<Card>> {
    #[cfg(feature = "cuda")]
    return crate::cuda::gpu::cards();
    #[cfg(not(feature = "cuda"))]
    Err(crate::Error::new(crate::Code::Device, "no GPU can be used")
        .received("this build of noprop has no CUDA code")
        .hint("build it with the feature `cuda`"))
}

/// [`cards`], each of them tried: memory is taken, a kernel is launched, recorded and replayed, and its result compared.
///
/// # Errors
/// As [`cards`].
pub fn tried_cards() -> Result<Vec<Card>> {
    #[cfg_attr(not(feature = "cuda"), allow(unused_mut))]
    let mut cards = cards()?;
    #[cfg(feature = "cuda")]
    for (ordinal, card) in cards.iter_mut().enumerate().filter(|(_, card)| card.usable) {
        if let Err(error) = super::trial::try_out(ordinal) {
            (card.usable, card.reason) = (false, error.to_string());
        }
    }
    Ok(cards)
}

#[cfg(all(test, not(feature = "cuda")))]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn without_cuda_code_only_the_processor_serves() {
        for choice in [DeviceChoice::Auto, DeviceChoice::Cpu] {
            assert_eq!(choice.resolve().unwrap(), Devices::Cpu);
        }
        for choice in [DeviceChoice::Cuda(vec![0]), DeviceChoice::AllCuda] {
            let error = choice.resolve().unwrap_err();
            assert_eq!(error.code, Code::Device);
        }
        let (devices, why) = DeviceChoice::Auto.resolve_or_why().unwrap();
        assert_eq!((devices, why.unwrap().contains("no CUDA code")), (Devices::Cpu, true));
        assert_eq!(DeviceChoice::Cpu.resolve_or_why().unwrap(), (Devices::Cpu, None));
        assert!(cards().unwrap_err().received.contains("no CUDA code"));
    }
}
