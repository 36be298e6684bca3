//! The opened devices, which live as long as the process.
//!
//! A device of candle holds handles of cuBLAS and cuRAND. cudarc destroys them when the last user of the device is gone and
//! unwraps the outcome (cudarc 0.19.10, `CudaBlas::drop`, `CudaRng::drop`), which after the fault of a kernel is an error: a
//! panic, and in a finaliser, or while another panic unwinds, the end of the process. So no device is dropped. One that nobody
//! uses any more is opened again.
//!
//! What a card is asked for while one of its streams records may break the recording: opening a device waits for the whole
//! context, and loading a module or a kernel may. So these and recordings take turns, see [`alone`].

use super::scratch;
use crate::error::Result;
use crate::error::driver::of_driver;
use candle_core::Device;
use candle_core::cuda_backend::cudarc::driver::sys::CUmemPool_attribute as Attribute;
use candle_core::cuda_backend::cudarc::driver::{CudaContext, CudaStream, DriverError, result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Cards that a number can name, see `device/choice.rs`.
const CARDS: usize = 256;

static OPENED: Mutex<Vec<Opened>> = Mutex::new(Vec::new());

struct Opened {
    ordinal: usize,
    device: Device,
    stream: Arc<CudaStream>,
    /// References to the stream that nobody but the device itself, and this, have.
    own: usize,
}

impl Opened {
    /// Whether neither a tensor nor anybody else uses the device. Nobody can begin to, but by way of the list of these.
    fn is_left(&self) -> bool {
        Arc::strong_count(&self.stream) == self.own + scratch::references(&self.stream)
    }
}

/// The right to do on a card what a recording must not meet, while the guard lives. Who has it does not ask for it again.
pub(super) fn alone(ordinal: usize) -> MutexGuard<'static, ()> {
    static TURNS: [Mutex<()>; CARDS] = [const { Mutex::new(()) }; CARDS];
    TURNS[ordinal % CARDS].lock().unwrap_or_else(PoisonError::into_inner)
}

/// A device of the card with a stream that nobody else uses.
pub(super) fn open(ordinal: usize) -> Result<Device> {
    let _alone = alone(ordinal);
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(left) = opened.iter().find(|opened| opened.ordinal == ordinal && opened.is_left()) {
        // What its last user left undone is no error of the next one; the fault of a kernel comes again by itself.
        let _ = left.stream.context().check_err();
        return Ok(left.device.clone());
    }
    let device = Device::new_cuda_with_stream(ordinal)?;
    let stream = device.as_cuda_device()?.cuda_stream();
    // SAFETY: all work on the tensors of this device goes into its one stream, in order; no other stream ever reads them.
    unsafe { device.as_cuda_device()?.disable_event_tracking() };
    keep_memory(stream.context()).map_err(|error| of_driver(error, "the GPU's memory cannot be managed"))?;
    let own = Arc::strong_count(&stream);
    opened.push(Opened { ordinal, device: device.clone(), stream, own });
    Ok(device)
}

/// Has the driver keep memory that is given back for whoever asks next. By default it hands it to the system at every wait,
/// and taking it from there again waits for the whole card.
fn keep_memory(context: &CudaContext) -> std::result::Result<(), DriverError> {
    if !context.has_async_alloc() {
        return Ok(());
    }
    let mut threshold = u64::MAX;
    // SAFETY: the device is that of a context that lives, whose pool lives as long; the attribute is 64 bits without a sign.
    unsafe {
        let pool = result::device::get_mem_pool(context.cu_device())?;
        let attribute = Attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        result::mem_pool::set_attribute(pool, attribute, (&raw mut threshold).cast())
    }
}

/// Hands what is kept and not used back to the system, also what devices have that nobody uses. Waits for none but those.
pub(super) fn trim(context: &CudaContext) -> std::result::Result<(), DriverError> {
    let opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    for left in opened.iter().filter(|opened| opened.ordinal == context.ordinal() && opened.is_left()) {
        scratch::give_back(&left.stream);
        left.stream.synchronize()?;
    }
    if !context.has_async_alloc() {
        return Ok(());
    }
    // SAFETY: as in `keep_memory`.
    unsafe { result::mem_pool::trim_to(result::device::get_mem_pool(context.cu_device())?, 0) }
}
