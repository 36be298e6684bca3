//! PNG files as unlabelled samples.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::Path;

use png::{ColorType, Decoder, DecodingError, Limits, Transformations};

use super::foreign;
use super::source::open_file;
use super::{Dataset, InputShape, Pixels};
use crate::{Code, Error, Result};

/// Memory that decoding one image may take beside its pixels.
const MAX_BYTES: usize = 64 << 20;

/// Decodes PNG files into an unlabelled data set of images of `shape`, in the order of `paths`.
///
/// Grey, colour, palette and 16-bit files all serve: for one channel colours become grey (ITU-R 601 luma), for three
/// channels grey is repeated; transparent pixels are laid over black. The size must be that of the shape.
///
/// # Errors
/// [`Code::Shape`] when the shape is not that of an image of 1 or 3 channels or a file has another size,
/// [`Code::FileNotFound`], [`Code::FileFormat`], [`Code::FileTruncated`], and [`Code::Count`] without any path.
pub fn load_images<P: AsRef<Path>>(paths: &[P], shape: &InputShape) -> Result<Dataset> {
    let size = check(paths.len(), shape)?;
    let mut pixels = Vec::new();
    for path in paths {
        append(path.as_ref(), size, &mut pixels)?;
    }
    Dataset::from_arrays(Pixels::U8(pixels), *shape, None)
}

/// The files that could not be read: the position of each among the paths, and its error.
pub type Failures = Vec<(usize, Error)>;

/// As [`load_images`], but leaves out what cannot be read. Returns the others (none if there is none) and, for each file that
/// was left out, its position in `paths` and its error.
///
/// # Errors
/// Those that concern no single file: [`Code::Shape`] when the shape is not that of an image of 1 or 3 channels, and
/// [`Code::Count`] without any path.
pub fn load_sound_images<P: AsRef<Path>>(paths: &[P], shape: &InputShape) -> Result<(Option<Dataset>, Failures)> {
    let size = check(paths.len(), shape)?;
    let (mut pixels, mut failures) = (Vec::new(), Vec::new());
    for (index, path) in paths.iter().enumerate() {
        let sound = pixels.len();
        if let Err(error) = append(path.as_ref(), size, &mut pixels) {
            pixels.truncate(sound);
            failures.push((index, error));
        }
    }
    let data = (!pixels.is_empty()).then(|| Dataset::from_arrays(Pixels::U8(pixels), *shape, None)).transpose()?;
    Ok((data, failures))
}

/// Height, width and channels of images that can be read as samples of this shape.
fn check(paths: usize, shape: &InputShape) -> Result<[usize; 3]> {
    shape.check()?;
    let size = match *shape {
        InputShape::Image { height, width, channels: channels @ (1 | 3) } => [height, width, channels],
        _ => {
            return Err(Error::new(Code::Shape, "image files do not fit the input of this model")
                .expected("an input of height x width x 1 or height x width x 3")
                .received(shape.to_string())
                .hint("give the samples as arrays"));
        }
    };
    if paths == 0 {
        return Err(Error::new(Code::Count, "there are no image files to read").expected("at least one path"));
    }
    Ok(size)
}

/// Decodes one file and appends its pixels, row by row with channels innermost.
fn append(path: &Path, [height, width, channels]: [usize; 3], pixels: &mut Vec<u8>) -> Result<()> {
    let explain = |error: DecodingError| explain(path, &error);
    let mut reader = BufReader::new(open_file(path)?);
    let start = reader.fill_buf().map_err(|error| Error::io(path, &error))?;
    if !start.starts_with(b"\x89PNG") && !start.is_empty() {
        let error = Error::new(Code::FileFormat, format!("{} is not a PNG file", path.display()))
            .hint("only PNG images are read; convert other formats first");
        return Err(foreign::explain(error, &start[..start.len().min(foreign::START)]));
    }
    let mut decoder: Decoder<BufReader<File>> = Decoder::new_with_limits(reader, Limits { bytes: MAX_BYTES });
    // Palette and fewer than 8 bits become 8 bits, a transparent colour becomes an alpha channel, 16 bits become 8.
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    // The size is checked before anything is decoded or allocated.
    let header = decoder.read_header_info().map_err(explain)?;
    if (header.height as usize, header.width as usize) != (height, width) {
        return Err(Error::new(Code::Shape, format!("{} has the wrong size", path.display()))
            .expected(format!("{height} rows of {width} pixels"))
            .received(format!("{} rows of {} pixels", header.height, header.width))
            .hint(format!("resize it first, for example: magick IN.png -resize {width}x{height}! OUT.png")));
    }
    let mut reader = decoder.read_info().map_err(explain)?;
    let format_error =
        |what: &str| Error::new(Code::FileFormat, format!("{} cannot be decoded", path.display())).received(what);
    // Four bytes a pixel at most, of at most 2^24 pixels.
    let size = reader.output_buffer_size().ok_or_else(|| format_error("an image that is too large"))?;
    let mut decoded = vec![0; size];
    let info = reader.next_frame(&mut decoded).map_err(explain)?;
    if (info.height as usize, info.width as usize) != (height, width) {
        return Err(format_error("a frame of another size than the image"));
    }
    let samples = info.color_type.samples();
    for pixel in decoded[..info.buffer_size()].chunks_exact(samples) {
        let (colour, alpha) = match (info.color_type, pixel) {
            (ColorType::Grayscale, &[grey]) => ([grey; 3], 255),
            (ColorType::GrayscaleAlpha, &[grey, alpha]) => ([grey; 3], alpha),
            (ColorType::Rgb, &[red, green, blue]) => ([red, green, blue], 255),
            (ColorType::Rgba, &[red, green, blue, alpha]) => ([red, green, blue], alpha),
            _ => return Err(format_error("colours of an unexpected kind")),
        };
        let colour = colour.map(|value| over_black(value, alpha));
        match channels {
            1 => pixels.push(luma(colour)),
            _ => pixels.extend(colour),
        }
    }
    Ok(())
}

/// value · alpha / 255, rounded.
fn over_black(value: u8, alpha: u8) -> u8 {
    ((u32::from(value) * u32::from(alpha) + 127) / 255) as u8
}

/// ITU-R 601 luma in 16-bit fixed point; the weights sum to 65,536, so that grey stays exactly what it is.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    ((u32::from(red) * 19_595 + u32::from(green) * 38_470 + u32::from(blue) * 7_471 + 32_768) >> 16) as u8
}

fn explain(path: &Path, error: &DecodingError) -> Error {
    let path_text = path.display();
    match error {
        DecodingError::IoError(io) if io.kind() == ErrorKind::UnexpectedEof => {
            Error::new(Code::FileTruncated, format!("{path_text} ends too early")).hint("the file is damaged")
        }
        DecodingError::IoError(io) => Error::io(path, io),
        DecodingError::LimitsExceeded => {
            Error::new(Code::FileFormat, format!("{path_text} takes too much memory to decode"))
                .expected(format!("at most {MAX_BYTES} bytes"))
        }
        other => Error::new(Code::FileFormat, format!("{path_text} is not a sound PNG file"))
            .received(other.to_string())
            .hint("only PNG images are read; convert other formats first"),
    }
}
