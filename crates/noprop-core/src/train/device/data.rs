//! The data set on a device, uploaded once.

use crate::cuda::Engine;
use crate::data::augment::Augmenter;
use crate::data::{Dataset, InputShape, Pixels};
use crate::error::Result;
use crate::ops::batch::DeviceGather;
use crate::storage::container::from_bytes;
use crate::tensor::Buffer;
use candle_core::Tensor;
use std::ops::Range;

/// The samples of a data set as they are, bytes or numbers; what a net sees is made on the device, batch by batch.
pub(crate) struct DeviceData {
    /// U8 or f32 `[samples · input]`.
    pixels: Tensor,
    /// Shape of one sample.
    shape: InputShape,
}

impl DeviceData {
    /// Copies the data there.
    pub(crate) fn upload(engine: &Engine, data: &Dataset) -> Result<Self> {
        Self::upload_part(engine, data, 0..data.samples())
    }

    /// Copies some of the samples there, the first of which is then sample 0.
    pub(crate) fn upload_part(engine: &Engine, data: &Dataset, samples: Range<usize>) -> Result<Self> {
        let (device, input) = (&engine.device, data.shape().len());
        let (range, len) = (samples.start * input..samples.end * input, samples.len() * input);
        let pixels = match data.pixels() {
            Pixels::U8(values) => Tensor::from_slice(&values[range], len, device)?,
            Pixels::F32(values) => Tensor::from_slice(&values[range], len, device)?,
            Pixels::Disk(values) if values.is_floats() => {
                Tensor::from_vec(from_bytes(&values.read(samples)?), len, device)?
            }
            Pixels::Disk(values) => Tensor::from_vec(values.read(samples)?, len, device)?,
        };
        Ok(Self { pixels, shape: data.shape() })
    }

    /// x `[1, capacity · input]` of the running step, whose samples are seen in the shape `seen` (see
    /// [`NetConfig::launched_input`](crate::net::NetConfig::launched_input)), changed by `augmenter`, if there is one.
    pub(crate) fn gather(
        &self,
        x: &Buffer,
        seen: InputShape,
        samples: usize,
        augmenter: Option<Augmenter>,
    ) -> Result<()> {
        let changes = augmenter.and_then(|augmenter| augmenter.on_device(self.shape));
        let [channels, seen_channels] = [self.shape, seen].map(InputShape::channels);
        DeviceGather { pixels: &self.pixels, input: self.shape.len(), channels, seen_channels, changes }
            .fill(x, samples)
    }

    /// Bytes that `data` take on a device.
    pub(crate) fn bytes(data: &Dataset) -> usize {
        match data.pixels() {
            Pixels::U8(values) => values.len(),
            Pixels::F32(values) => 4 * values.len(),
            Pixels::Disk(values) if values.is_floats() => 4 * values.len(),
            Pixels::Disk(values) => values.len(),
        }
    }
}
