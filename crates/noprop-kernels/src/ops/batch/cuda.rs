//! Launches of the kernels in `cuda.cu`.

use super::NoisedLabels;
use crate::cuda::product::check_size;
use crate::cuda::{Address, Arguments, DeviceRows, DeviceStep, Executor, Launch, RowsOf, address_of, ceil_div};
use crate::error::{Code, Error, Result};
use crate::rng::Purpose;
use crate::tensor::{Buffer, check};
use candle_core::{DType, Tensor};

/// How images are changed on the way into a batch: shifted by up to `shift` pixels, mirrored, and cut out.
#[derive(Debug, Clone, Copy)]
pub struct ImageChanges {
    /// Seed of the model.
    pub seed: u64,
    /// Greatest shift, pixels.
    pub shift: usize,
    /// Which images are mirrored left to right.
    pub flip: Mirrored,
    /// Side of the square that becomes 0, pixels.
    pub cutout: usize,
    /// `[height, width, channels]`, at most 2³² values.
    pub image: [usize; 3],
}

/// Which images are mirrored left to right, as kernels are told.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub enum Mirrored {
    /// None.
    Never = 0,
    /// Every second one by chance, anew in every epoch.
    Random = 1,
    /// Every second one by chance in the first epoch, the others in the next, and so on.
    Alternating = 2,
}

/// Gathers, on a device, the samples that the running [`DeviceStep`] names from a data set that lies there.
#[derive(Debug, Clone, Copy)]
pub struct DeviceGather<'a> {
    /// `[N · input]` or `[N, input]`, as f32 or as bytes, which the net sees divided by 255.
    pub pixels: &'a Tensor,
    /// Values of one sample.
    pub input: usize,
    /// Channels of an image; 1 for vectors.
    pub channels: usize,
    /// Channels that an image has in x: as many, or more, which are 0.
    pub seen_channels: usize,
    /// What changes images on the way, if anything does. The epoch is that of the running step.
    pub changes: Option<ImageChanges>,
}

/// Mirrors the struct in cuda.cu. All zero where samples stay as they are.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct AugmentationArguments {
    seed: u64,
    purpose: u32,
    shift: u32,
    flip: u32,
    cutout: u32,
    height: u32,
    width: u32,
    channels: u32,
}

impl AugmentationArguments {
    fn new(changes: Option<ImageChanges>) -> Self {
        let Some(ImageChanges { seed, shift, flip, cutout, image: [height, width, channels] }) = changes else {
            return Self::default();
        };
        Self {
            seed,
            purpose: Purpose::Augment as u32,
            shift: shift as u32,
            flip: flip as u32,
            cutout: cutout as u32,
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
    pub fn fill(&self, x: &Buffer, samples: usize) -> Result<()> {
        let kernel = match self.pixels.dtype() {
            DType::U8 => "gather_u8",
            DType::F32 => "gather_f32",
            other => return Err(Error::new(Code::Internal, format!("samples cannot be gathered from {other:?}"))),
        };
        let Self { input, channels, seen_channels, .. } = *self;
        check(input.is_multiple_of(channels) && channels <= seen_channels, "channels of a gather")?;
        let (to, seen) = (DeviceRows::of(x)?, input / channels * seen_channels);
        let len = samples * seen;
        check_size("gather", &[len, input])?;
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
                    augmentation: AugmentationArguments::new(self.changes),
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
