//! Augmentation of training images: shifted, mirrored and cut out, anew in every epoch.
//!
//! What happens to an image is a function of (seed, epoch, sample) alone, so all blocks see the same batches, and no schedule
//! can change them. Evaluation and prediction see images as they are. Of this package: the paper states no augmentation.

mod flip;
mod mixup;

pub use flip::Flip;

use super::dataset::Stored;
use super::{Dataset, InputShape};
use crate::rng::{Purpose, Stream};
use crate::{Code, Error, Result};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// How training images are changed. The default changes nothing.
///
/// ```
/// use noprop_core::data::{Augment, Flip, InputShape};
///
/// let augment = Augment { shift: 4, flip: Flip::Random, cutout: 0 };
/// augment.check(InputShape::new(&[32, 32, 3])?)?;
/// let (seed, epoch, sample) = (0, 3, 12);
/// let change = augment.draw(seed, epoch, sample);
/// assert!(change.down.abs() <= 4 && change.right.abs() <= 4);
/// assert_eq!(augment.draw(seed, epoch, sample), change);
/// # Ok::<(), noprop_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Greatest shift up, down, left and right, pixels: each from 0 to this is equally likely in either direction. What
    /// comes into the picture is 0. Default 0.
    pub shift: usize,
    /// Which images are mirrored left to right. Default none.
    pub flip: Flip,
    /// Side of a square, pixels, that becomes 0 in every image (DeVries & Taylor 2017). Its centre may be any pixel; what lies outside of
    /// the image is cut off. Default 0: no square.
    #[serde(skip_serializing_if = "is_zero")]
    pub cutout: usize,
}

/// As older checkpoints and model files have it.
fn is_zero(value: &usize) -> bool {
    *value == 0
}

impl Augment {
    /// Whether every image stays as it is.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Checks against the shape of the data.
    ///
    /// # Errors
    /// [`Code::Option`] when samples are no images, or when a shift could leave nothing of one.
    pub fn check(&self, shape: InputShape) -> Result<()> {
        let InputShape::Image { height, width, .. } = shape else {
            if self.is_none() {
                return Ok(());
            }
            return Err(Error::new(Code::Option, "option augment needs images")
                .expected("samples of [height, width] or [height, width, channels]")
                .received(format!("samples of {shape} values"))
                .hint("leave augment out, or give the data the shape of its images"));
        };
        let most = height.min(width) - 1;
        for (name, value) in [("shift", self.shift), ("cutout", self.cutout)] {
            if value > most {
                return Err(Error::new(Code::Option, format!("option augment.{name} is out of range"))
                    .expected(format!("0 to {most} pixels for images of {shape}"))
                    .received(value.to_string()));
            }
        }
        Ok(())
    }

    /// What happens to a sample in an epoch (from 0).
    pub fn draw(&self, seed: u64, epoch: usize, sample: usize) -> Change {
        let words = |epoch| Stream::new(seed, Purpose::Augment, 0, epoch, sample).words(0);
        let [down, right, flip, place] = words(epoch);
        let places = 2 * self.shift as u64 + 1;
        // A word as a share of 2³² picks one of the places.
        let shift = |word: u32| ((u64::from(word) * places) >> 32) as isize - self.shift as isize;
        let is_mirrored = |word: u32| word >> 31 == 1;
        let flip = match self.flip {
            Flip::Never => false,
            Flip::Random => is_mirrored(flip),
            // As in the first epoch, then the other way round in every other one.
            Flip::Alternating => is_mirrored(words(0)[2]) != (epoch % 2 == 1),
        };
        let hole = (self.cutout > 0).then_some(Hole { place, side: self.cutout });
        Change { down: shift(down), right: shift(right), flip, hole }
    }
}

/// What an augmentation needs to know besides the sample.
#[derive(Debug, Clone, Copy)]
pub struct Augmenter {
    /// The kind of change.
    pub augment: Augment,
    /// Seed of the model.
    pub seed: u64,
    /// Epoch, from 0.
    pub epoch: usize,
    /// α of the mixing with other samples; 0 for none.
    pub mixup: f64,
}

impl Augmenter {
    /// The same for the kernel that gathers samples of `shape` on a device; the epoch comes with the step there. `None` for
    /// samples that are no images.
    pub(crate) fn on_device(&self, shape: InputShape) -> Option<crate::ops::batch::ImageChanges> {
        let InputShape::Image { height, width, channels } = shape else { return None };
        let Augment { shift, flip, cutout } = self.augment;
        let (seed, flip, image) = (self.seed, flip.mirrored(), [height, width, channels]);
        Some(crate::ops::batch::ImageChanges { seed, shift, flip, cutout, image })
    }

