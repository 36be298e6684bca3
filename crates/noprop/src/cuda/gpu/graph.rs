//! Recording a sequence of launches and replaying it with one call.

use super::failure::of_driver;
use crate::error::{Code, Error, Result};
use candle_core::cuda_backend::cudarc::driver::sys::{CUgraphInstantiate_flags as Flags, CUstreamCaptureMode as Mode};
use candle_core::cuda_backend::cudarc::driver::{CudaGraph, CudaStream};
use std::sync::Arc;

/// Recorded launches. What they read that changes from replay to replay must lie in device memory, at the same place.
pub struct Graph(CudaGraph);

// SAFETY: the driver lets any thread use a graph as long as no two do at once. `Graph` is not `Sync`, so nobody shares one.
unsafe impl Send for Graph {}

impl Graph {
    /// See [`Gpu::record`](super::Gpu::record).
    pub(super) fn record(stream: &Arc<CudaStream>, work: impl FnOnce() -> Result<()>) -> Result<Self> {
        let failed = |error| of_driver(error, "a step cannot be recorded");
        // Other threads may go on allocating and launching on streams of their own.
        stream.begin_capture(Mode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).map_err(failed)?;
        let recording = Recording(stream);
        work()?;
        let graph = recording.end().map_err(failed)?;
        let graph = graph.ok_or_else(|| Error::new(Code::Internal, "a recorded step launches nothing"))?;
        graph.upload().map_err(failed)?;
        Ok(Self(graph))
    }

    /// Puts all of it into the stream; returns before it has run.
    ///
    /// # Errors
    /// [`Code::Device`].
    pub fn replay(&self) -> Result<()> {
        self.0.launch().map_err(|error| of_driver(error, "a recorded step cannot be replayed"))
    }
}

/// A stream that records; it must stop to, also when the work fails or panics.
struct Recording<'a>(&'a Arc<CudaStream>);

impl Recording<'_> {
    fn end(self) -> std::result::Result<Option<CudaGraph>, candle_core::cuda_backend::cudarc::driver::DriverError> {
        let stream = self.0;
        std::mem::forget(self);
        stream.end_capture(Flags(0))
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        // The recording is thrown away; why it failed is told by whoever drops it.
        let _ = self.0.end_capture(Flags(0));
    }
}
