//! What a file of a folder is, by its name, or where that says nothing by how it begins.

use std::path::Path;

use image::{ImageFormat, guess_format};

use crate::data::source::{fill, open_file};

/// The formats that are read.
pub(super) const FORMATS: [ImageFormat; 5] =
    [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp];
/// Endings of picture files. What they hold decides, not the ending.
const ENDINGS: [&str; 9] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "dib"];
/// Endings of pictures of kinds that are not read.
const FOREIGN: [(&str, &[&str]); 6] = [
    ("HEIC", &["heic", "heif", "hif", "heics", "heifs"]),
    ("AVIF", &["avif", "avifs"]),
    ("TIFF", &["tif", "tiff"]),
    ("JPEG XL", &["jxl"]),
    ("JPEG 2000", &["jp2", "j2k", "jpf", "jpx"]),
    ("camera raw", &["dng", "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf"]),
];
/// Files that systems put everywhere.
const JUNK: [&str; 3] = ["thumbs.db", "desktop.ini", "ehthumbs.db"];
/// So many first bytes are looked at.
const START: usize = 32;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::data) enum Kind {
    /// A picture that may be read.
    Picture,
    /// A picture of a kind that is not read, by what that is called.
    Foreign(&'static str),
    /// Something else.
    Other,
    /// What does not count as a file of anybody's.
    Junk,
}

/// What a file is. Only one whose name has no ending is opened.
pub(in crate::data) fn kind(name: &str, path: &Path) -> Kind {
    let Some((_, ending)) = name.rsplit_once('.') else { return by_content(path) };
    let ending = ending.to_lowercase();
    if ENDINGS.contains(&ending.as_str()) {
        return Kind::Picture;
    }
    if let Some((what, _)) = FOREIGN.iter().find(|(_, endings)| endings.contains(&ending.as_str())) {
        return Kind::Foreign(what);
    }
    if JUNK.contains(&name.to_lowercase().as_str()) { Kind::Junk } else { Kind::Other }
}

fn by_content(path: &Path) -> Kind {
    let mut start = [0; START];
    // What cannot be read, and what is no regular file, is no picture.
    let Some(read) = open_file(path).ok().and_then(|mut file| fill(&mut file, &mut start).ok()) else {
        return Kind::Other;
    };
    by_start(&start[..read])
}

/// What a file is that begins like that.
pub(super) fn by_start(start: &[u8]) -> Kind {
    match guess_format(start) {
        // Two letters begin other files as well: the size of a header that there is follows.
        Ok(ImageFormat::Bmp) if !matches!(start.get(14..18), Some([12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0])) => {
            Kind::Other
        }
        Ok(format) if FORMATS.contains(&format) => Kind::Picture,
        _ => foreign(start).map_or(Kind::Other, Kind::Foreign),
    }
}

/// The kind of picture that is not read which begins like that.
fn foreign(start: &[u8]) -> Option<&'static str> {
    if start.get(4..8) == Some(b"ftyp") {
        return match start.get(8..12)? {
            b"avif" | b"avis" => Some("AVIF"),
            b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" | b"mif1" | b"msf1" => Some("HEIC"),
            _ => None,
        };
    }
    let is = |signature: &[u8]| start.starts_with(signature);
    if is(b"II*\0") || is(b"MM\0*") || is(b"II+\0") || is(b"MM\0+") {
        return Some("TIFF");
    }
    if is(b"\xff\x0a") || is(b"\0\0\0\x0cJXL \r\n\x87\n") {
        return Some("JPEG XL");
    }
    (is(b"\0\0\0\x0cjP  \r\n\x87\n") || is(b"\xff\x4f\xff\x51")).then_some("JPEG 2000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_decide_and_where_they_do_not_the_content() {
        let folder = tempfile::tempdir().unwrap();
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pictures");
        for name in ["plain.png", "plain.jpg", "lossy.webp", "frames.gif", "plain.bmp"] {
            let path = folder.path().join("a");
            std::fs::copy(golden.join(name), &path).unwrap();
            assert_eq!(kind("a", &path), Kind::Picture, "{name}");
        }
        for (start, expected) in [
            (&b"\0\0\0\x18ftypheic"[..], Kind::Foreign("HEIC")),
            (b"\0\0\0\x18ftypmif1", Kind::Foreign("HEIC")),
            (b"\0\0\0\x1cftypavif", Kind::Foreign("AVIF")),
            (b"II*\0\x08", Kind::Foreign("TIFF")),
            (b"\xff\x0a\xfa", Kind::Foreign("JPEG XL")),
            (b"\0\0\0\x18ftypmp42", Kind::Other),
            (b"BM is no picture, but a text", Kind::Other),
            (b"text", Kind::Other),
            (b"", Kind::Other),
        ] {
            let path = folder.path().join("b");
            std::fs::write(&path, start).unwrap();
            assert_eq!(kind("b", &path), expected, "{start:?}");
        }
        let nowhere = Path::new("nowhere");
        for (name, expected) in [
            ("x.JPG", Kind::Picture),
            ("x.HEIC", Kind::Foreign("HEIC")),
            ("x.tif", Kind::Foreign("TIFF")),
            ("Thumbs.db", Kind::Junk),
            ("x.txt", Kind::Other),
            ("x", Kind::Other),
        ] {
            assert_eq!(kind(name, nowhere), expected, "{name}");
        }
    }
}
