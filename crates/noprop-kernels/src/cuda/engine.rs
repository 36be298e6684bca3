//! One device that runs kernels, a card or its emulation, as training and inference see it.

use super::recording::{Recording, refuse};
use super::{Context, DeviceStep, Multiply};
use crate::device::DeviceId;
use crate::error::{Code, Error, Result};
use candle_core::{Device, Tensor, WithDType};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Values that are copied to a device and back.
#[cfg(feature = "cuda")]
pub trait Value: WithDType + candle_core::cuda_backend::cudarc::driver::DeviceRepr {}
#[cfg(feature = "cuda")]
impl<T: WithDType + candle_core::cuda_backend::cudarc::driver::DeviceRepr> Value for T {}
/// Values that are copied to a device and back.
#[cfg(not(feature = "cuda"))]
pub trait Value: WithDType {}
#[cfg(not(feature = "cuda"))]
impl<T: WithDType> Value for T {}

/// See the module. What it is asked to do happens in order.
pub struct Engine {
    /// Where its tensors lie.
    pub device: Device,
    /// The kind of device, on which results depend: a card's model.
    pub kind: String,
    /// `None` for the emulation.
    #[cfg(feature = "cuda")]
    gpu: Option<super::gpu::Gpu>,
    /// Gives the device's memory back when it is done with.
    #[cfg(feature = "cuda")]
    _memory: Option<Kept>,
    /// How often values were read back, for which the device runs dry.
    pub reads: AtomicUsize,
    /// So many recordings of the emulation are broken, as somebody else on a card may do.
    #[cfg(any(test, feature = "testing"))]
    pub breaks: AtomicUsize,
}

/// Memory that the driver keeps for this process as long as a device is open.
#[cfg(feature = "cuda")]
struct Kept(Device);

#[cfg(feature = "cuda")]
impl Drop for Kept {
    fn drop(&mut self) {
        // After a fault there is nothing to save.
        let _ = super::gpu::Gpu::on(&self.0).and_then(|gpu| gpu.give_back());
    }
}

/// A place in the queue of a device.
pub struct Mark {
    /// `None` for the emulation, which does everything at once.
    #[cfg(feature = "cuda")]
    event: Option<super::gpu::Event>,
}

/// A sequence of launches that can be repeated.
pub enum Recorded {
    /// On a card.
    #[cfg(feature = "cuda")]
    Graph(super::gpu::Graph),
    /// The emulation has nothing to gain: it makes the calls again.
    Calls,
}

/// Copies values into a contiguous tensor that is there already, on whatever device; they are read before this returns. On a
/// card this is the driver's copy. candle's `slice_set` is a kernel of its own, which every process would compile for the card.
pub(super) fn write<T: Value>(tensor: &Tensor, values: &[T]) -> Result<()> {
    #[cfg(feature = "cuda")]
    if tensor.device().is_cuda() {
        return super::gpu::Gpu::on(tensor.device())?.write(tensor, values);
    }
    let source = Tensor::from_slice(values, tensor.shape(), tensor.device())?;
    Ok(tensor.slice_set(&source, 0, 0)?)
}

impl Engine {
    /// Opens a device.
    ///
    /// # Errors
    /// Those of `gpu::open`; the emulation is always there.
    pub fn open(id: DeviceId) -> Result<Self> {
        match id {
            #[cfg(feature = "cuda")]
            DeviceId::Gpu(ordinal) => {
                let kind = crate::device::cards()?.swap_remove(ordinal).name;
                let device = super::gpu::open(ordinal)?;
                let gpu = Some(super::gpu::Gpu::on(&device)?);
                Ok(Self {
                    _memory: Some(Kept(device.clone())),
                    device,
                    kind,
                    gpu,
                    reads: AtomicUsize::default(),
                    #[cfg(any(test, feature = "testing"))]
                    breaks: AtomicUsize::default(),
                })
            }
            #[cfg(feature = "emulation")]
            DeviceId::Emulated => Ok(Self {
                device: Device::Cpu,
                kind: "emulation".to_owned(),
                #[cfg(feature = "cuda")]
                gpu: None,
                #[cfg(feature = "cuda")]
                _memory: None,
                reads: AtomicUsize::default(),
                #[cfg(any(test, feature = "testing"))]
                breaks: AtomicUsize::default(),
            }),
        }
    }

