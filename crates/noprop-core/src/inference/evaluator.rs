//! A denoiser for evaluation with the buffers of its inputs.

use crate::config::CheckedConfig;
use crate::data::Dataset;
use crate::error::Result;
use crate::net::Step;
use crate::net::{Block, Buffers, Mode};
use crate::ops::batch::widen;
use crate::ops::multiply::Precision;
use crate::ops::{BlockOp, apply};
use crate::tensor::{Buffer, Real, StopFlag, check};
use crate::train::batch::Gather;
use candle_core::{DType, Device, Tensor};

/// Runs any block of a model on as many samples at once as its buffers are for. A second call allocates nothing.
pub(crate) struct Evaluator {
    block: Block,
    x: Buffer,
    z: Buffer,
    no_gradients: Buffer,
    samples: Vec<u32>,
    width: usize,
}

impl Evaluator {
    pub(crate) fn new(checked: &CheckedConfig, capacity: usize, device: &Device) -> Result<Self> {
        let (input, width) = (checked.config.input, checked.config.classes.len());
        let buffers = Buffers {
            stacked: 1,
            capacity,
            dtype: DType::F32,
            device: device.clone(),
            training: false,
            launched: false,
        };
        Ok(Self {
            block: Block::new(&checked.config.net, input, width, &buffers)?,
            x: buffers.samples(input.len())?,
            z: buffers.samples(width)?,
            no_gradients: buffers.rows(1)?,
            samples: Vec::with_capacity(capacity),
            width,
        })
    }

    /// Number of classes.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Takes the images of the `count` samples from `first` on; with `images`, sample i's is that of sample `images[i]`.
    pub(crate) fn take(&mut self, data: &Dataset, images: Option<&[u32]>, first: usize, count: usize) -> Result<()> {
        self.samples.clear();
        match images {
            None => self.samples.extend((first..first + count).map(|sample| sample as u32)),
            Some(images) => self.samples.extend_from_slice(&images[first..first + count]),
        }
        Gather { data, samples: &self.samples, augmenter: None }.fill(&self.x)
    }

    /// û `[1, capacity · classes]` of the block with these weights, for the samples taken last in the states `z`
    /// `[samples, classes]`.
    pub(crate) fn estimate(&mut self, weights: &Buffer, z: &[f32], stop: &StopFlag) -> Result<&Tensor> {
        let count = z.len() / self.width;
        apply(&CopyIn(z), &self.z, [])?;
        // Inference is f32 whatever the training was: evaluations of one model compare.
        let precision = Precision::F32;
        let (state, gradients) = (weights, &self.no_gradients);
        let pass = Step { state, gradients, optimiser: None, stop, samples: count, precision };
        self.block.forward(pass, Mode::Evaluation, &self.x, &self.z)?;
        Ok(self.block.estimate())
    }
}

/// Writes values to the beginning of a tensor.
struct CopyIn<'a>(&'a [f32]);

impl BlockOp<0> for CopyIn<'_> {
    const NAME: &'static str = "copy-in";
    fn block<T: Real>(&self, _: usize, to: &mut [T], []: [&[T]; 0]) -> Result<()> {
        check(to.len() >= self.0.len(), "values to copy")?;
        widen(to, self.0);
        Ok(())
    }
}
