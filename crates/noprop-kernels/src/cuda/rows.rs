//! Tensors as kernels see them.

use crate::error::{Code, Error, Result};
use candle_core::{CpuStorage, DType, Storage, Tensor};

/// An address in device memory (the processor's own for the emulation).
pub type Address = u64;

/// The f32 rows of a tensor `[K, len]` on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceRows {
    /// Of the first row.
    pub address: Address,
    /// Values from row to row; 0 for a tensor that all blocks share.
    pub stride: usize,
    /// Rows.
    pub count: usize,
    /// Values of a row.
    pub len: usize,
}

/// `Rows` of prelude.cuh.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowsOf {
    /// Address of the first row.
    pub data: Address,
    /// Values from one row to the next.
    pub stride: u64,
}

impl DeviceRows {
    /// The rows of a contiguous f32 tensor `[K, …]`.
    pub fn of(tensor: &Tensor) -> Result<Self> {
        if tensor.dtype() != DType::F32 || tensor.rank() == 0 || !tensor.is_contiguous() {
            return Err(Error::new(Code::Internal, "a tensor that is not contiguous rows of f32"));
        }
        let count = tensor.dims()[0];
        let len = tensor.elem_count() / count.max(1);
        Ok(Self { address: address_of(tensor)?, stride: if count == 1 { 0 } else { len }, count, len })
    }

    /// As a kernel's argument.
    pub fn rows(&self) -> RowsOf {
        self.from(0)
    }

    /// The rows from their element `offset` on, a slot of a flat buffer, say.
    pub fn from(&self, offset: usize) -> RowsOf {
        debug_assert!(offset <= self.len);
        RowsOf { data: self.address + 4 * offset as u64, stride: self.stride as u64 }
    }
}

/// Where a tensor's first element lies on its device.
pub fn address_of(tensor: &Tensor) -> Result<Address> {
    let (storage, layout) = tensor.storage_and_layout();
    let start = match &*storage {
        Storage::Cpu(CpuStorage::U8(data)) => data.as_ptr() as Address,
        Storage::Cpu(CpuStorage::U32(data)) => data.as_ptr() as Address,
        Storage::Cpu(CpuStorage::F32(data)) => data.as_ptr() as Address,
        Storage::Cpu(CpuStorage::F64(data)) => data.as_ptr() as Address,
        #[cfg(feature = "cuda")]
        Storage::Cuda(storage) => super::gpu::address(storage)?,
        _ => return Err(Error::new(Code::Internal, "a tensor that no kernel reads")),
    };
    Ok(start + (layout.start_offset() * tensor.dtype().size_in_bytes()) as Address)
}