    /// The context of operations on this device, in a training step or outside of one.
    pub fn context(&self, multiply: Multiply, step: Option<DeviceStep>) -> Context {
        Context { multiply, step, nominal_rows: None, emulate: self.device.is_cpu() }
    }

    /// Copies values into a contiguous tensor that is there already. They are read before this returns.
    pub fn write<T: Value>(&self, tensor: &Tensor, values: &[T]) -> Result<()> {
        refuse(|| format!("a copy of {} values to the device", values.len()))?;
        write(tensor, values)
    }

    /// The values of a contiguous tensor, after everything that was asked before.
    pub fn read<T: Value>(&self, tensor: &Tensor) -> Result<Vec<T>> {
        refuse(|| format!("a copy of {} values from the device", tensor.elem_count()))?;
        self.reads.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "cuda")]
        if let Some(gpu) = &self.gpu {
            let mut values = vec![T::zero(); tensor.elem_count()];
            gpu.read(tensor, &mut values)?;
            return Ok(values);
        }
        Ok(tensor.flatten_all()?.to_vec1()?)
    }

    /// Copies one contiguous tensor of f32 to another on the device; may return before it is done.
    pub fn copy(&self, to: &Tensor, from: &Tensor) -> Result<()> {
        refuse(|| format!("a copy of {} values", from.elem_count()))?;
        #[cfg(feature = "cuda")]
        if let Some(gpu) = &self.gpu {
            return gpu.copy(to, from);
        }
        Ok(to.slice_set(from, 0, 0)?)
    }

    /// Waits until everything is done that was asked; errors of kernels arrive here.
    pub fn synchronize(&self) -> Result<()> {
        refuse(|| "a wait for the device".to_owned())?;
        #[cfg(feature = "cuda")]
        if let Some(gpu) = &self.gpu {
            return gpu.synchronize();
        }
        Ok(())
    }

    /// Marks the place behind everything that was asked so far; returns at once.
    pub fn mark(&self) -> Result<Mark> {
        refuse(|| "a mark in the queue".to_owned())?;
        Ok(Mark {
            #[cfg(feature = "cuda")]
            event: self.gpu.as_ref().map(super::gpu::Gpu::mark).transpose()?,
        })
    }

    /// Waits until the device has come to a mark, whatever is queued behind it; errors of kernels arrive here.
    pub fn wait(&self, mark: &Mark) -> Result<()> {
        refuse(|| "a wait for the device".to_owned())?;
        #[cfg(feature = "cuda")]
        if let Some(event) = &mark.event {
            return event.wait();
        }
        let _ = mark;
        Ok(())
    }

    /// Free and total memory in bytes; `None` for the emulation, which is not asked to be thrifty.
    pub fn memory(&self) -> Result<Option<(usize, usize)>> {
        #[cfg(feature = "cuda")]
        if let Some(gpu) = &self.gpu {
            return gpu.memory().map(Some);
        }
        Ok(None)
    }

    /// Records what `work` launches, without running it; `None` where somebody else on the card has broken the recording. See
    /// `gpu::Gpu::record`.
    pub fn record(&self, work: impl FnOnce() -> Result<()>) -> Result<Option<Recorded>> {
        #[cfg(feature = "cuda")]
        if let Some(gpu) = &self.gpu {
            return Ok(gpu.record(work)?.map(Recorded::Graph));
        }
        let _ = work;
        #[cfg(any(test, feature = "testing"))]
        if self.breaks.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |breaks| breaks.checked_sub(1)).is_ok() {
            return Ok(None);
        }
        Ok(Some(Recorded::Calls))
    }

    /// Does again what was recorded, which for the emulation are the calls of `work`. It refuses here what a card refuses while
    /// it records.
    pub fn replay(&self, recorded: &Recorded, work: impl FnOnce() -> Result<()>) -> Result<()> {
        match recorded {
            #[cfg(feature = "cuda")]
            Recorded::Graph(graph) => graph.replay(),
            Recorded::Calls => {
                let _recording = Recording::begin()?;
                work()
            }
        }
    }
}

