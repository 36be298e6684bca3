//! A denoiser for evaluation with the buffers of its inputs.

use super::views::Viewed;
use crate::config::{CheckedConfig, Launched};
use crate::cuda::{Context, Engine, Multiply};
use crate::data::Dataset;
use crate::data::augment::Change;
use crate::error::{Code, Error, Result};
use crate::method::Query;
use crate::net::Step;
use crate::net::{Block, Buffers, Mode};
use crate::ops::multiply::Precision;
use crate::ops::{BlockOp, apply};
use crate::tensor::{Buffer, Real, StopFlag, check};
use crate::train::batch::Gather;
use crate::train::values::CopyIn;
use candle_core::{CpuStorage, DType, Device, Storage, Tensor};
use std::sync::Arc;

/// Runs any job's net on as many samples at once as its buffers are for. A second call on the processor allocates nothing.
pub(crate) struct Evaluator {
    block: Block,
    /// On the processor.
    x: Buffer,
    z: Buffer,
    no_gradients: Buffer,
    samples: Vec<u32>,
    /// The estimates of the last question.
    pub estimates: Vec<f32>,
    width: usize,
    device: Option<OnDevice>,
}

/// What an evaluator has on a device, whose kernels see the samples and states in another form.
struct OnDevice {
    engine: Arc<Engine>,
    launched: Launched,
    x: Buffer,
    /// Those of the running job.
    weights: Option<Buffer>,
}

/// Rows that products are split for, whatever the number of samples.
const NOMINAL: usize = 128;

impl Evaluator {
    pub(crate) fn new(checked: &CheckedConfig, capacity: usize, device: &Device) -> Result<Self> {
        let (input, width) = (checked.config.input, checked.vectors.width());
        let buffers = Buffers {
            stacked: 1,
            capacity,
            dtype: DType::F32,
            device: device.clone(),
            training: false,
            launched: false,
        };
        Ok(Self {
            block: Block::of_graph(&checked.method.graph(false)?, &checked.layout, &buffers)?,
            x: buffers.samples(input.len())?,
            z: buffers.samples(width)?,
            no_gradients: buffers.rows(1)?,
            samples: Vec::with_capacity(capacity),
            estimates: Vec::with_capacity(capacity * width),
            width,
            device: None,
        })
    }

    /// The same on a device.
    pub(crate) fn on(checked: &CheckedConfig, capacity: usize, engine: &Arc<Engine>) -> Result<Self> {
        let (input, width) = (checked.config.input, checked.vectors.width());
        let launched = checked.launched(false, false)?;
        let (device, dtype) = (engine.device.clone(), DType::F32);
        let there = Buffers { stacked: 1, capacity, dtype, device, training: false, launched: true };
        let here = Buffers { device: Device::Cpu, launched: false, ..there.clone() };
        Ok(Self {
            block: Block::of_graph(&launched.graphs[0], &launched.layout, &there)?,
            x: here.samples(input.len())?,
            z: there.samples(width)?,
            no_gradients: there.rows(1)?,
            samples: Vec::with_capacity(capacity),
            estimates: Vec::with_capacity(capacity * width),
            width,
            device: Some(OnDevice {
                engine: engine.clone(),
                x: there.samples(launched.seen_as.len())?,
                launched,
                weights: None,
            }),
        })
    }

    /// Readies a job with these weights.
    pub(crate) fn begin(&mut self, weights: &Buffer) -> Result<()> {
        let Some(device) = &mut self.device else { return Ok(()) };
        let packed: Vec<f32> = weights.flatten_all()?.to_vec1()?;
        let there = device.launched.placement.weights(&packed);
        let there = Tensor::from_slice(&there, (1, there.len()), &device.engine.device)?;
        device.weights = Some(Buffer::new(there)?);
        Ok(())
    }

    /// Values of a state.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Takes the images of the `count` samples from `first` on; with `images`, sample i's is that of sample `images[i]`, and
    /// with a view all are changed by it.
    pub(crate) fn take(
        &mut self,
        data: &Dataset,
        (images, view): (Option<&[u32]>, Option<Change>),
        first: usize,
        count: usize,
    ) -> Result<()> {
        self.samples.clear();
        match images {
            None => self.samples.extend((first..first + count).map(|sample| sample as u32)),
            Some(images) => self.samples.extend_from_slice(&images[first..first + count]),
        }
        let samples = &self.samples;
        match view {
            None => Gather { data, samples, augmenter: None }.fill(&self.x)?,
            Some(change) => Viewed { data, samples, change }.fill(&self.x)?,
        }
        let Some(OnDevice { engine, launched, x, .. }) = &self.device else { return Ok(()) };
        let seen: Vec<f32> = self.x.narrow(1, 0, count * data.shape().len())?.flatten_all()?.to_vec1()?;
        engine.write(&x.narrow(1, 0, count * launched.seen_as.len())?, &launched.widened(&seen))
    }

