//! Allocation of a block's activations.

use crate::device::allocated;
use crate::error::Result;
use crate::memory::zero_tensor;
use crate::tensor::Buffer;
use candle_core::{DType, Device, Tensor};

/// How large a block's buffers are and of what type.
#[derive(Debug, Clone)]
pub struct Buffers {
    /// K, the blocks that run together.
    pub stacked: usize,
    /// Greatest batch.
    pub capacity: usize,
    /// `F32` for work, `F64` for checks.
    pub dtype: DType,
    /// Where they live.
    pub device: Device,
    /// Whether the backward pass will be used.
    pub training: bool,
    /// Whether operations are launched as kernels, on a device or on their emulation.
    pub launched: bool,
}

impl Buffers {
    /// `[K, capacity · len]`: `len` values of each sample.
    ///
    /// # Errors
    /// [`crate::Code::Memory`] where there is no room.
    pub fn samples(&self, len: usize) -> Result<Buffer> {
        self.rows(self.capacity * len)
    }

    /// `[K, len]`.
    ///
    /// # Errors
    /// [`crate::Code::Memory`] where there is no room.
    pub fn rows(&self, len: usize) -> Result<Buffer> {
        MADE.set(MADE.get() + self.stacked * len);
        let bytes = self.stacked * len * self.dtype.size_in_bytes();
        crate::cuda::refuse_while_recording(|| format!("{bytes} bytes for a buffer"))?;
        if self.device.is_cpu() {
            return Buffer::new(zero_tensor(self.stacked, len, self.dtype, "a block's activations")?);
        }
        Buffer::new(allocated(&self.device, bytes, Tensor::zeros((self.stacked, len), self.dtype, &self.device))?)
    }
}

thread_local! {
    static MADE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Values of all buffers that this thread has made.
pub(crate) fn made() -> usize {
    MADE.get()
}

#[cfg(all(test, feature = "emulation"))]
mod tests {
    use super::*;
    use crate::cuda::{Engine, Recorded};
    use crate::device::DeviceId;
    use candle_core::DType;

    #[test]
    fn a_recorded_step_makes_no_buffers() {
        let engine = Engine::open(DeviceId::Emulated).unwrap();
        let device = engine.device.clone();
        let (dtype, training) = (DType::F32, true);
        let buffers = Buffers { stacked: 2, capacity: 1, dtype, device, training, launched: true };
        let error = engine.replay(&Recorded::Calls, || buffers.rows(5).map(drop)).unwrap_err();
        assert_eq!(error.received, "40 bytes for a buffer");
    }
}
