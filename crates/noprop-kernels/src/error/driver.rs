//! The driver's errors as ours.

use crate::cuda::recording::note_broken;
use crate::error::{Code, Error};
use candle_core::cuda_backend::CudaError;
use candle_core::cuda_backend::cudarc::driver::DriverError;
use candle_core::cuda_backend::cudarc::driver::sys::CUresult;

/// An error of the driver, with what could not be done because of it.
pub(crate) fn of_driver(error: DriverError, what: &str) -> Error {
    use CUresult as R;
    if breaks_recordings(error.0) {
        note_broken();
    }
    let (code, hint) = match error.0 {
        R::CUDA_ERROR_OUT_OF_MEMORY => (Code::DeviceMemory, OUT_OF_MEMORY),
        R::CUDA_ERROR_STUB_LIBRARY => (
            Code::CudaDriver,
            "the libcuda.so.1 that was found is for linking only: install NVIDIA's driver, or correct LD_LIBRARY_PATH",
        ),
        R::CUDA_ERROR_SYSTEM_DRIVER_MISMATCH => {
            (Code::CudaDriver, "the driver's library and its kernel module differ: restart the machine")
        }
        R::CUDA_ERROR_SYSTEM_NOT_READY => {
            (Code::CudaDriver, "the driver's services do not run yet: start nvidia-fabricmanager")
        }
        R::CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER
        | R::CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE
        | R::CUDA_ERROR_UNSUPPORTED_PTX_VERSION => (Code::CudaDriverOld, NEWER_DRIVER),
        R::CUDA_ERROR_NO_DEVICE => (
            Code::Device,
            "the driver runs but shows no GPU: `nvidia-smi -L` lists them; look at CUDA_VISIBLE_DEVICES, and in a container at --gpus",
        ),
        R::CUDA_ERROR_NO_BINARY_FOR_GPU => {
            (Code::Device, "noprop's kernels need a GPU of compute capability 8.0 or newer")
        }
        error if lasts(error) => (Code::Device, RESTART),
        R::CUDA_ERROR_DEVICE_UNAVAILABLE | R::CUDA_ERROR_CONTEXT_ALREADY_IN_USE => {
            (Code::Device, "another process has the GPU to itself: `nvidia-smi` names it")
        }
        _ => {
            (Code::Device, "`nvidia-smi` and the kernel's log (`dmesg`) tell more; `device: 'cpu'` works without a GPU")
        }
    };
    Error::new(code, what).received(text(error)).hint(hint)
}

/// Whether the driver answers this to everything from then on, until the process ends (CUDA Driver API, `CUresult`: "leaves the
/// process in an inconsistent state").
fn lasts(error: CUresult) -> bool {
    use CUresult as R;
    matches!(
        error,
        R::CUDA_ERROR_ECC_UNCORRECTABLE
            | R::CUDA_ERROR_NVLINK_UNCORRECTABLE
            | R::CUDA_ERROR_CONTAINED
            | R::CUDA_ERROR_ILLEGAL_ADDRESS
            | R::CUDA_ERROR_LAUNCH_TIMEOUT
            | R::CUDA_ERROR_ASSERT
            | R::CUDA_ERROR_HARDWARE_STACK_ERROR
            | R::CUDA_ERROR_ILLEGAL_INSTRUCTION
            | R::CUDA_ERROR_MISALIGNED_ADDRESS
            | R::CUDA_ERROR_INVALID_ADDRESS_SPACE
            | R::CUDA_ERROR_INVALID_PC
            | R::CUDA_ERROR_LAUNCH_FAILED
            | R::CUDA_ERROR_TENSOR_MEMORY_LEAK
    )
}

/// Whether the driver says so of a recording that something else on the card has broken.
fn breaks_recordings(error: CUresult) -> bool {
    use CUresult as R;
    matches!(
        error,
        R::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED
            | R::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
            | R::CUDA_ERROR_STREAM_CAPTURE_IMPLICIT
    )
}

const RESTART: &str = "restart the process: until it ends the driver refuses everything else with the same error. Training goes on from its checkpoints; `nvidia-smi -q -d ECC` and the kernel's log (`dmesg`) tell of faults of the GPU";
pub(crate) const NEWER_DRIVER: &str = "install a newer NVIDIA driver (580 or newer has CUDA 13.0)";
const OUT_OF_MEMORY: &str =
    "train with fewer blocks in flight (`inFlight`), a smaller batch, or nothing else on the GPU";

/// `CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected`.
fn text(error: DriverError) -> String {
    let name = format!("{:?}", error.0);
    match error.error_string() {
        Ok(text) => format!("{name}: {}", text.to_string_lossy()),
        Err(_) => name,
    }
}

/// The error that a failure of candle's CUDA side is, if it is one.
pub(crate) fn of_candle(error: &candle_core::Error) -> Option<Error> {
    use candle_core::Error as Candle;
    match error {
        Candle::WithBacktrace { inner, .. } | Candle::Context { inner, .. } | Candle::WithPath { inner, .. } => {
            of_candle(inner)
        }
        Candle::Cuda(error) => Some(match error.downcast_ref() {
            Some(CudaError::Cuda(error)) => match error.0 {
                CUresult::CUDA_ERROR_OUT_OF_MEMORY => of_driver(*error, "the GPU has not enough free memory"),
                _ => of_driver(*error, "the GPU failed"),
            },
            Some(other) => Error::new(Code::Device, "the GPU failed").received(other.to_string()),
            None => Error::new(Code::Device, "the GPU failed").received(error.to_string()),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_last_say_that_the_process_must_be_restarted() {
        use CUresult as R;
        let lasting = [
            (214, R::CUDA_ERROR_ECC_UNCORRECTABLE),
            (700, R::CUDA_ERROR_ILLEGAL_ADDRESS),
            (714, R::CUDA_ERROR_HARDWARE_STACK_ERROR),
            (715, R::CUDA_ERROR_ILLEGAL_INSTRUCTION),
            (716, R::CUDA_ERROR_MISALIGNED_ADDRESS),
            (717, R::CUDA_ERROR_INVALID_ADDRESS_SPACE),
            (718, R::CUDA_ERROR_INVALID_PC),
            (719, R::CUDA_ERROR_LAUNCH_FAILED),
        ];
        for (number, error) in lasting {
            assert_eq!(error as u32, number);
            assert!(lasts(error));
        }
        for error in [R::CUDA_ERROR_OUT_OF_MEMORY, R::CUDA_ERROR_INVALID_VALUE, R::CUDA_ERROR_NOT_FOUND] {
            assert!(!lasts(error));
        }
    }
}