/// The error of a device that has not the memory for `asked` bytes, of which `what` says what they are for.
pub fn out_of_memory(what: &str, asked: usize, free: usize) -> Error {
    let mebibytes = |bytes: usize| format!("{} MiB", bytes.div_ceil(1 << 20));
    Error::new(Code::DeviceMemory, format!("the GPU has not enough free memory for {what}"))
        .expected(format!("{} free", mebibytes(asked)))
        .received(format!("{} free", mebibytes(free)))
}

#[cfg(all(test, feature = "emulation"))]
mod tests {
    use super::*;
    use crate::cuda::Executor;
    use crate::ops::add::Add;
    use crate::tensor::Buffer;
    use candle_core::DType;

    /// Each test has a thread of its own, on which nothing has been launched yet.
    fn engine() -> (Engine, Context, Buffer) {
        let engine = Engine::open(DeviceId::Emulated).unwrap();
        let row = Tensor::zeros((2, 3), DType::F32, &engine.device).unwrap();
        let context = engine.context(Multiply::F32, None);
        (engine, context, Buffer::new(row).unwrap())
    }

    fn asked(outcome: Result<()>) -> String {
        let error = outcome.unwrap_err();
        assert_eq!(error.code, Code::Internal);
        error.received
    }

    #[test]
    fn a_recorded_step_launches_what_has_been_launched_before() {
        let (engine, context, row) = engine();
        let one = Tensor::ones((2, 3), DType::F32, &engine.device).unwrap();
        let step = || context.run(|| Add { len: 3 }.forward(&row, &one));
        let recorded = engine.record(step).unwrap().expect("nobody breaks it");
        assert_eq!(asked(engine.replay(&recorded, step)), "kernel add, which has not been loaded");
        step().unwrap();
        engine.replay(&recorded, step).unwrap();
        assert_eq!(engine.read::<f32>(&row).unwrap(), [2.0; 6]);
    }

    #[test]
    fn a_recorded_step_takes_no_memory_and_does_not_talk_to_the_host() {
        let (engine, _, row) = engine();
        let scratch = |values| Executor::with(&engine.device, |on| on.scratch(values)).map(drop);
        let replayed = |work: &mut dyn FnMut() -> Result<()>| asked(engine.replay(&Recorded::Calls, work));
        scratch(1).unwrap();
        // Another class of memory than the one that is there.
        let bytes = (4 << 19).to_string();
        assert_eq!(replayed(&mut || scratch((1 << 18) + 1)), format!("{bytes} bytes of scratch memory"));
        engine.replay(&Recorded::Calls, || scratch(1 << 18)).unwrap();

        assert_eq!(replayed(&mut || engine.write(&row, &[0.0_f32; 6])), "a copy of 6 values to the device");
        assert_eq!(replayed(&mut || engine.read::<f32>(&row).map(drop)), "a copy of 6 values from the device");
        assert_eq!(replayed(&mut || engine.synchronize()), "a wait for the device");
        assert_eq!(replayed(&mut || engine.mark().map(drop)), "a mark in the queue");
        let mark = engine.mark().unwrap();
        assert_eq!(replayed(&mut || engine.wait(&mark)), "a wait for the device");
        // What is refused while recording is possible again behind it.
        engine.write(&row, &[1.0_f32; 6]).unwrap();
        scratch((1 << 18) + 1).unwrap();
    }
}
