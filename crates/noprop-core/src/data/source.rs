//! A file read from its start to its end, plain or gzipped, as hostile input.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use flate2::bufread::MultiGzDecoder;

use super::parallel::{each, lock};
use crate::memory::untouched_zeros;
use crate::tensor::StopFlag;
use crate::{Code, Error, Result};

/// The first bytes of gzipped data (RFC 1952).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// DEFLATE writes at most 258 bytes for 2 bits, so gzip never shrinks further than this.
const GZIP_MAX_RATIO: u64 = 1032;
/// Memory is reserved in steps, the first of this size and then doubling, as data really arrives.
const FIRST_STEP: usize = 1 << 20;
const BUFFER: usize = 1 << 16;
/// Bytes that a core reads at a time.
const PART: usize = 4 << 20;

/// An open file. Reading it yields the decompressed bytes.
pub(super) struct Source {
    path: PathBuf,
    /// Bytes on the disk.
    stored: u64,
    reader: Reader,
}

enum Reader {
    Plain(BufReader<File>),
    Gzip(Box<MultiGzDecoder<BufReader<File>>>),
}

impl Source {
    /// Opens `path`; gzip is known by its magic number, not by the file's name.
    pub fn open(path: &Path) -> Result<Self> {
        let file = open_file(path)?;
        let stored = file.metadata().map_err(|error| Error::io(path, &error))?.len();
        let mut reader = BufReader::with_capacity(BUFFER, file);
        let start = io::BufRead::fill_buf(&mut reader).map_err(|error| Error::io(path, &error))?;
        let reader = if start.starts_with(&GZIP_MAGIC) {
            Reader::Gzip(Box::new(MultiGzDecoder::new(reader)))
        } else {
            Reader::Plain(reader)
        };
        Ok(Self { path: path.to_owned(), stored, reader })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of bytes that reading yields, if it is known before: that of a plain file.
    pub fn plain_len(&self) -> Option<u64> {
        matches!(self.reader, Reader::Plain(_)).then_some(self.stored)
    }

    /// Checks a claim about the file's decompressed size before anything is allocated for it: exactly for a plain file,
    /// against the best ratio that gzip can reach otherwise (the rest shows while reading).
    pub fn check_claim(&self, claimed: u64) -> Result<()> {
        let truncated = |held: String| {
            Error::new(Code::FileTruncated, format!("{} is shorter than its header says", self.path.display()))
                .expected(format!("{claimed} bytes"))
                .received(held)
                .hint("the file is damaged or its download stopped early; fetch it again")
        };
        match self.plain_len() {
            Some(len) if len < claimed => Err(truncated(format!("{len} bytes"))),
            Some(len) if len > claimed => Err(self.too_long(claimed, &format!("{len} bytes"))),
            None if self.stored.saturating_mul(GZIP_MAX_RATIO) < claimed => {
                Err(truncated(format!("{} bytes of gzip data, too few to hold that much", self.stored)))
            }
            _ => Ok(()),
        }
    }

    /// Fills `buffer`.
    pub fn read_all(&mut self, buffer: &mut [u8]) -> Result<()> {
        match fill(self, buffer) {
            Ok(read) if read == buffer.len() => Ok(()),
            Ok(_) => Err(self.explain(&io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(self.explain(&error)),
        }
    }

    /// Reads the next `len` bytes; memory grows only with data that is really there.
    pub fn read_vec(&mut self, len: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            let start = bytes.len();
            let step = (len - start).min(start.max(FIRST_STEP));
            bytes.try_reserve_exact(step).map_err(|_| out_of_memory(&self.path, len))?;
            bytes.resize(start + step, 0);
            self.read_all(&mut bytes[start..])?;
        }
        Ok(bytes)
    }

    /// Reads all that is left, at most `most` bytes; memory grows only with data that is really there.
    pub fn read_rest(&mut self, most: usize) -> Result<Vec<u8>> {
        if self.plain_len().is_some_and(|len| len > most as u64) {
            return Err(self.too_large(most));
        }
        let mut bytes = Vec::new();
        loop {
            let start = bytes.len();
            // One byte more than there is shows the end.
            let ahead = self.plain_len().map_or(FIRST_STEP, |len| len as usize + 1);
            let step = (most + 1 - start).min(ahead.max(start).max(1));
            bytes.try_reserve_exact(step).map_err(|_| out_of_memory(&self.path, start + step))?;
            let read = match self.by_ref().take(step as u64).read_to_end(&mut bytes) {
                Ok(read) => read,
                Err(error) => return Err(self.explain(&error)),
            };
            if bytes.len() > most {
                return Err(self.too_large(most));
            }
            if read < step {
                return Ok(bytes);
            }
        }
    }

    /// All that there is of what has just been opened, at most `most` bytes: as [`read_rest`](Self::read_rest), a plain file on all cores.
    pub fn read_whole(&mut self, most: usize) -> Result<Vec<u8>> {
        let Reader::Plain(reader) = &self.reader else { return self.read_rest(most) };
        let len = match usize::try_from(self.stored) {
            // Some systems have files that are longer than they say.
            Ok(0) => return self.read_rest(most),
            Ok(len) if len <= most => len,
            _ => return Err(self.too_large(most)),
        };
        let mut bytes = untouched_zeros::<u8>(len, "").map_err(|_| out_of_memory(&self.path, len))?;
        let parts = Mutex::new(bytes.chunks_mut(PART).enumerate());
        let read = each(len.div_ceil(PART), &StopFlag::new(), || {
            || {
                let (index, part) = lock(&parts).next()?;
                Some(read_at(reader.get_ref(), part, (index * PART) as u64))
            }
        })?;
        read.into_iter().collect::<io::Result<()>>().map_err(|error| self.explain(&error))?;
        Ok(bytes)
    }

    /// Reads on to the end, where nothing may be left; this also checks gzip's checksum. `claimed` is the size of it all.
    pub fn expect_end(&mut self, claimed: u64) -> Result<()> {
        match fill(self, &mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.too_long(claimed, "more bytes")),
            Err(error) => Err(self.explain(&error)),
        }
    }

    fn too_large(&self, most: usize) -> Error {
        Error::new(Code::FileFormat, format!("{} is too large", self.path.display()))
            .expected(format!("at most {most} bytes, unpacked"))
            .hint("split the file")
    }

    fn too_long(&self, claimed: u64, received: &str) -> Error {
        Error::new(Code::FileFormat, format!("{} is longer than its header says", self.path.display()))
            .expected(format!("{claimed} bytes"))
            .received(received)
            .hint("the file is damaged, or not of the format that its header names")
    }

    /// Says in our terms what an error of reading this file means.
    pub fn explain(&self, error: &io::Error) -> Error {
        let path = self.path.display();
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::new(Code::FileTruncated, format!("{path} ends too early"))
                .hint("the file is damaged or its download stopped early; fetch it again"),
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                Error::new(Code::FileFormat, format!("{path} holds gzip data that is damaged"))
                    .received(error.to_string())
                    .hint("fetch the file again")
            }
            _ => Error::io(&self.path, error),
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.reader {
            Reader::Plain(reader) => reader.read(buffer),
            Reader::Gzip(reader) => reader.read(buffer),
        }
    }
}

