//! Whether a JPEG file is whole. Decoders fill in what is missing of one, and say nothing.

use std::io::{self, BufRead, Read};

/// Whether the picture that a JPEG file begins with has its end (EOI). What follows it does not count.
///
/// Segments are skipped by their lengths, so the end of a thumbnail in one is not taken for the picture's. In the data of scans 0xff
/// stands before 0 where it is a value, and before the number of a restart.
pub(super) fn is_whole(reader: &mut dyn BufRead) -> io::Result<bool> {
    while let Some(marker) = next_marker(reader)? {
        match marker {
            EOI => return Ok(true),
            // Data, and markers without a segment.
            0 | 1 | 0xd0..=0xd8 => {}
            _ => {
                let mut len = [0; 2];
                if !fill(reader, &mut len)? {
                    return Ok(false);
                }
                // The length counts its own two bytes. One that does not is damage, which decoders see.
                let rest = u64::from(u16::from_be_bytes(len)).saturating_sub(2);
                if io::copy(&mut Read::take(&mut *reader, rest), &mut io::sink())? < rest {
                    return Ok(false);
                }
            }
        }
    }
    Ok(false)
}

/// Marks the end of a picture.
const EOI: u8 = 0xd9;

/// The byte after the next 0xff, of which there may be several; none at the end of the file.
fn next_marker(reader: &mut dyn BufRead) -> io::Result<Option<u8>> {
    reader.skip_until(0xff)?;
    let mut marker = [0xff];
    while marker == [0xff] {
        if !fill(reader, &mut marker)? {
            return Ok(None);
        }
    }
    Ok(Some(marker[0]))
}

/// Whether there were enough bytes.
fn fill(reader: &mut dyn BufRead, bytes: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        other => other.map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use super::super::decode::{decode, header};
    use super::super::item::Item;
    use super::*;
    use crate::Code;

    fn golden(name: &str) -> Vec<u8> {
        let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pictures");
        std::fs::read(folder.join(name)).unwrap()
    }

    fn check(bytes: &[u8]) -> bool {
        is_whole(&mut &*bytes).unwrap()
    }

    /// With a segment of metadata that holds a whole picture.
    fn with_thumbnail(bytes: &[u8]) -> Vec<u8> {
        let thumbnail = golden("grey.jpg");
        let mut made = bytes[..2].to_vec();
        made.extend([0xff, 0xe1]);
        made.extend((thumbnail.len() as u16 + 2).to_be_bytes());
        made.extend(thumbnail);
        made.extend(&bytes[2..]);
        made
    }

    #[test]
    fn pictures_that_are_cut_are_refused_at_any_length() {
        for name in ["plain.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "turned-6.jpg"] {
            let plain = golden(name);
            for bytes in [plain.clone(), with_thumbnail(&plain)] {
                assert!(check(&bytes), "{name}");
                for len in 0..bytes.len() {
                    assert!(!check(&bytes[..len]), "{name} cut to {len} of {}", bytes.len());
                }
                for percent in [30, 60, 90] {
                    let cut = bytes[..bytes.len() * percent / 100].to_vec();
                    let item = Item::Bytes { name: Arc::from(Path::new("x.jpg")), bytes: Arc::from(cut) };
                    for error in [header(&item).err(), decode(&item, |_| Ok(())).err()] {
                        assert_eq!(error.unwrap().code, Code::FileTruncated, "{name}, {percent} %");
                    }
                }
            }
        }
    }

    #[test]
    fn what_follows_the_end_does_not_count() {
        let mut bytes = golden("progressive.jpg");
        bytes.extend(b"\0\0\xff\xff\xff\xe1\xff\xffgarbage");
        assert!(check(&bytes));
        let item = Item::Bytes { name: Arc::from(Path::new("x.jpg")), bytes: Arc::from(bytes) };
        assert!(decode(&item, |_| Ok(())).is_ok());
    }

    #[test]
    fn data_restarts_and_fill_bytes_are_no_segments() {
        let scan = b"\xff\xd8\xff\xda\0\x03\x01abc\xff\0\xff\xd0def\xff\xd7\xff\0";
        assert!(!check(scan));
        for end in
            [&b"\xff\xd9"[..], b"\xff\xff\xff\xd9", b"gh\xff\xd9\0", b"\xff\xc4\0\x04\xff\xd9\xff\xda\0\x02i\xff\xd9"]
        {
            assert!(check(&[&scan[..], end].concat()), "{end:?}");
        }
        // The end within a segment is none.
        assert!(!check(&[&scan[..], b"\xff\xc4\0\x04\xff\xd9\xff\xda\0\x02i"].concat()));
    }
}
