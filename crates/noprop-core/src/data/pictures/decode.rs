//! A picture file to its colours.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::super::foreign;
use super::item::{Item, Readable};
use super::jpeg;
use super::kind::{FORMATS, Kind, by_start};
use super::room::Room;
use crate::{Code, Error, Result};

/// Most pixels of a picture: the largest cameras have 102 million. A header that says more is refused.
const MAX_PIXELS: u64 = 1 << 27;
/// Most bytes that decoding may take beside a picture's own.
const MAX_BYTES: u64 = 1 << 30;
/// Most bytes of a file.
const MAX_FILE: u64 = 1 << 29;
/// What such files begin with.
const BEGINNINGS: [&[u8]; 6] = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"RIFF", b"BM"];

/// Upright pixels over black, row by row: red, green, blue and 255.
pub(super) struct Picture {
    pub height: usize,
    pub width: usize,
    pub pixels: Vec<u8>,
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Header {
    /// Rows when it stands upright.
    pub height: usize,
    /// Columns when it stands upright.
    pub width: usize,
    /// Whether it is grey.
    pub is_grey: bool,
}

/// Reads what the header says.
pub(super) fn header(item: &Item) -> Result<Header> {
    guarded(item.path(), || Ok(Opened::new(item)?.header()))
}

/// Decodes a picture. `check` sees what the header says before anything is decoded. The room is that of the picture, and of making it
/// smaller: it is kept as long as the picture is. Waits for room while other threads decode large pictures.
pub(super) fn decode(item: &Item, check: impl FnOnce(Header) -> Result<()>) -> Result<(Picture, Room)> {
    let path = item.path();
    guarded(path, || {
        let opened = Opened::new(item)?;
        check(opened.header())?;
        let room = Room::take(opened.bytes());
        let orientation = opened.orientation;
        let image = DynamicImage::from_decoder(opened.decoder).map_err(|error| explain(path, &error))?;
        let picture = over_black(&image).ok_or_else(|| {
            Error::new(Code::FileFormat, format!("{} has colours of a kind that is not read", path.display()))
                .expected("8 or 16 bits a channel")
                .received(format!("{:?}", image.color()))
        })?;
        // Before another as large is made.
        drop(image);
        Ok((upright(picture, orientation), room))
    })
}

/// A picture whose header has been read.
struct Opened<'a> {
    format: ImageFormat,
    decoder: Box<dyn ImageDecoder + 'a>,
    orientation: Orientation,
}

impl<'a> Opened<'a> {
    fn new(item: &'a Item) -> Result<Self> {
        let path = item.path();
        let (mut reader, len) = item.open()?;
        let start = reader.fill_buf().map_err(|error| Error::io(path, &error))?;
        let shown = path.display();
        if start.is_empty() {
            return Err(Error::new(Code::FileTruncated, format!("{shown} is empty")).expected("a picture"));
        }
        let format = image::guess_format(start).ok().filter(|format| FORMATS.contains(format));
        let Some(format) = format else {
            if BEGINNINGS.iter().any(|beginning| beginning.starts_with(start))
                || start.starts_with(b"RIFF") && start.len() < 12
            {
                return Err(
                    Error::new(Code::FileTruncated, format!("{shown} ends too early")).hint("the file is damaged")
                );
            }
            let error = Error::new(Code::FileFormat, format!("{shown} is not a picture that is read"))
                .expected("JPEG, PNG, WebP, GIF or BMP")
                .hint("convert other formats first");
            if let Kind::Foreign(what) = by_start(start) {
                return Err(error.received(format!("a picture of another kind ({what})")));
            }
            return Err(foreign::explain(error, &start[..start.len().min(foreign::START)]));
        };
        if len > MAX_FILE {
            return Err(Error::new(Code::FileFormat, format!("{shown} is too large"))
                .expected(format!("at most {MAX_FILE} bytes"))
                .received(format!("{len} bytes")));
        }
        if format == ImageFormat::Jpeg {
            let io = |error| Error::io(path, &error);
            if !jpeg::is_whole(&mut reader).map_err(io)? {
                return Err(Error::new(Code::FileTruncated, format!("{shown} ends too early"))
                    .expected("a JPEG file to its end (EOI)")
                    .hint("the file is damaged"));
            }
            reader.rewind().map_err(io)?;
        }
        let mut reader: ImageReader<Box<dyn Readable + 'a>> = ImageReader::with_format(reader, format);
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(MAX_BYTES);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(|error| explain(path, &error))?;
        let (width, height) = decoder.dimensions();
        if width == 0 || height == 0 || u64::from(width) * u64::from(height) > MAX_PIXELS {
            return Err(Error::new(Code::FileFormat, format!("{shown} has a size out of range"))
                .expected(format!("at least one and at most {MAX_PIXELS} pixels"))
                .received(format!("{height} rows of {width} pixels"))
                .hint("resize it first"));
        }
        // Damaged metadata do not spoil a picture.
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        Ok(Self { format, decoder: Box::new(decoder), orientation })
    }

    /// Bytes that decoding takes, about: its own buffers, and the pixels as they are made of it.
    fn bytes(&self) -> u64 {
        // Progressive JPEG keeps coefficients of 16 bits beside the colours; WebP and GIF have a frame beside the canvas.
        let copies = match self.format {
            ImageFormat::Jpeg => 3,
            ImageFormat::WebP | ImageFormat::Gif => 2,
            _ => 1,
        };
        let (width, height) = self.decoder.dimensions();
        copies * self.decoder.total_bytes() + 4 * u64::from(width) * u64::from(height)
    }

