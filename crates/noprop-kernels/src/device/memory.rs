//! Memory of a device that its driver may refuse.

use crate::error::{Code, Error, Result};
use candle_core::Device;

/// The outcome of taking `bytes` of a device's memory. Where there is too little it says how much was asked for, and how much
/// there is.
pub fn allocated<T>(device: &Device, bytes: usize, outcome: candle_core::Result<T>) -> Result<T> {
    outcome.map_err(|error| {
        let error = Error::from(error);
        if error.code == Code::DeviceMemory { out_of_memory(bytes, memory(device)) } else { error }
    })
}

/// Free and total memory of a GPU in bytes.
fn memory(device: &Device) -> Option<(usize, usize)> {
    #[cfg(feature = "cuda")]
    return crate::cuda::gpu::Gpu::on(device).and_then(|gpu| gpu.memory()).ok();
    #[cfg(not(feature = "cuda"))]
    {
        let _ = device;
        None
    }
}

fn out_of_memory(asked: usize, memory: Option<(usize, usize)>) -> Error {
    let mib = |bytes: usize| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let error = Error::new(Code::DeviceMemory, "the GPU does not have enough free memory")
        .expected(format!("{} more", mib(asked)))
        .hint("train with fewer blocks in flight (inFlight), a smaller batch, or nothing else on the GPU");
    match memory {
        Some((free, total)) => error.received(format!("{} free of {}", mib(free), mib(total))),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_memory_is_told_in_numbers() {
        let error = out_of_memory(3 << 29, Some((1 << 20, 80 << 30)));
        assert_eq!((error.code, error.expected.as_str()), (Code::DeviceMemory, "1536.0 MiB more"));
        assert_eq!(error.received, "1.0 MiB free of 81920.0 MiB");
        assert!(error.hint.contains("fewer blocks in flight"));
        // Any other failure stays what it was.
        let failed = allocated::<()>(&Device::Cpu, 8, Err(candle_core::Error::Msg("other".to_owned())));
        assert_eq!(failed.unwrap_err().code, Code::Internal);
    }
}
