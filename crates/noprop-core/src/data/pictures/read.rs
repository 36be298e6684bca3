//! Many picture files as samples, on all cores.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::decode::{Header, Picture, decode};
use super::fit::Fitter;
use super::item::Item;
use crate::data::parallel::{each, lock};
use crate::data::preprocessing::{Fit, check_picture};
use crate::data::{Dataset, InputShape, Pixels};
use crate::memory::zeros;
use crate::tensor::StopFlag;
use crate::{Code, Error, Result};

/// How pictures become samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub height: usize,
    pub width: usize,
    /// 1 or 3.
    pub channels: usize,
    /// None: pictures of other sizes are refused.
    pub fit: Option<Fit>,
}

impl Target {
    /// # Errors
    /// [`Code::Shape`] unless the shape is that of an image of 1 or 3 channels.
    pub fn new(shape: &InputShape, fit: Option<Fit>) -> Result<Self> {
        shape.check()?;
        check_picture(*shape)?;
        let InputShape::Image { height, width, channels } = *shape else {
            return Err(Error::new(Code::Internal, "a picture that is no image"));
        };
        Ok(Self { height, width, channels, fit })
    }

    fn shape(&self) -> InputShape {
        InputShape::Image { height: self.height, width: self.width, channels: self.channels }
    }

    fn check(&self, path: &Path, header: Header) -> Result<()> {
        let Self { height, width, fit, .. } = *self;
        if fit.is_some() || (header.height, header.width) == (height, width) {
            return Ok(());
        }
        Err(Error::new(Code::Shape, format!("{} has the wrong size", path.display()))
            .expected(format!("{height} rows of {width} pixels"))
            .received(format!("{} rows of {} pixels", header.height, header.width))
            .hint(format!("resize it first, for example: magick IN.png -resize {width}x{height}! OUT.png")))
    }

    /// Bytes of a sample.
    pub fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether a picture can be read.
    pub fn try_read(&self, item: &Item) -> Result<()> {
        decode(item, |header| self.check(item.path(), header)).map(|_| ())
    }

    fn read(&self, item: &Item, fitter: &mut Fitter, out: &mut [u8]) -> Result<()> {
        let (picture, _room) = decode(item, |header| self.check(item.path(), header))?;
        let picture = fitter.apply(picture)?;
        debug_assert_eq!((picture.height, picture.width), (self.height, self.width));
        write(&picture, self.channels, out);
        Ok(())
    }
}

/// Writes colours, or for one channel their luma.
fn write(picture: &Picture, channels: usize, out: &mut [u8]) {
    for (out, pixel) in out.chunks_exact_mut(channels).zip(picture.pixels.chunks_exact(4)) {
        match out {
            [grey] => *grey = luma([pixel[0], pixel[1], pixel[2]]),
            _ => out.copy_from_slice(&pixel[..3]),
        }
    }
}

/// ITU-R 601 luma in 16-bit fixed point; the weights sum to 65,536, so that grey stays exactly what it is.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    ((u32::from(red) * 19_595 + u32::from(green) * 38_470 + u32::from(blue) * 7_471 + 32_768) >> 16) as u8
}

/// The files that could not be read: the position of each among the paths, and its error.
pub type Failures = Vec<(usize, Error)>;

/// Decodes picture files into an unlabelled data set of images of `shape`, in the order of `paths`.
///
/// Grey, colour, palette and 16-bit files all serve, turned upright as their EXIF data say: for one channel colours become grey
/// (ITU-R 601 luma), for three channels grey is repeated; transparent pixels are laid over black. Without `fit` the size must be
/// that of the shape.
///
/// # Errors
/// [`Code::Shape`] when the shape is not that of an image of 1 or 3 channels or a file has another size,
/// [`Code::FileNotFound`], [`Code::FileFormat`], [`Code::FileTruncated`], and [`Code::Count`] without any path.
pub fn load_images<P: AsRef<Path> + Sync>(paths: &[P], shape: &InputShape, fit: Option<Fit>) -> Result<Dataset> {
    let (data, failures) = load_sound_images(paths, shape, fit, &StopFlag::new())?;
    match (failures.into_iter().next(), data) {
        (Some((_, error)), _) => Err(error),
        (None, Some(data)) => Ok(data),
        (None, None) => Err(no_paths()),
    }
}

/// As [`load_images`], but leaves out what cannot be read. Returns the others (none if there is none) and, for each file that
/// was left out, its position in `paths` and its error.
///
/// # Errors
/// Those that concern no single file: [`Code::Shape`] when the shape is not that of an image of 1 or 3 channels, and
/// [`Code::Count`] without any path; [`Code::Memory`], [`Code::Cancelled`].
pub fn load_sound_images<P: AsRef<Path> + Sync>(
    paths: &[P],
    shape: &InputShape,
    fit: Option<Fit>,
    stop: &StopFlag,
) -> Result<(Option<Dataset>, Failures)> {
    let target = Target::new(shape, fit)?;
    if paths.is_empty() {
        return Err(no_paths());
    }
    let items: Vec<Item> = paths.iter().map(|path| Item::File(Arc::from(path.as_ref()))).collect();
    let (pixels, failures) = read_all(&items, target, stop)?;
    let data =
        (!pixels.is_empty()).then(|| Dataset::from_arrays(Pixels::U8(pixels), target.shape(), None)).transpose()?;
    Ok((data, failures))
}

fn no_paths() -> Error {
    Error::new(Code::Count, "there are no image files to read").expected("at least one path")
}

/// The samples of those pictures that can be read, one after the other.
pub(super) fn read_all(items: &[Item], target: Target, stop: &StopFlag) -> Result<(Vec<u8>, Failures)> {
    let len = target.shape().len();
    let mut pixels = zeros::<u8>(items.len().saturating_mul(len), "the pictures")
        .map_err(|error| error.hint("use smaller pictures (size), or fewer (limit)"))?;
    let slots = Mutex::new(pixels.chunks_exact_mut(len).enumerate());
    let failures = each(items.len(), stop, || {
        let mut fitter = Fitter::new(target.height, target.width, target.fit.unwrap_or_default());
        let slots = &slots;
        move || {
            let (index, slot) = lock(slots).next()?;
            Some((index, target.read(&items[index], &mut fitter, slot).err()))
        }
    })?;
    let mut failures: Failures = failures.into_iter().filter_map(|(index, error)| Some((index, error?))).collect();
    failures.sort_by_key(|(index, _)| *index);
    // Those that are left move up.
    let mut kept = 0;
    let mut failed = failures.iter().map(|(index, _)| *index).peekable();
    for index in 0..items.len() {
        if failed.next_if_eq(&index).is_some() {
            continue;
        }
        if kept != index {
            pixels.copy_within(index * len..(index + 1) * len, kept * len);
        }
        kept += 1;
    }
    pixels.truncate(kept * len);
    Ok((pixels, failures))
}
