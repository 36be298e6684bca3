//! Reads the members of a tar archive (POSIX ustar) one after the other. Nothing is ever written to a disk.

use std::io::{self, Read};

use super::foreign;
use super::source::{Source, fill};
use crate::{Code, Error, Result};

const BLOCK: usize = 512;

/// A member whose data follows in the archive.
pub(super) struct Member {
    /// The name without folders.
    pub name: String,
    /// Bytes of data.
    pub size: u64,
    /// Whether it is a regular file.
    pub is_file: bool,
    /// Bytes between the data and the next header.
    padding: u64,
}

/// The next member, or none at the archive's end.
pub(super) fn next_member(archive: &mut Source) -> Result<Option<Member>> {
    let mut header = [0; BLOCK];
    match fill(archive, &mut header).map_err(|error| archive.explain(&error))? {
        0 => return Ok(None),
        BLOCK => {}
        read => {
            let error = archive.explain(&io::ErrorKind::UnexpectedEof.into());
            return Err(foreign::explain(error, &header[..read]));
        }
    }
    // The archive ends with blocks of zeros.
    if header.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let damaged = |what: &str| {
        Error::new(Code::FileFormat, format!("{} is not a sound tar archive", archive.path().display()))
            .received(what)
            .hint("fetch the archive again")
    };
    let checksum =
        header.iter().enumerate().map(|(k, byte)| if (148..156).contains(&k) { 32 } else { u64::from(*byte) });
    if octal(&header[148..156]) != Some(checksum.sum()) {
        return Err(foreign::explain(damaged("a header with a wrong checksum"), &header));
    }
    let size = octal(&header[124..136]).ok_or_else(|| damaged("a header without a readable size"))?;
    let text = header[..100].split(|byte| *byte == 0).next().unwrap_or_default();
    let name = String::from_utf8_lossy(text.rsplit(|byte| *byte == b'/').next().unwrap_or_default()).into_owned();
    let padding = size.wrapping_neg() % BLOCK as u64;
    Ok(Some(Member { name, size, is_file: matches!(header[156], b'0' | 0), padding }))
}

/// Passes over the part of a member's data that was not read, `left` bytes, and what pads it.
pub(super) fn skip(archive: &mut Source, member: &Member, left: u64) -> Result<()> {
    let bytes = left + member.padding;
    let skipped = io::copy(&mut archive.by_ref().take(bytes), &mut io::sink());
    match skipped.map_err(|error| archive.explain(&error))? {
        skipped if skipped == bytes => Ok(()),
        _ => Err(archive.explain(&io::ErrorKind::UnexpectedEof.into())),
    }
}

/// A number in octal digits between blanks; at most 12 digits, so it fits.
fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
    if text.is_empty() || !text.bytes().all(|digit| (b'0'..=b'7').contains(&digit)) {
        return None;
    }
    u64::from_str_radix(text, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_numbers() {
        assert_eq!(octal(b"0000644\0"), Some(0o644));
        assert_eq!(octal(b" 17 \0\0"), Some(15));
        assert_eq!(octal(b"777777777777"), Some((1 << 36) - 1));
        for bad in [&b"\0\0\0\0"[..], b"12 3", b"9", b"+1", b"\x80\0\0\x01"] {
            assert_eq!(octal(bad), None, "{bad:?}");
        }
    }
}
