//! Tensors as kernels see them.

use super::address::{Address, address_of};
use crate::error::{Code, Error, Result};
use candle_core::{DType, Tensor};

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

impl RowsOf {
    /// No rows: for kernels that do not use them.
    pub(crate) const NONE: Self = Self { data: 0, stride: 0 };
}

impl DeviceRows {
    /// No rows at all.
    pub(crate) const NONE: Self = Self { address: 0, stride: 0, count: 0, len: 0 };

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
