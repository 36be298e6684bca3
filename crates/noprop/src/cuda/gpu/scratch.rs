//! Device memory that an operation needs for its own length.
//!
//! A stream has one buffer of each size class (powers of two), which stays where it is as long as anything else uses the
//! stream: a recorded step goes on using it. So a step must run once before it is recorded, since no memory can be taken in
//! between.

use super::failure::of_driver;
use crate::cuda::Address;
use crate::error::Result;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaStream, DevicePtr};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

/// Values of the smallest class.
const LEAST: usize = 1 << 18;

/// The buffers of one stream by their class.
struct OfStream {
    stream: Arc<CudaStream>,
    buffers: HashMap<usize, CudaSlice<f32>>,
}

impl OfStream {
    /// Whether nothing but these buffers keeps the stream.
    fn is_left(&self) -> bool {
        Arc::strong_count(&self.stream) == 1 + self.buffers.len()
    }
}

static STREAMS: Mutex<Vec<OfStream>> = Mutex::new(Vec::new());

/// At least `values` f32.
pub(super) fn of(stream: &Arc<CudaStream>, values: usize) -> Result<Address> {
    let class = values.next_power_of_two().max(LEAST);
    let mut streams = STREAMS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = streams.iter().position(|known| Arc::ptr_eq(&known.stream, stream));
    let index = known.unwrap_or_else(|| {
        streams.retain(|known| !known.is_left());
        streams.push(OfStream { stream: stream.clone(), buffers: HashMap::new() });
        streams.len() - 1
    });
    let buffers = &mut streams[index].buffers;
    let buffer = match buffers.entry(class) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(entry) => {
            // SAFETY: any bits are an f32, and kernels read only what they have written.
            let slice = unsafe { stream.alloc::<f32>(class) };
            let bytes = class * size_of::<f32>();
            entry.insert(
                slice.map_err(|error| of_driver(error, &format!("no {bytes} bytes of scratch memory on the GPU")))?,
            )
        }
    };
    let (address, _guard) = buffer.device_ptr(stream);
    Ok(address)
}
