//! Device memory that an operation needs for its own length.
//!
//! A stream has one buffer of each size class, which stays where it is as long as anybody uses the stream: a recorded
//! step goes on using it. So a step must run once before it is recorded, since a recording takes no memory.

use crate::cuda::Address;
use crate::cuda::launch::scratch_class;
use crate::cuda::recording::refuse;
use crate::error::Result;
use crate::error::driver::of_driver;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaStream, DevicePtr};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

/// The buffers of one stream by their class.
struct OfStream {
    stream: Arc<CudaStream>,
    buffers: HashMap<usize, CudaSlice<f32>>,
}

static STREAMS: Mutex<Vec<OfStream>> = Mutex::new(Vec::new());

/// How many references to a stream its buffers are.
pub(super) fn references(stream: &Arc<CudaStream>) -> usize {
    let streams = STREAMS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = streams.iter().find(|known| Arc::ptr_eq(&known.stream, stream));
    known.map_or(0, |known| 1 + known.buffers.len())
}

/// Gives the buffers of a stream back that nobody uses.
pub(super) fn give_back(stream: &Arc<CudaStream>) {
    let mut streams = STREAMS.lock().unwrap_or_else(PoisonError::into_inner);
    streams.retain(|known| !Arc::ptr_eq(&known.stream, stream));
}

/// At least `values` f32.
pub(super) fn of(stream: &Arc<CudaStream>, values: usize) -> Result<Address> {
    let class = scratch_class(values);
    let mut streams = STREAMS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = streams.iter().position(|known| Arc::ptr_eq(&known.stream, stream));
    let index = known.unwrap_or_else(|| {
        streams.push(OfStream { stream: stream.clone(), buffers: HashMap::new() });
        streams.len() - 1
    });
    let buffers = &mut streams[index].buffers;
    let buffer = match buffers.entry(class) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(entry) => {
            let bytes = class * size_of::<f32>();
            refuse(|| format!("{bytes} bytes of scratch memory"))?;
            // SAFETY: any bits are an f32, and kernels read only what they have written.
            let slice = unsafe { stream.alloc::<f32>(class) };
            entry.insert(
                slice.map_err(|error| of_driver(error, &format!("no {bytes} bytes of scratch memory on the GPU")))?,
            )
        }
    };
    let (address, _guard) = buffer.device_ptr(stream);
    Ok(address)
}
