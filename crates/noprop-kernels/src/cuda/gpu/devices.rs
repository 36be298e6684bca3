//! The cards of this machine, and whether each can be used.

use crate::device::Card;
use crate::error::driver::{NEWER_DRIVER, of_driver};
use crate::error::{Code, Error, Result};
use candle_core::cuda_backend::cudarc::driver::sys::{self, CUdevice_attribute as Attribute};
use candle_core::cuda_backend::cudarc::driver::{DriverError, result};

/// The release of CUDA that this was compiled with, as the driver counts: 13.0 is 13000.
const NEEDED: i32 = 13_000;
/// The oldest capability that the fat binary has code for.
const CAPABILITY: (i32, i32) = (8, 0);

/// The newest CUDA that the driver runs, as it counts: 13.0 is 13000.
///
/// # Errors
/// [`Code::CudaDriver`] without a driver.
pub(crate) fn driver_version() -> Result<i32> {
    let mut version = 0;
    // SAFETY: the place outlives the call.
    unsafe { sys::cuDriverGetVersion(&mut version) }.result().map_err(no_driver)?;
    Ok(version)
}

/// See [`crate::device::cards`].
pub(crate) fn cards() -> Result<Vec<Card>> {
    result::init().map_err(no_driver)?;
    let version = driver_version()?;
    if version < NEEDED {
        return Err(Error::new(Code::CudaDriverOld, "the NVIDIA driver is too old")
            .expected(format!("a driver for CUDA {}", release(NEEDED)))
            .received(format!("one for CUDA {}", release(version)))
            .hint(NEWER_DRIVER));
    }
    let count = result::device::get_count().map_err(no_driver)?;
    (0..count)
        .map(|ordinal| card(ordinal).map_err(|error| of_driver(error, "a GPU does not tell what it is")))
        .collect()
}

fn card(ordinal: i32) -> std::result::Result<Card, DriverError> {
    let device = result::device::get(ordinal)?;
    // SAFETY: `get` gave the device.
    let attribute = |attribute| unsafe { result::device::get_attribute(device, attribute) };
    let major = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    // SAFETY: `get` gave the device.
    let memory = unsafe { result::device::total_mem(device) }?;
    let prohibited = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_MODE)?
        == sys::CUcomputemode_enum::CU_COMPUTEMODE_PROHIBITED as i32;
    let reason = if (major, minor) < CAPABILITY {
        format!("its compute capability is {major}.{minor}, and the kernels need {}.{}", CAPABILITY.0, CAPABILITY.1)
    } else if prohibited {
        "its compute mode is \"prohibited\" (`nvidia-smi -c 0` changes it)".to_owned()
    } else {
        String::new()
    };
    Ok(Card {
        device: format!("cuda:{ordinal}"),
        name: result::device::get_name(device)?,
        capability: format!("{major}.{minor}"),
        memory,
        usable: reason.is_empty(),
        reason,
    })
}

fn no_driver(error: DriverError) -> Error {
    of_driver(error, "no GPU can be used")
}

/// `13.0` of 13000.
fn release(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}
