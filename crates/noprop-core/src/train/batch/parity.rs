//! The kernels against the operations on the processor.

use super::Gather;
use crate::cuda::parity::{Input, Parity, Values, in_batch_step};
use crate::data::augment::Augmenter;
use crate::data::{Augment, Dataset, Flip, InputShape, Pixels};
use crate::error::Result;
use crate::ops::batch::DeviceGather;
use crate::tensor::Buffer;
use candle_core::{DType, Tensor};

const SEED: u64 = 0x0123_4567_89ab_cdef;
const EPOCH: usize = 3;

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    // Exactly: one value is copied, or one byte divided as IEEE 754 says.
    let image = |height, width, channels| InputShape::Image { height, width, channels };
    let none = Augment::default();
    let cases = [
        (InputShape::Vector { len: 1 }, none),
        (InputShape::Vector { len: 257 }, none),
        (image(2, 2, 1), none),
        (image(5, 4, 3), Augment { shift: 3, flip: Flip::Random, cutout: 0 }),
        (image(9, 31, 1), Augment { shift: 2, flip: Flip::Never, cutout: 0 }),
        (image(1, 7, 2), Augment { shift: 0, flip: Flip::Random, cutout: 0 }),
        (image(6, 7, 2), Augment { shift: 1, flip: Flip::Alternating, cutout: 3 }),
    ];
    for (shape, augment) in cases {
        let input = shape.len();
        let augmenter = (!augment.is_none()).then_some(Augmenter { augment, seed: SEED, epoch: EPOCH, mixup: 0.0 });
        let bytes: Vec<u8> = (0..7 * input).map(|i| (i * 37 % 256) as u8).collect();
        let numbers: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte) * 0.3 - 20.0).collect();
        for (name, pixels) in [("bytes", Pixels::U8(bytes)), ("f32", Pixels::F32(numbers))] {
            let on_device = match &pixels {
                Pixels::U8(values) => Tensor::new(&values[..], parity.device())?,
                Pixels::F32(values) => Tensor::new(&values[..], parity.device())?,
                // None is made here.
                Pixels::Disk(_) => continue,
            };
            let data = Dataset::from_arrays(pixels, shape, None)?;
            in_batch_step(parity, EPOCH, 1, |parity, [samples, _], _, _| {
                let inputs = [Input(1, 6 * input, Values::Poison)];
                let changes = if augment.is_none() { String::new() } else { format!(", {augment:?}") };
                let case = format!("gather {name} [5, {shape}]{changes}");
                parity.compare(case, 0.0, &inputs, |b| match b[0].dtype() {
                    DType::F64 => Gather { data: &data, samples, augmenter }.fill(&b[0]),
                    _ => {
                        let changes = augmenter.and_then(|augmenter| augmenter.on_device(shape));
                        let (input, channels) = (shape.len(), shape.channels());
                        let gather =
                            DeviceGather { pixels: &on_device, input, channels, seen_channels: channels, changes };
                        gather.fill(&b[0], samples.len())
                    }
                })
            })?;
        }
    }
    padded_channels(parity)
}

/// Images of one and of three channels that x has four of.
fn padded_channels(parity: &mut Parity) -> Result<()> {
    for (channels, augment) in [(1, Augment::default()), (3, Augment { shift: 2, flip: Flip::Random, cutout: 0 })] {
        let shape = InputShape::Image { height: 5, width: 6, channels };
        let seen = InputShape::Image { height: 5, width: 6, channels: 4 };
        let augmenter = (!augment.is_none()).then_some(Augmenter { augment, seed: SEED, epoch: EPOCH, mixup: 0.0 });
        let bytes: Vec<u8> = (0..7 * shape.len()).map(|i| (i * 37 % 256) as u8).collect();
        let pixels = Tensor::new(&bytes[..], parity.device())?;
        let data = Dataset::from_arrays(Pixels::U8(bytes), shape, None)?;
        in_batch_step(parity, EPOCH, 1, |parity, [samples, _], _, _| {
            let inputs = [Input(1, 6 * seen.len(), Values::Poison)];
            parity.compare(format!("gather bytes [5, {shape}] as {seen}, {augment:?}"), 0.0, &inputs, |b| {
                if b[0].dtype() == DType::F32 {
                    let changes = augmenter.and_then(|augmenter| augmenter.on_device(shape));
                    let gather =
                        DeviceGather { pixels: &pixels, input: shape.len(), channels, seen_channels: 4, changes };
                    return gather.fill(&b[0], samples.len());
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

#[cfg(all(test, feature = "emulation"))]
mod tests {
    use super::*;
    use crate::cuda::Multiply;
    use candle_core::Device;

    #[test]
    fn gathering_equals_the_reference_on_the_emulation() {
        let mut compared = Parity::new(Device::Cpu, Multiply::F32);
        parity(&mut compared).unwrap();
        compared.assert_passed();
        assert_eq!(compared.into_found().comparisons.len(), 16);
    }
}
