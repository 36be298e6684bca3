//! What a file is that is not what it should be: people see why, not only that.

use std::path::Path;

use super::source::{Source, fill};
use crate::{Code, Error};

/// So many first bytes are looked at.
pub(super) const START: usize = 512;

/// What something looks like, and how to fix it.
pub(super) struct Foreign {
    pub what: &'static str,
    pub hint: &'static str,
}

const DOWNLOAD: &str = "download it again; the address may be wrong or need a login";
const UNPACK: &str = "unpack it";
const OTHER: &str = "this is a file of another format; convert it first";

/// First bytes that tell what a file is.
const SIGNATURES: [(&[u8], &str, &str); 17] = [
    (b"version https://git-lfs", "a Git LFS pointer instead of the file", "fetch the file itself: git lfs pull"),
    (b"\x1f\x8b", "gzip data, packed once too often", "unpack it once: gunzip"),
    (b"PK\x03\x04", "a ZIP archive", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (b"\xfd7zXZ\0", "xz data", "unpack it: unxz"),
    (b"BZh", "bzip2 data", "unpack it: bunzip2"),
    (b"\x28\xb5\x2f\xfd", "Zstandard data", "unpack it: unzstd"),
    (b"\x89PNG", "a PNG image", OTHER),
    (b"\xff\xd8\xff", "a JPEG image", OTHER),
    (b"GIF8", "a GIF image", OTHER),
    (b"RIFF", "a WebP image or another RIFF file", OTHER),
    (b"BM", "a BMP image", OTHER),
    (b"\x93NUMPY", "a NumPy array", OTHER),
    (b"\x89HDF", "an HDF5 file", OTHER),
    (b"PAR1", "a Parquet file", OTHER),
    (b"\x00\x05\x16\x07", "an AppleDouble file of macOS (._…)", "take the file without the leading ._"),
    (b"\x80\x02}q", "a Python pickle", "take the binary version of the data set"),
];

/// What the first bytes of a file show, if they are of something well known.
pub(super) fn recognise(start: &[u8]) -> Option<Foreign> {
    if start.starts_with(b"\xd0\xcf\x11\xe0") || is_office(start) {
        return Some(Foreign { what: "a spreadsheet or another office document", hint: "save it as CSV" });
    }
    let signature = SIGNATURES.iter().find(|(signature, ..)| start.starts_with(signature));
    if let Some(&(_, what, hint)) = signature {
        return Some(Foreign { what, hint });
    }
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let is_text = text.len() >= 4 && text.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | 32..127));
    match text.first() {
        Some(b'<') if text.len() >= 4 => Some(Foreign { what: "a web page or XML text", hint: DOWNLOAD }),
        Some(b'{' | b'[') if is_text => Some(Foreign { what: "JSON text", hint: DOWNLOAD }),
        _ if is_text => Some(Foreign { what: "plain text", hint: DOWNLOAD }),
        _ => None,
    }
}

/// Whether an archive begins with a file that those of spreadsheets have.
fn is_office(start: &[u8]) -> bool {
    let names: [&[u8]; 5] =
        [b"[Content_Types].xml", b"_rels/", b"docProps/", b"xl/", b"mimetypeapplication/vnd.oasis.opendocument."];
    start.starts_with(b"PK\x03\x04")
        && start.get(30..).is_some_and(|rest| names.iter().any(|name| rest.starts_with(name)))
}

/// Adds to `error` what the file really is, if its first bytes show it.
pub(super) fn explain(mut error: Error, start: &[u8]) -> Error {
    if let Some(foreign) = recognise(start) {
        error.code = Code::FileFormat;
        let received = if error.received.is_empty() { String::new() } else { format!("{}: ", error.received) };
        error.received = format!("{received}what looks like {}", foreign.what);
        error.hint = foreign.hint.to_owned();
    }
    error
}

/// Adds to `error` that a transfer in text mode has changed the file, if it looks like that: every line feed follows a
/// carriage return. Pictures hold many line feeds, so chance does not do this.
pub(super) fn explain_damage(mut error: Error, path: &Path) -> Error {
    if has_text_mode_damage(path) {
        error.code = Code::FileFormat;
        error.hint =
            "every line feed has a carriage return before it: a transfer in text mode (FTP, git's autocrlf) has \
                      changed the file; copy it again as binary"
                .to_owned();
    }
    error
}

fn has_text_mode_damage(path: &Path) -> bool {
    let Ok(mut source) = Source::open(path) else { return false };
    let (mut pairs, mut before) = (0u64, 0);
    let mut buffer = vec![0; 1 << 16];
    // What is read for a message is bounded: gzip data of a few bytes can be endless.
    for _ in 0..1024 {
        let Ok(read) = fill(&mut source, &mut buffer) else { return false };
        for byte in &buffer[..read] {
            if *byte == b'\n' {
                if before != b'\r' {
                    return false;
                }
                pairs += 1;
            }
            before = *byte;
        }
        if read < buffer.len() {
            break;
        }
    }
    pairs >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_files_are_recognised() {
        for (start, what) in [
            (&b"<!DOCTYPE html><html>"[..], "web page"),
            (b"\xef\xbb\xbf\n <html>", "web page"),
            (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS"),
            (b"{\"message\": \"Not Found\"}", "JSON"),
            (b"Not Found", "plain text"),
            (b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0AAAABBBBCCCC\x13\0\0\0[Content_Types].xml", "spreadsheet"),
            (b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0AAAABBBBCCCC\x05\0\0\0a.csv", "ZIP"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "spreadsheet"),
            (b"\x1f\x8b\x08\0", "gzip"),
            (b"\x00\x05\x16\x07\0\x02\0\0Mac OS X", "AppleDouble"),
        ] {
            assert!(recognise(start).is_some_and(|foreign| foreign.what.contains(what)), "{what}");
        }
        for start in [&b"\0\0\x08\x03\0\0\0\x18"[..], b"", b"<", b"\x06\x3b\x2b", b"ab\0cd"] {
            assert!(recognise(start).is_none(), "{start:?}");
        }
    }
}
