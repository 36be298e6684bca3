//! Allocation of a block's activations.

use super::Buffers;
use crate::device::allocated;
use crate::error::Result;
use crate::memory::zero_tensor;
use crate::tensor::Buffer;
use candle_core::Tensor;

impl Buffers {
    /// `[K, capacity · len]`: `len` values of each sample.
    pub(crate) fn samples(&self, len: usize) -> Result<Buffer> {
        self.rows(self.capacity * len)
    }

    /// The same, or next to nothing where only the backward pass would use it.
    pub(crate) fn gradient(&self, len: usize) -> Result<Buffer> {
        self.rows(if self.training { self.capacity * len } else { 1 })
    }

    /// The same, or next to nothing where kernels infer: they normalise a product without storing it.
    pub(crate) fn product(&self, len: usize) -> Result<Buffer> {
        self.rows(if self.training || !self.launched { self.capacity * len } else { 1 })
    }

    /// `[K, len]`.
    pub(crate) fn rows(&self, len: usize) -> Result<Buffer> {
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