    /// Writes û `[samples, width]` to `estimates`, of the samples taken last in the states `z`. Unless it is the `first` question about
    /// them by these weights, what depends on the samples alone is not computed again where a net can do without.
    pub(crate) fn ask(
        &mut self,
        weights: &Buffer,
        query: Query,
        z: &[f32],
        is_first: bool,
        stop: &StopFlag,
    ) -> Result<()> {
        if self.device.is_some() {
            self.ask_device(query, z, is_first, stop)?;
            self.weigh(query, z);
            return Ok(());
        }
        apply(&Scaled { values: z, factor: query.scale }, &self.z, [])?;
        if let Some(time) = self.block.time() {
            apply(&Fill { value: query.time, count: self.samples.len() }, time, [])?;
        }
        // Inference is f32 whatever the training was: evaluations of one model compare.
        let precision = Precision::F32;
        let (state, gradients, samples) = (weights, &self.no_gradients, self.samples.len());
        let pass = Step { state, gradients, optimiser: None, stop, samples, precision };
        if is_first {
            self.block.forward(pass, Mode::Evaluation, &self.x, &self.z)?;
        } else {
            self.block.forward_again(pass, Mode::Evaluation, &self.x, &self.z)?;
        }
        let (storage, layout) = self.block.estimate().storage_and_layout();
        let Storage::Cpu(CpuStorage::F32(estimates)) = &*storage else {
            return Err(Error::new(Code::Internal, "an estimate is not f32 on the CPU"));
        };
        self.estimates.clear();
        self.estimates.extend_from_slice(&estimates[layout.start_offset()..][..z.len()]);
        drop(storage);
        self.weigh(query, z);
        Ok(())
    }

    /// What the device's net answers.
    fn ask_device(&mut self, query: Query, z: &[f32], is_first: bool, stop: &StopFlag) -> Result<()> {
        let Self { block, z: states, no_gradients, samples, estimates, device, .. } = self;
        let Some(OnDevice { engine, x, weights: Some(weights), .. }) = device else {
            return Err(Error::new(Code::Internal, "a job that has not begun on a device"));
        };
        let samples = samples.len();
        let scaled = |value: &f32| if query.scale == 1.0 { *value } else { (query.scale * f64::from(*value)) as f32 };
        let scaled: Vec<f32> = z.iter().map(scaled).collect();
        engine.write(&states.narrow(1, 0, scaled.len())?, &scaled)?;
        if let Some(time) = block.time() {
            engine.write(&time.narrow(1, 0, samples)?, &vec![query.time as f32; samples])?;
        }
        let (gradients, precision) = (&*no_gradients, Precision::F32);
        let pass = Step { state: weights, gradients, optimiser: None, stop, samples, precision };
        let context = Context { nominal_rows: Some(NOMINAL), ..engine.context(Multiply::F32, None) };
        context.run(|| match is_first {
            true => block.forward(pass, Mode::Evaluation, x, states),
            false => block.forward_again(pass, Mode::Evaluation, x, states),
        })?;
        *estimates = engine.read(&block.estimate().narrow(1, 0, z.len())?)?;
        Ok(())
    }

    /// û of what the net has answered.
    fn weigh(&mut self, query: Query, z: &[f32]) {
        let Query { skip, out, .. } = query;
        if (skip, out) != (0.0, 1.0) {
            for (estimate, z) in self.estimates.iter_mut().zip(z) {
                *estimate = (skip * f64::from(*z) + out * f64::from(*estimate)) as f32;
            }
        }
    }
}

/// Writes values times a factor to the beginning of a tensor.
struct Scaled<'a> {
    values: &'a [f32],
    factor: f64,
}

impl BlockOp<0> for Scaled<'_> {
    const NAME: &'static str = "scaled";
    fn block<T: Real>(&self, k: usize, to: &mut [T], []: [&[T]; 0]) -> Result<()> {
        check(to.len() >= self.values.len(), "values to scale")?;
        if self.factor == 1.0 {
            return CopyIn(self.values).block(k, to, []);
        }
        to.iter_mut().zip(self.values).for_each(|(to, value)| *to = T::of(self.factor * f64::from(*value)));
        Ok(())
    }
}

/// Writes one value to the first places of a tensor.
struct Fill {
    value: f64,
    count: usize,
}

impl BlockOp<0> for Fill {
    const NAME: &'static str = "fill";
    fn block<T: Real>(&self, _: usize, to: &mut [T], []: [&[T]; 0]) -> Result<()> {
        check(to.len() >= self.count, "values to fill")?;
        to[..self.count].fill(T::of(self.value));
        Ok(())
    }
}