/// Opens a regular file. Asks before opening: opening a pipe would wait for ever.
pub(super) fn open_file(path: &Path) -> Result<File> {
    let kind = std::fs::metadata(path).map_err(|error| Error::io(path, &error))?;
    if !kind.is_file() {
        let received = if kind.is_dir() { "a directory" } else { "something that is not a regular file" };
        return Err(Error::new(Code::FileFormat, format!("{} is not a file", path.display()))
            .expected("a file")
            .received(received));
    }
    File::open(path).map_err(|error| Error::io(path, &error))
}

/// Fills `bytes` from byte `at` of the file on, wherever others read it.
#[cfg(unix)]
pub(super) fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(windows)]
pub(super) fn read_at(file: &File, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[read..];
        at += read as u64;
    }
    Ok(())
}

/// Reads until `buffer` is full or the data ends; says how many bytes came.
pub(super) fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The error of data that does not fit into memory.
fn out_of_memory(path: &Path, bytes: usize) -> Error {
    Error::new(Code::Memory, format!("there is not enough memory for the data of {}", path.display()))
        .expected(format!("{bytes} bytes of free memory"))
        .hint("use only the first samples (limit)")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_and_gzipped_files_read_alike() {
        let bytes: Vec<u8> = (0..3_000_000u32).map(|k| (k.wrapping_mul(k) >> 7) as u8).collect();
        for stored in [bytes.clone(), gzip(&bytes), [gzip(&bytes[..1000]), gzip(&bytes[1000..])].concat()] {
            let file = file(&stored);
            let mut source = Source::open(file.path()).unwrap();
            source.check_claim(bytes.len() as u64).unwrap();
            assert!(source.read_vec(bytes.len()).unwrap() == bytes);
            source.expect_end(bytes.len() as u64).unwrap();
        }
    }

    #[test]
    fn a_whole_file_is_read_in_parts() {
        let bytes: Vec<u8> = (0..2 * PART as u32 + 5).map(|k| (k.wrapping_mul(k) >> 9) as u8).collect();
        for stored in [bytes.clone(), gzip(&bytes)] {
            let file = file(&stored);
            let read = |most| Source::open(file.path()).unwrap().read_whole(most);
            assert!(read(bytes.len()).unwrap() == bytes);
            assert_eq!(read(bytes.len() - 1).unwrap_err().code, Code::FileFormat);
        }
        let short = file(&bytes);
        let mut source = Source::open(short.path()).unwrap();
        short.as_file().set_len(PART as u64 + 1).unwrap();
        assert_eq!(source.read_whole(usize::MAX).unwrap_err().code, Code::FileTruncated);
        assert_eq!(Source::open(file(&[]).path()).unwrap().read_whole(1).unwrap().len(), 0);
    }

    #[test]
    fn false_claims_are_found_before_reading() {
        let plain = file(&[7; 100]);
        let source = Source::open(plain.path()).unwrap();
        assert_eq!(source.check_claim(101).unwrap_err().code, Code::FileTruncated);
        assert_eq!(source.check_claim(99).unwrap_err().code, Code::FileFormat);
        let packed = file(&gzip(&[7; 100]));
        let source = Source::open(packed.path()).unwrap();
        assert!(source.check_claim(101).is_ok(), "only reading can tell");
        assert_eq!(source.check_claim(1 << 40).unwrap_err().code, Code::FileTruncated);
    }

    #[test]
    fn what_gzip_reaches_at_most_passes_the_check() {
        let zeros = vec![0; 20_000_000];
        let packed = file(&gzip(&zeros));
        Source::open(packed.path()).unwrap().check_claim(zeros.len() as u64).unwrap();
    }

    #[test]
    fn damage_is_told_from_shortness() {
        let packed = gzip(&(0..10_000u32).map(|k| (k.wrapping_mul(k) >> 5) as u8).collect::<Vec<_>>());
        let read = |stored: &[u8]| {
            let file = file(stored);
            let mut source = Source::open(file.path()).unwrap();
            source.read_vec(10_000).and_then(|_| source.expect_end(10_000)).map_err(|error| error.code)
        };
        assert_eq!(read(&packed), Ok(()));
        assert_eq!(read(&packed[..packed.len() / 2]), Err(Code::FileTruncated));
        assert_eq!(read(&packed[..packed.len() - 3]), Err(Code::FileTruncated));
        let mut checksum = packed.clone();
        let at = checksum.len() - 6;
        checksum[at] ^= 1;
        assert_eq!(read(&checksum), Err(Code::FileFormat));
        assert_eq!(read(&[&GZIP_MAGIC[..], &[9; 100]].concat()), Err(Code::FileFormat));
        assert_eq!(read(&[&packed[..], &[9; 100]].concat()), Err(Code::FileFormat));
    }

    #[test]
    fn only_regular_files_open() {
        let directory = tempfile::tempdir().unwrap();
        let code = |path: &Path| Source::open(path).err().unwrap().code;
        assert_eq!(code(directory.path()), Code::FileFormat);
        assert_eq!(code(&directory.path().join("none")), Code::FileNotFound);
        #[cfg(unix)]
        assert_eq!(code(Path::new("/dev/zero")), Code::FileFormat);
    }
}
