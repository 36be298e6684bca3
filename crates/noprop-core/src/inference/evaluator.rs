//! A denoiser for evaluation with the buffers of its inputs.

use super::views::Viewed;
use crate::config::CheckedConfig;
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
use candle_core::{CpuStorage, DType, Device, Storage};

/// Runs any job's net on as many samples at once as its buffers are for. A second call allocates nothing.
pub(crate) struct Evaluator {
    block: Block,
    x: Buffer,
    z: Buffer,
    no_gradients: Buffer,
    samples: Vec<u32>,
    /// The estimates of the last question.
    pub estimates: Vec<f32>,
    width: usize,
}

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
        })
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
            None => Gather { data, samples, augmenter: None }.fill(&self.x),
            Some(change) => Viewed { data, samples, change }.fill(&self.x),
        }
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
        let Query { skip, out, .. } = query;
        if (skip, out) != (0.0, 1.0) {
            for (estimate, z) in self.estimates.iter_mut().zip(z) {
                *estimate = (skip * f64::from(*z) + out * f64::from(*estimate)) as f32;
            }
        }
        Ok(())
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