    fn header(&self) -> Header {
        use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
        let (width, height) = self.decoder.dimensions();
        let (width, height) = match self.orientation {
            Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH => (height, width),
            _ => (width, height),
        };
        let colour = self.decoder.color_type();
        let is_grey = matches!(colour, ColorType::L8 | ColorType::L16 | ColorType::La8 | ColorType::La16);
        Header { height: height as usize, width: width as usize, is_grey }
    }
}

/// A decoder's panic is a damaged picture, like its errors.
fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(Error::new(Code::FileFormat, format!("{} is not a sound picture", path.display()))
            .received("data that the decoder fails on"))
    })
}

/// Colours of 8 bits (the upper ones of 16), laid over black; none for floats, which no format that is read has.
fn over_black(image: &DynamicImage) -> Option<Picture> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let mut pixels = vec![0; width * height * 4];
    let to = &mut pixels[..];
    let high = |value: u16| (value >> 8) as u8;
    match image {
        DynamicImage::ImageLuma8(image) => each(image, to, |[grey]| [grey, grey, grey, 255]),
        DynamicImage::ImageLumaA8(image) => each(image, to, |[grey, alpha]| darkened([grey; 3], alpha)),
        DynamicImage::ImageRgb8(image) => each(image, to, |[red, green, blue]| [red, green, blue, 255]),
        DynamicImage::ImageRgba8(image) => {
            each(image, to, |[red, green, blue, alpha]| darkened([red, green, blue], alpha))
        }
        DynamicImage::ImageLuma16(image) => each(image, to, |[grey]| darkened([high(grey); 3], 255)),
        DynamicImage::ImageLumaA16(image) => each(image, to, |[grey, alpha]| darkened([high(grey); 3], high(alpha))),
        DynamicImage::ImageRgb16(image) => each(image, to, |colour: [u16; 3]| darkened(colour.map(high), 255)),
        DynamicImage::ImageRgba16(image) => {
            each(image, to, |[red, green, blue, alpha]| darkened([red, green, blue].map(high), high(alpha)));
        }
        _ => return None,
    }
    Some(Picture { height, width, pixels })
}

/// What `colour` makes of each pixel of `N` values. A loop over places: in a program that is optimised for size iterators over pieces are calls.
fn each<T: Copy, const N: usize>(from: &[T], to: &mut [u8], colour: impl Fn([T; N]) -> [u8; 4]) {
    let (from, to) = (from.as_chunks::<N>().0, to.as_chunks_mut::<4>().0);
    for pixel in 0..to.len() {
        to[pixel] = colour(from[pixel]);
    }
}

/// A colour that is so opaque, on black.
#[inline(always)]
fn darkened(colour: [u8; 3], alpha: u8) -> [u8; 4] {
    let [red, green, blue] = if alpha == 255 { colour } else { colour.map(|value| scaled(value, alpha)) };
    [red, green, blue, 255]
}

/// Turns a picture as its EXIF data say; pixels are moved, never mixed.
fn upright(picture: Picture, orientation: Orientation) -> Picture {
    use Orientation::{
        FlipHorizontal, FlipVertical, NoTransforms, Rotate90, Rotate90FlipH, Rotate180, Rotate270, Rotate270FlipH,
    };
    let Picture { height, width, pixels } = &picture;
    let (rows, columns) = (*height, *width);
    let (height, width) = match orientation {
        NoTransforms => return picture,
        FlipHorizontal | FlipVertical | Rotate180 => (rows, columns),
        Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH => (columns, rows),
    };
    let mut turned = Vec::with_capacity(pixels.len());
    for y in 0..height {
        for x in 0..width {
            // Where the pixel comes from.
            let (row, column) = match orientation {
                NoTransforms => (y, x),
                FlipHorizontal => (y, columns - 1 - x),
                FlipVertical => (rows - 1 - y, x),
                Rotate180 => (rows - 1 - y, columns - 1 - x),
                Rotate90 => (rows - 1 - x, y),
                Rotate270 => (x, columns - 1 - y),
                Rotate90FlipH => (x, y),
                Rotate270FlipH => (rows - 1 - x, columns - 1 - y),
            };
            let at = (row * columns + column) * 4;
            turned.extend_from_slice(&pixels[at..at + 4]);
        }
    }
    Picture { height, width, pixels: turned }
}

/// value · alpha / 255, rounded.
fn scaled(value: u8, alpha: u8) -> u8 {
    ((u32::from(value) * u32::from(alpha) + 127) / 255) as u8
}

fn explain(path: &Path, error: &ImageError) -> Error {
    let shown = path.display();
    let damaged = || {
        Error::new(Code::FileFormat, format!("{shown} is not a sound picture"))
            .received(error.to_string().chars().take(200).collect::<String>())
            .hint("the file is damaged; get it again, or leave it out")
    };
    // Decoders say so in words of their own.
    let is_short = |text: &str| {
        let text = text.to_lowercase();
        ["unexpected end", "failed to fill whole buffer", "unexpectedeof"].iter().any(|end| text.contains(end))
    };
    match error {
        ImageError::IoError(io) if io.kind() == ErrorKind::UnexpectedEof => {
            Error::new(Code::FileTruncated, format!("{shown} ends too early")).hint("the file is damaged")
        }
        ImageError::IoError(io)
            if !matches!(io.kind(), ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::Other) =>
        {
            Error::io(path, io)
        }
        ImageError::Limits(_) => Error::new(Code::FileFormat, format!("{shown} takes too much memory to decode"))
            .expected(format!("at most {MAX_BYTES} bytes")),
        _ if is_short(&error.to_string()) => {
            Error::new(Code::FileTruncated, format!("{shown} ends too early")).hint("the file is damaged")
        }
        _ => damaged(),
    }
}
