//! Where tensors lie in device memory.

use crate::error::{Code, Error, Result};
#[cfg(feature = "cuda")]
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, Storage, Tensor};

/// An address in device memory (the processor's own for the emulation).
pub type Address = u64;

/// Where a tensor's first element lies on its device.
pub fn address_of(tensor: &Tensor) -> Result<Address> {
    let (storage, layout) = tensor.storage_and_layout();
    let start = match &*storage {
        Storage::Cpu(CpuStorage::U8(data)) => data.as_ptr() as Address,
        Storage::Cpu(CpuStorage::U32(data)) => data.as_ptr() as Address,
        Storage::Cpu(CpuStorage::F32(data)) => data.as_ptr() as Address,
        Storage::Cpu(CpuStorage::F64(data)) => data.as_ptr() as Address,
        #[cfg(feature = "cuda")]
        Storage::Cuda(storage) => on_card(storage)?,
        _ => return Err(Error::new(Code::Internal, "a tensor that no kernel reads")),
    };
    Ok(start + (layout.start_offset() * tensor.dtype().size_in_bytes()) as Address)
}

/// Where a storage begins in the memory of a card.
#[cfg(feature = "cuda")]
pub(crate) fn on_card(storage: &candle_core::CudaStorage) -> candle_core::Result<Address> {
    use candle_core::cuda_backend::CudaStorageSlice;
    use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DevicePtr};
    fn begin<T>(slice: &CudaSlice<T>) -> Address {
        // Without event tracking the guard waits for nothing and records nothing.
        let (address, _guard) = slice.device_ptr(slice.stream());
        address
    }
    Ok(match &storage.slice {
        CudaStorageSlice::U8(slice) => begin(slice),
        CudaStorageSlice::U32(slice) => begin(slice),
        CudaStorageSlice::I32(slice) => begin(slice),
        CudaStorageSlice::I64(slice) => begin(slice),
        CudaStorageSlice::BF16(slice) => begin(slice),
        CudaStorageSlice::F32(slice) => begin(slice),
        CudaStorageSlice::F64(slice) => begin(slice),
        _ => candle_core::bail!("a tensor of {:?} that no kernel reads", storage.dtype()),
    })
}
