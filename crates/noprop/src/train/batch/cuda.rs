//! Launches of the kernels in `cuda.cu`.

use super::NoisedLabels;
use crate::cuda::product::check_size;
use crate::cuda::{Address, Arguments, DeviceRows, DeviceStep, Executor, Launch, RowsOf, address_of, ceil_div};
use crate::data::InputShape;
use crate::data::augment::Augmenter;
use crate::error::{Code, Error, Result};
use crate::ops::{Buffer, check};
use crate::rng::Purpose;
use candle_core::{DType, Tensor};

/// [`Gather`](super::Gather) on a device: the samples that the running [`DeviceStep`] names, out of a data set that lies there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeviceGather<'a> {
    /// `[N · input]` or `[N, input]`, as f32 or as bytes, which the net sees divided by 255.
    pub pixels: &'a Tensor,
    /// Shape of one sample.
    pub shape: InputShape,
    /// The same as x has it: an image may have more channels there, which are 0.
    pub seen: InputShape,
    /// What changes samples on the way, if anything does. The epoch is that of the running step.
    pub augmenter: Option<Augmenter>,
}

/// Mirrors the struct in cuda.cu. All zero where samples stay as they are.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct AugmentationArguments {
    seed: u64,
    purpose: u32,
    shift: u32,
    flip: u32,
    height: u32,
    width: u32,
    channels: u32,
}

impl AugmentationArguments {
    /// A shape has at most [`crate::data::shape::MAX_VALUES`] values, which 32 bits hold.
    fn new(augmenter: Option<Augmenter>, shape: InputShape) -> Self {
        let (Some(Augmenter { augment, seed, .. }), InputShape::Image { height, width, channels }) = (augmenter, shape)
        else {
            return Self::default();
        };
        Self {
            seed,
            purpose: Purpose::Augment as u32,
            shift: augment.shift as u32,
            flip: augment.flip.into(),
            height: height as u32,
            width: width as u32,
            channels: channels as u32,
        }
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
struct GatherArguments {
    x: Address,
    pixels: Address,
    step: DeviceStep,
    augmentation: AugmentationArguments,
    len: u32,
    input: u32,
    seen: u32,
    channels: u32,
    seen_channels: u32,
}

// SAFETY: mirrors the struct in cuda.cu; padding only behind the augmentation and at the end.
unsafe impl Arguments for GatherArguments {}

impl DeviceGather<'_> {
    /// Fills the first `samples` samples of x `[1, capacity · input]`.
    pub(crate) fn fill(&self, x: &Buffer, samples: usize) -> Result<()> {
        let kernel = match self.pixels.dtype() {
            DType::U8 => "gather_u8",
            DType::F32 => "gather_f32",
            other => return Err(Error::new(Code::Internal, format!("samples cannot be gathered from {other:?}"))),
        };
        let (to, input, seen) = (DeviceRows::of(x)?, self.shape.len(), self.seen.len());
        let len = samples * seen;
        check_size("gather", &[len, input])?;
        let [channels, seen_channels] = [self.shape, self.seen].map(|shape| match shape {
            InputShape::Image { channels, .. } => channels,
            InputShape::Vector { .. } => 1,
        });
        check(input / channels == seen / seen_channels && channels <= seen_channels, "shapes of a gather")?;
        check(to.count == 1 && to.len >= len && self.pixels.is_contiguous(), "gather on a device")?;
        Executor::with(x.device(), |on| {
            on.launch(Launch {
                kernel,
                grid: [ceil_div(len, 256), 1, 1],
                threads: 256,
                shared: 0,
                arguments: GatherArguments {
                    x: to.address,
                    pixels: address_of(self.pixels)?,
                    step: on.step()?,
                    augmentation: AugmentationArguments::new(self.augmenter, self.shape),
                    len: len as u32,
                    input: input as u32,
                    seen: seen as u32,
                    channels: channels as u32,
                    seen_channels: seen_channels as u32,
                },
            })
        })
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
struct NoisedLabelsArguments {
    z: RowsOf,
    step: DeviceStep,
    seed: u64,
    purpose: u32,
    samples: u32,
    width: u32,
}

// SAFETY: mirrors the struct in cuda.cu; padding only at its end.
unsafe impl Arguments for NoisedLabelsArguments {}

/// A thread draws one value. Epoch, samples, classes, blocks and ᾱ are those of the running step.
pub(super) fn noised_labels(op: &NoisedLabels<'_>, on: &Executor<'_>, z: DeviceRows) -> Result<()> {
    let (samples, width) = (op.samples.len(), op.width);
    on.launch(Launch {
        kernel: "noised_labels",
        grid: [ceil_div(samples * width, 128), z.count as u32, 1],
        threads: 128,
        shared: 0,
        arguments: NoisedLabelsArguments {
            z: z.rows(),
            step: on.step()?,
            seed: op.seed,
            purpose: Purpose::LabelNoise as u32,
            samples: samples as u32,
            width: width as u32,
        },
    })
}
