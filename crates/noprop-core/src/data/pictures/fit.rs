//! Pictures of any size as samples of one.

use super::decode::Picture;
use crate::data::preprocessing::Fit;
use crate::{Code, Error, Result};
use fast_image_resize::images::TypedImage;
use fast_image_resize::pixels::U8x4;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

/// Makes pictures as large as samples; keeps its buffers.
pub(super) struct Fitter {
    height: usize,
    width: usize,
    fit: Fit,
    resizer: Resizer,
}

impl Fitter {
    pub fn new(height: usize, width: usize, fit: Fit) -> Self {
        Self { height, width, fit, resizer: Resizer::new() }
    }

    /// The picture at `[height, width]`, four bytes a pixel.
    pub fn apply(&mut self, picture: Picture) -> Result<Picture> {
        let (height, width) = (self.height, self.width);
        if (picture.height, picture.width) == (height, width) {
            return Ok(picture);
        }
        let (inner_height, inner_width) = match self.fit {
            Fit::Cover | Fit::Stretch => (height, width),
            Fit::Contain => contained((picture.height, picture.width), (height, width)),
        };
        let resized = self.resize(picture, inner_height, inner_width)?;
        if (inner_height, inner_width) == (height, width) {
            return Ok(resized);
        }
        let mut padded = Picture { height, width, pixels: vec![0; height * width * 4] };
        let middle = |outer: usize, inner: usize| ((outer - inner) as f64 / 2.0).round_ties_even() as usize;
        let (top, left) = (middle(height, inner_height), middle(width, inner_width));
        for (row, pixels) in resized.pixels.chunks_exact(inner_width * 4).enumerate() {
            let start = ((top + row) * width + left) * 4;
            padded.pixels[start..start + pixels.len()].copy_from_slice(pixels);
        }
        Ok(padded)
    }

    fn resize(&mut self, mut picture: Picture, height: usize, width: usize) -> Result<Picture> {
        let failed = |error: &dyn std::fmt::Display| {
            Error::new(Code::Internal, "a picture cannot be resized").received(error.to_string())
        };
        let side = |size: usize| u32::try_from(size).map_err(|error| failed(&error));
        let mut pixels = vec![0; height * width * 4];
        // Both of one type, that of the library's own buffers, for which it is compiled once then.
        let source = TypedImage::<U8x4>::from_buffer(side(picture.width)?, side(picture.height)?, &mut picture.pixels)
            .map_err(|error| failed(&error))?;
        let mut target =
            TypedImage::from_buffer(side(width)?, side(height)?, &mut pixels).map_err(|error| failed(&error))?;
        let filter = ResizeAlg::Convolution(FilterType::Bilinear);
        // What is transparent is black by now.
        let options = ResizeOptions::new().resize_alg(filter).use_alpha(false);
        let options = if self.fit == Fit::Cover { options.fit_into_destination(Some((0.5, 0.5))) } else { options };
        self.resizer.resize_typed(&source, &mut target, &options).map_err(|error| failed(&error))?;
        Ok(Picture { height, width, pixels })
    }
}

/// The largest height and width within `outer` of the ratio of `inner`, at least one pixel.
fn contained(inner: (usize, usize), outer: (usize, usize)) -> (usize, usize) {
    let scaled = |side: usize, by: usize, of: usize, most: usize| {
        ((side as f64 / of as f64 * by as f64).round_ties_even() as usize).clamp(1, most)
    };
    // Whether the width is what limits it: inner's ratio is wider than outer's.
    if inner.1 * outer.0 >= outer.1 * inner.0 {
        (scaled(inner.0, outer.1, inner.1, outer.0), outer.1)
    } else {
        (outer.0, scaled(inner.1, outer.0, inner.0, outer.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_kept_within_a_frame() {
        for (inner, outer, expected) in [
            ((100, 200), (10, 10), (5, 10)),
            ((200, 100), (10, 10), (10, 5)),
            ((1, 1000), (8, 8), (1, 8)),
            ((3, 3), (4, 8), (4, 4)),
            ((10, 20), (20, 40), (20, 40)),
        ] {
            assert_eq!(contained(inner, outer), expected, "{inner:?} in {outer:?}");
        }
    }
}
