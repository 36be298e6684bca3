//! The kernels against the operations on the processor.

use super::{DeviceGather, Gather, NoisedLabels};
use crate::cuda::StepValues;
use crate::cuda::parity::{Input, Parity, Values};
use crate::data::augment::Augmenter;
use crate::data::{Augment, Dataset, InputShape, Pixels};
use crate::error::Result;
use crate::ops::Buffer;
use candle_core::{DType, Tensor};

const SEED: u64 = 0x0123_4567_89ab_cdef;
const EPOCH: usize = 3;

/// A step of 5 samples in epoch [`EPOCH`] with blocks 1 to `blocks` and their ᾱ.
fn in_step(
    parity: &mut Parity,
    blocks: usize,
    work: impl FnOnce(&mut Parity, [&[u32]; 2], &[usize], &[f64]) -> Result<()>,
) -> Result<()> {
    let (samples, classes) = ([6, 0, 3, 3, 1], [2, 0, 1, 2, 2]);
    let numbers: Vec<usize> = (1..=blocks).collect();
    let words: Vec<u32> = (1..=blocks as u32).collect();
    let alpha_bars: Vec<f64> = (0..blocks).map(|k| k as f64 / blocks as f64).collect();
    let values = StepValues { epoch: EPOCH as u32, samples: 5, ..StepValues::default() };
    parity.in_step(values, [&samples, &classes, &words], &alpha_bars, &vec![1.0; blocks], |parity| {
        work(parity, [&samples, &classes], &numbers, &alpha_bars)
    })
}

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    // Exactly: one value is copied, or one byte divided as IEEE 754 says.
    let image = |height, width, channels| InputShape::Image { height, width, channels };
    let none = Augment::default();
    let cases = [
        (InputShape::Vector { len: 1 }, none),
        (InputShape::Vector { len: 257 }, none),
        (image(2, 2, 1), none),
        (image(5, 4, 3), Augment { shift: 3, flip: true }),
        (image(9, 31, 1), Augment { shift: 2, flip: false }),
        (image(1, 7, 2), Augment { shift: 0, flip: true }),
    ];
    for (shape, augment) in cases {
        let input = shape.len();
        let augmenter = (!augment.is_none()).then_some(Augmenter { augment, seed: SEED, epoch: EPOCH });
        let bytes: Vec<u8> = (0..7 * input).map(|i| (i * 37 % 256) as u8).collect();
        let numbers: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte) * 0.3 - 20.0).collect();
        for (name, pixels) in [("bytes", Pixels::U8(bytes)), ("f32", Pixels::F32(numbers))] {
            let on_device = match &pixels {
                Pixels::U8(values) => Tensor::new(&values[..], parity.device())?,
                Pixels::F32(values) => Tensor::new(&values[..], parity.device())?,
            };
            let data = Dataset::from_arrays(pixels, shape, None)?;
            in_step(parity, 1, |parity, [samples, _], _, _| {
                let inputs = [Input(1, 6 * input, Values::Poison)];
                let changes = if augment.is_none() { String::new() } else { format!(", {augment:?}") };
                let case = format!("gather {name} [5, {shape}]{changes}");
                parity.compare(case, 0.0, &inputs, |b| match b[0].dtype() {
                    DType::F64 => Gather { data: &data, samples, augmenter }.fill(&b[0]),
                    _ => DeviceGather { pixels: &on_device, shape, seen: shape, augmenter }.fill(&b[0], samples.len()),
                })
            })?;
        }
    }
    padded_channels(parity)?;
    // Two roundings to f32 of sums in double precision, at most 6 in size.
    for (blocks, width) in [(1, 3), (3, 11), (10, 100)] {
        in_step(parity, blocks, |parity, [samples, classes], blocks, alpha_bars| {
            let inputs = [Input(blocks.len(), 6 * width, Values::Poison)];
            let op = NoisedLabels { alpha_bars, blocks, seed: SEED, epoch: EPOCH, samples, classes, width };
            parity.compare(format!("noised labels [{}, 5, {width}]", blocks.len()), 1e-7, &inputs, |b| op.fill(&b[0]))
        })?;
    }
    Ok(())
}

/// Images of one and of three channels that x has four of.
fn padded_channels(parity: &mut Parity) -> Result<()> {
    for (channels, augment) in [(1, Augment::default()), (3, Augment { shift: 2, flip: true })] {
        let shape = InputShape::Image { height: 5, width: 6, channels };
        let seen = InputShape::Image { height: 5, width: 6, channels: 4 };
        let augmenter = (!augment.is_none()).then_some(Augmenter { augment, seed: SEED, epoch: EPOCH });
        let bytes: Vec<u8> = (0..7 * shape.len()).map(|i| (i * 37 % 256) as u8).collect();
        let pixels = Tensor::new(&bytes[..], parity.device())?;
        let data = Dataset::from_arrays(Pixels::U8(bytes), shape, None)?;
        in_step(parity, 1, |parity, [samples, _], _, _| {
            let inputs = [Input(1, 6 * seen.len(), Values::Poison)];
            parity.compare(format!("gather bytes [5, {shape}] as {seen}, {augment:?}"), 0.0, &inputs, |b| {
                if b[0].dtype() == DType::F32 {
                    return DeviceGather { pixels: &pixels, shape, seen, augmenter }.fill(&b[0], samples.len());
                }
                let packed = Buffer::new(Tensor::zeros((1, samples.len() * shape.len()), DType::F64, b[0].device())?)?;
                Gather { data: &data, samples, augmenter }.fill(&packed)?;
                let pixels = packed.reshape((samples.len() * 30, channels))?;
                let wide = pixels.pad_with_zeros(1, 0, 4 - channels)?.reshape((1, samples.len() * seen.len()))?;
                Ok(b[0].slice_set(&wide, 1, 0)?)
            })
        })?;
    }
    Ok(())
}
