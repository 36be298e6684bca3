//! Several views of an image: itself, mirrored, moved by a pixel. An answer is then read off the mean of their states, which is often better
//! than any of them. Which views there are is a function of their number alone.

use super::SampleOptions;
use crate::config;
use crate::data::{Dataset, InputShape, augment::Change};
use crate::device::DeviceChoice;
use crate::error::{Code, Error, Result};
use crate::model::Model;
use crate::ops::{BlockOp, Cut, apply};
use crate::tensor::{Buffer, Real, check};
use std::ops::Range;

/// Where views stand, pixels down and to the right; each is there as it is and mirrored.
const PLACES: [[isize; 2]; 5] = [[0, 0], [-1, -1], [1, 1], [-1, 1], [1, -1]];
/// Greatest number of views.
pub(super) const MOST: usize = 2 * PLACES.len();

/// A view (from 0) of every image.
pub(super) fn view(number: usize) -> Change {
    let [down, right] = PLACES[number / 2];
    Change { down, right, flip: number % 2 == 1, hole: None }
}

/// How many views of each sample are asked for.
///
/// # Errors
/// [`Code::Option`] out of the range, for samples that are no images, or with what is about one view; [`Code::Device`] for GPUs.
pub(super) fn views(model: &Model, options: &SampleOptions) -> Result<usize> {
    let views = options.views.unwrap_or(1);
    if !(1..=MOST).contains(&views) {
        return Err(config::out_of_range("views", format!("1 to {MOST}"), views));
    }
    if views == 1 {
        return Ok(1);
    }
    let input = model.checked.config.input;
    if !matches!(input, InputShape::Image { .. }) {
        return Err(Error::new(Code::Option, "option views needs images")
            .expected("samples of [height, width] or [height, width, channels], or 1 view")
            .received(format!("samples of {input} values")));
    }
    if options.confidence.is_some() {
        return refuse(options, "option confidence").map(|()| 1);
    }
    if let DeviceChoice::Cuda(_) | DeviceChoice::AllCuda = options.device {
        return Err(Error::new(Code::Device, "option views does not serve on GPUs yet")
            .expected("device auto or cpu")
            .received(options.device.to_string()));
    }
    Ok(views)
}

/// Whether there is one view alone, as something else needs it.
///
/// # Errors
/// [`Code::Option`] for more.
pub(super) fn refuse(options: &SampleOptions, what: &str) -> Result<()> {
    match options.views {
        None | Some(1) => Ok(()),
        Some(views) => Err(Error::new(Code::Option, format!("option views does not go with {what}"))
            .expected("one of the two")
            .received(format!("{views} views"))),
    }
}

/// Samples of a data set, all changed alike.
pub(super) struct Viewed<'a> {
    pub data: &'a Dataset,
    pub samples: &'a [u32],
    pub change: Change,
}

impl Viewed<'_> {
    /// Writes them to the beginning of x.
    pub fn fill(&self, x: &Buffer) -> Result<()> {
        apply(self, x, [])
    }
}

impl BlockOp<0> for Viewed<'_> {
    const NAME: &'static str = "viewed";
    fn block<T: Real>(&self, _: usize, x: &mut [T], []: [&[T]; 0]) -> Result<()> {
        let len = self.data.shape().len();
        check(x.len() >= self.samples.len() * len, "views")?;
        let Some(x) = T::f32s_mut(x) else { return check(false, "views in single precision") };
        let mut rows = x.chunks_exact_mut(len).zip(self.samples);
        rows.try_for_each(|(x, sample)| self.change.value(self.data, *sample as usize, x))
    }
    fn cut(&self) -> Option<Cut<0>> {
        Some(Cut::rows(self.samples.len(), self.data.shape().len(), []))
    }
    fn of_rows(&self, rows: Range<usize>) -> Self {
        Self { samples: &self.samples[rows], ..*self }
    }
}

#[cfg(test)]
mod tests;
