//! Recording a sequence of launches and replaying it with one call.

use super::opened::alone;
use crate::cuda::recording::Recording;
use crate::error::driver::of_driver;
use crate::error::{Code, Error, Result};
use candle_core::cuda_backend::cudarc::driver::sys::{
    self, CUgraphInstantiate_flags as Flags, CUstreamCaptureMode as Mode,
};
use candle_core::cuda_backend::cudarc::driver::{CudaGraph, CudaStream, DriverError, result};
use std::ptr::null_mut;
use std::sync::Arc;

/// Recorded launches. What they read that changes from replay to replay must lie in device memory, at the same place.
pub struct Graph(CudaGraph);

// SAFETY: the driver lets any thread use a graph as long as no two do at once. `Graph` is not `Sync`, so nobody shares one.
unsafe impl Send for Graph {}

impl Graph {
    /// See [`Gpu::record`](super::Gpu::record).
    pub(super) fn record(stream: &Arc<CudaStream>, work: impl FnOnce() -> Result<()>) -> Result<Option<Self>> {
        let recording = Recording::begin()?;
        let _alone = alone(stream.context().ordinal());
        match Self::of(stream, work) {
            Err(_) if recording.is_broken() => {
                // What the driver said is known, and concerns nobody who comes next.
                let _ = stream.context().check_err();
                Ok(None)
            }
            outcome => outcome.map(Some),
        }
    }

    fn of(stream: &Arc<CudaStream>, work: impl FnOnce() -> Result<()>) -> Result<Self> {
        let failed = |error| of_driver(error, "a step cannot be recorded");
        // Other threads may go on allocating and launching on streams of their own.
        stream.begin_capture(Mode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).map_err(failed)?;
        let capture = Capture(stream);
        work()?;
        let graph = capture.end().map_err(failed)?;
        let graph = graph.ok_or_else(|| Error::new(Code::Internal, "a recorded step launches nothing"))?;
        refuse_all_but_launches(&graph)?;
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

/// candle takes memory by itself, which some drivers record in silence: every replay would take it anew.
fn refuse_all_but_launches(graph: &CudaGraph) -> Result<()> {
    let kinds = kinds(graph).map_err(|error| of_driver(error, "what a recorded step holds cannot be told"))?;
    let others: Vec<_> = kinds.into_iter().filter(|kind| *kind != LAUNCH).map(name).collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(Error::new(Code::Internal, "a recorded step does something besides launches").received(others.join(", ")))
}

/// `CU_GRAPH_NODE_TYPE_KERNEL`. Newer drivers know more kinds than the bindings, so they are kept as numbers.
const LAUNCH: u32 = 0;

/// A kind of node (`CUgraphNodeType`) in words.
fn name(kind: u32) -> String {
    match kind {
        1 => "a copy".to_owned(),
        2 => "a memset".to_owned(),
        3 => "a call of the host".to_owned(),
        10 => "memory that is taken".to_owned(),
        11 => "memory that is given back".to_owned(),
        kind => format!("a node of kind {kind}"),
    }
}

/// The kinds of a graph's nodes.
fn kinds(graph: &CudaGraph) -> std::result::Result<Vec<u32>, DriverError> {
    let mut count = 0;
    // SAFETY: without a place for them only the number of nodes is told, where `count` is.
    unsafe { sys::cuGraphGetNodes(graph.cu_graph(), null_mut(), &mut count) }.result()?;
    let mut nodes = vec![null_mut(); count];
    // SAFETY: there are `count` places.
    unsafe { sys::cuGraphGetNodes(graph.cu_graph(), nodes.as_mut_ptr(), &mut count) }.result()?;
    let kind = |node| {
        let mut kind = LAUNCH;
        // SAFETY: the graph lives and has the node; the kind is an enumeration of 32 bits.
        unsafe { sys::cuGraphNodeGetType(node, (&raw mut kind).cast()) }.result().map(|()| kind)
    };
    nodes.into_iter().map(kind).collect()
}

/// A stream that records; it must stop to, also when the work fails or panics.
struct Capture<'a>(&'a Arc<CudaStream>);

impl Capture<'_> {
    fn end(self) -> std::result::Result<Option<CudaGraph>, DriverError> {
        let stream = self.0;
        std::mem::forget(self);
        stream.end_capture(Flags(0))
    }
}

impl Drop for Capture<'_> {
    fn drop(&mut self) {
        // What was recorded is thrown away; why it failed is told by whoever drops it. Where the driver itself gave the
        // recording up there is nothing to throw away, and the stream goes on as well.
        // SAFETY: the stream lives, and records for this thread; nobody else has the graph.
        unsafe {
            if let Ok(graph) = result::stream::end_capture(self.0.cu_stream())
                && !graph.is_null()
            {
                let _ = result::graph::destroy(graph);
            }
        }
    }
}