    /// Writes one sample, changed, as a net sees it, to `out` of `data.shape().len()` values. Panics as
    /// [`Dataset::value`] does.
    ///
    /// # Errors
    /// Those of [`Dataset::value`].
    pub fn value(&self, data: &Dataset, sample: usize, out: &mut [f32]) -> Result<()> {
        self.augment.draw(self.seed, self.epoch, sample).value(data, sample, out)?;
        match mixup::draw(self.mixup, (self.seed, self.epoch, sample), data.samples()) {
            None => Ok(()),
            Some(mix) => mix.into_value(out, |other, values| {
                self.augment.draw(self.seed, self.epoch, other).value(data, other, values)
            }),
        }
    }
}

/// What happens to one image: it is mirrored, then shifted, then a square of it becomes 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Pixels down; up where negative.
    pub down: isize,
    /// Pixels to the right; to the left where negative.
    pub right: isize,
    /// Whether it is mirrored left to right.
    pub flip: bool,
    /// Where the square is, if there is one.
    pub hole: Option<Hole>,
}

/// A square whose values become 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// Its centre, as a share of 2³² of the pixels.
    pub place: u32,
    /// Its side, pixels.
    pub side: usize,
}

impl Hole {
    /// Its rows and columns in an image of this size.
    pub fn area(&self, (height, width): (usize, usize)) -> [Range<usize>; 2] {
        let centre = ((u64::from(self.place) * (height * width) as u64) >> 32) as usize;
        let side = |centre: usize, len: usize| {
            let first = centre as isize - (self.side / 2) as isize;
            let last = first.saturating_add_unsigned(self.side);
            first.max(0) as usize..(last.max(0) as usize).min(len)
        };
        [side(centre / width, height), side(centre % width, width)]
    }
}

impl Change {
    /// The plain definition: which pixel (row, column) of an image of `size` (height, width) becomes the pixel at `at`. None
    /// where nothing does.
    pub fn source(&self, size: (usize, usize), at: (usize, usize)) -> Option<(usize, usize)> {
        let (height, width) = size;
        if let Some([rows, columns]) = self.hole.map(|hole| hole.area(size))
            && rows.contains(&at.0)
            && columns.contains(&at.1)
        {
            return None;
        }
        let row = at.0.checked_add_signed(-self.down).filter(|row| *row < height)?;
        let column = at.1.checked_add_signed(-self.right).filter(|column| *column < width)?;
        Some((row, if self.flip { width - 1 - column } else { column }))
    }

    /// Writes one sample, changed, as a net sees it. A vector stays as it is. Panics as [`Dataset::value`] does.
    ///
    /// # Errors
    /// Those of [`Dataset::value`].
    pub fn value(&self, data: &Dataset, sample: usize, out: &mut [f32]) -> Result<()> {
        let InputShape::Image { height, width, channels } = data.shape() else {
            return data.value(sample, out);
        };
        let size = [height, width, channels];
        match data.stored(sample)? {
            Stored::U8(values) => self.rows(size, &values, out, |value| f32::from(value) / 255.0),
            Stored::F32(values) => self.rows(size, &values, out, |value| value),
        }
        Ok(())
    }

    /// [`source`](Self::source) row by row: what is seen of a row is one piece of one row.
    fn rows<P: Copy>(
        &self,
        [height, width, channels]: [usize; 3],
        from: &[P],
        to: &mut [f32],
        convert: impl Fn(P) -> f32,
    ) {
        assert_eq!(from.len(), to.len(), "out must hold one sample");
        let seen = visible(self.right, width);
        for (row, to) in to.chunks_exact_mut(width * channels).enumerate() {
            let Some(row) = row.checked_add_signed(-self.down).filter(|row| *row < height) else {
                to.fill(0.0);
                continue;
            };
            to[..seen.start * channels].fill(0.0);
            to[seen.end * channels..].fill(0.0);
            let to = &mut to[seen.start * channels..seen.end * channels];
            // Columns of the row before it was mirrored.
            let first = seen.start.saturating_add_signed(-self.right);
            let columns = if self.flip { width - first - seen.len()..width - first } else { first..first + seen.len() };
            let from = &from[row * width * channels..(row + 1) * width * channels];
            let from = &from[columns.start * channels..columns.end * channels];
            if self.flip {
                let pixels = to.chunks_exact_mut(channels).zip(from.rchunks_exact(channels));
                pixels.for_each(|(to, from)| to.iter_mut().zip(from).for_each(|(to, from)| *to = convert(*from)));
            } else {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = convert(*from));
            }
        }
        if let Some(hole) = self.hole {
            let [rows, columns] = hole.area((height, width));
            for row in to[rows.start * width * channels..rows.end * width * channels].chunks_exact_mut(width * channels)
            {
                row[columns.start * channels..columns.end * channels].fill(0.0);
            }
        }
    }
}

/// The places of a line of `len` that something of the line covers when it is moved by `shift`.
fn visible(shift: isize, len: usize) -> Range<usize> {
    let hidden = shift.unsigned_abs().min(len);
    if shift < 0 { 0..len - hidden } else { hidden..len }
}

#[cfg(test)]
mod tests;
