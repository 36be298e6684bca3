//! Samples that carry their labels.

use super::cuda::{ForwardForwardArguments, NONE, by_rows};
use super::{NEGATIVE, POSITIVE, scale, squares};
use crate::cuda::{DeviceRows, Executor};
use crate::error::Result;
use crate::ops::{BlockOp, Cut, apply};
use crate::tensor::{Buffer, Real, check};
use candle_core::Tensor;
use std::ops::Range;

/// y `[streams, samples, width]` of x `[samples, width − before]` and z `[samples, classes]`, which is 1 at the right class and −1 at a wrong one.
/// Each row is scaled to length √width.
#[derive(Debug, Clone, Copy)]
pub struct Streams {
    /// Samples.
    pub samples: usize,
    /// Streams: all three in training, else the last alone.
    pub streams: usize,
    /// Values of a row of y.
    pub width: usize,
    /// Values of a label that stand before the sample's instead of in their place.
    pub before: usize,
    /// Values of a label.
    pub classes: usize,
}

impl Streams {
    /// Writes y.
    pub fn forward(&self, y: &Buffer, x: &Tensor, z: &Tensor) -> Result<()> {
        apply(&Forward { of: *self, rows: 0..self.rows() }, y, [x, z])
    }

    pub(super) fn rows(&self) -> usize {
        self.streams * self.samples
    }

    /// Values of a sample.
    pub(super) fn len(&self) -> usize {
        self.width - self.before
    }

    fn check(&self, rows: usize, y: usize, [x, z]: [usize; 2]) -> Result<()> {
        let Self { samples, width, before, classes, .. } = *self;
        check(before <= width && y >= rows * width && x >= samples * self.len(), "streams of samples")?;
        check(z >= samples * classes && classes <= width, "streams of labels")
    }
}

/// Some of the rows of y.
struct Forward {
    of: Streams,
    rows: Range<usize>,
}

impl BlockOp<2> for Forward {
    const NAME: &'static str = "forward-forward-streams";
    fn block<T: Real>(&self, _: usize, y: &mut [T], [x, z]: [&[T]; 2]) -> Result<()> {
        let Streams { samples, streams, width, before, classes } = self.of;
        self.of.check(self.rows.len(), y.len(), [x.len(), z.len()])?;
        for (to, row) in y.chunks_exact_mut(width).zip(self.rows.clone()) {
            let (stream, sample) = (row / samples, row % samples);
            to[before..].copy_from_slice(&x[sample * self.of.len()..][..self.of.len()]);
            for (value, z) in to.iter_mut().zip(&z[sample * classes..][..classes]) {
                *value = match stream {
                    _ if stream + 1 == streams => T::of(1.0 / classes as f64),
                    POSITIVE if *z == T::one() => T::one(),
                    NEGATIVE if *z == -T::one() => T::one(),
                    _ => T::zero(),
                };
            }
            let factor = scale::<T>(squares(to, false), width);
            to.iter_mut().for_each(|value| *value *= factor);
        }
        Ok(())
    }
    fn cut(&self) -> Option<Cut<2>> {
        Some(Cut::rows(self.rows.len(), self.of.width, [0, 0]))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self { rows: self.rows.start + rows.start..self.rows.start + rows.end, ..*self }
    }
    fn launch(&self, on: &Executor<'_>, y: DeviceRows, [x, z]: [DeviceRows; 2]) -> Result<()> {
        self.of.check(self.rows.len(), y.len, [x.len, z.len])?;
        let Streams { samples, streams, width, before, classes } = self.of;
        let arguments = ForwardForwardArguments {
            to: y.rows(),
            from: x.rows(),
            labels: z.rows(),
            rows: self.rows.len() as u32,
            samples: samples as u32,
            width: width as u32,
            before: before as u32,
            classes: classes as u32,
            streams: streams as u32,
            ..NONE
        };
        by_rows(on, "forward_forward_streams", y.count, arguments)
    }
}
