//! Writes that either happen whole or not at all: a temporary file beside the target, flushed, then renamed.
//!
//! A link is followed, and its target is replaced. The file keeps the permissions that it had, and its owner where the
//! process may set it.

use super::target::{Target, parent, unwritable};
use crate::error::Result;
use std::fs::{File, Metadata};
use std::io::{BufWriter, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// Beginning of the names of temporary files, which a killed process may leave behind.
pub const TEMPORARY_PREFIX: &str = ".noprop-";

fn temporary(target: &Target, prefix: &str) -> Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    {
        // Permissions as a plain `open` would give, less the process's umask; never more than the old file's.
        use std::os::unix::fs::PermissionsExt;
        let mode = target.old.as_ref().map_or(0o666, |old| old.permissions().mode() & 0o777);
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    // The kind alone: the text would name a file that the caller has never heard of.
    let reason = |error: std::io::Error| std::io::Error::from(error.kind()).to_string();
    builder.tempfile_in(parent(&target.file)).map_err(|error| unwritable(&target.named, reason(error)))
}

/// Fails as a later [`write()`] of `bytes` bytes to `path` would, and leaves nothing behind.
///
/// The bytes are really written, beside the old file as later: that alone finds out on every system and for every kind of
/// limit whether there is room (free space, quotas, `ulimit -f`).
///
/// # Errors
/// [`crate::Code::Output`].
pub fn probe_output(path: &Path, bytes: u64) -> Result<()> {
    let target = Target::of(path)?;
    let file = temporary(&target, TEMPORARY_PREFIX)?;
    fill_up(&mut file.as_file(), bytes).map_err(|error| {
        unwritable(path, error.to_string())
            .expected(format!("room for {bytes} bytes beside what is there"))
            .hint("free some disk space, or choose a path on another disk")
    })
}

/// Writes `bytes` bytes that no file system can compress.
fn fill_up(file: &mut impl Write, bytes: u64) -> std::io::Result<()> {
    let mut word = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        // xorshift64
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        word.to_le_bytes()
    };
    let chunk: Vec<u8> = (0..bytes.min(1 << 20).div_ceil(8)).flat_map(|_| next()).collect();
    let mut left = bytes;
    while left > 0 {
        let now = left.min(chunk.len() as u64);
        file.write_all(&chunk[..now as usize])?;
        left -= now;
    }
    Ok(())
}

/// Writes `path` by `fill`; readers see the old file or the whole new one.
///
/// # Errors
/// [`crate::Code::Output`], or what `fill` returns.
pub fn write(path: &Path, fill: impl FnOnce(&mut BufWriter<&File>) -> Result<()>) -> Result<()> {
    write_by(TEMPORARY_PREFIX, path, fill)
}

/// As [`write`], by a temporary file whose name begins with `prefix`, so that its owner knows it again.
pub(crate) fn write_by(
    prefix: &str,
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<()>,
) -> Result<()> {
    let target = Target::of(path)?;
    let file = temporary(&target, prefix)?;
    let io = |error: std::io::Error| unwritable(path, error.to_string());
    let mut writer = BufWriter::with_capacity(1 << 18, file.as_file());
    fill(&mut writer)?;
    writer.flush().map_err(io)?;
    drop(writer);
    if let Some(old) = &target.old {
        keep_owner_and_mode(file.as_file(), old).map_err(io)?;
    }
    file.as_file().sync_all().map_err(io)?;
    file.persist(&target.file).map_err(|error| io(error.error))?;
    sync_directory(&parent(&target.file)).map_err(io)
}

#[cfg(unix)]
fn keep_owner_and_mode(file: &File, old: &Metadata) -> std::io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    let new = file.metadata()?;
    let differs = |new: u32, old: u32| (new != old).then_some(old);
    let (user, group) = (differs(new.uid(), old.uid()), differs(new.gid(), old.gid()));
    if user.is_some() || group.is_some() {
        // Only root may give files away; for others the file is the writer's, as a new one would be.
        let _ = fchown(file, user, group);
    }
    file.set_permissions(std::fs::Permissions::from_mode(old.permissions().mode() & 0o777))
}

#[cfg(not(unix))]
fn keep_owner_and_mode(_: &File, _: &Metadata) -> std::io::Result<()> {
    Ok(())
}

/// Puts the renaming itself on the disk; without it, the old file may be back after a power failure.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> std::io::Result<()> {
    use std::io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    match File::open(directory).and_then(|directory| directory.sync_all()) {
        // A directory that may be written to but not read, or a file system that cannot do it: it does what it can.
        Err(error) if matches!(error.kind(), InvalidInput | PermissionDenied | Unsupported) => Ok(()),
        outcome => outcome,
    }
}

/// Windows has no such call.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Code, Error};
    use std::fs::read_to_string;

    fn put(path: &Path, text: &str) -> Result<()> {
        write(path, |writer| {
            writer.write_all(text.as_bytes()).unwrap();
            Ok(())
        })
    }

    /// Both ways to find out, which must agree.
    fn refused(path: &Path) -> Error {
        let error = probe_output(path, 1).unwrap_err();
        assert_eq!(put(path, "new").unwrap_err(), error);
        assert_eq!(error.code, Code::Output, "{error}");
        error
    }

    fn names(directory: &Path) -> Vec<String> {
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = std::fs::read_dir(directory).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "old").unwrap();
        let error = write(&path, |writer| {
            writer.write_all(b"half of the n").unwrap();
            Err(Error::cancelled())
        });
        assert_eq!(error.unwrap_err().code, Code::Cancelled);
        assert_eq!(read_to_string(&path).unwrap(), "old");
        assert_eq!(names(directory.path()), ["file"]);
    }

    #[test]
    fn unwritable_paths_are_found_before_work_begins() {
        let directory = tempfile::tempdir().unwrap();
        refused(directory.path());
        refused(&directory.path().join("missing/file"));
        probe_output(&directory.path().join("file"), 3 << 20).unwrap();
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn a_probe_writes_every_byte_and_meets_the_limit_that_a_write_would() {
        /// A disk with room for so many bytes.
        struct Disk(u64);
        impl Write for Disk {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                let taken = self.0.min(bytes.len() as u64);
                self.0 -= taken;
                if taken == 0 { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(taken as usize) }
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        for bytes in [0, 1, 9, 1 << 20, (5 << 20) + 3] {
            let mut disk = Disk(bytes);
            fill_up(&mut disk, bytes).unwrap();
            assert_eq!(disk.0, 0);
            if bytes > 0 {
                let error = fill_up(&mut Disk(bytes - 1), bytes).unwrap_err();
                assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
            }
        }
    }

    #[cfg(unix)]
    mod unix {
        use super::*;
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

        fn mode(path: &Path) -> u32 {
            std::fs::metadata(path).unwrap().permissions().mode() & 0o777
        }

        #[test]
        fn links_stay_and_their_targets_are_written() {
            let directory = tempfile::tempdir().unwrap();
            let at = |name: &str| directory.path().join(name);
            std::fs::create_dir(at("models")).unwrap();
            std::fs::create_dir(at("links")).unwrap();
            std::fs::write(at("models/old"), "old").unwrap();
            symlink("../models/old", at("links/relative")).unwrap();
            symlink(at("links/relative"), at("absolute")).unwrap();
            symlink("models/new", at("dangling")).unwrap();
            for (link, target) in
                [("links/relative", "models/old"), ("absolute", "models/old"), ("dangling", "models/new")]
            {
                probe_output(&at(link), 1).unwrap();
                put(&at(link), link).unwrap();
                assert!(at(link).is_symlink(), "{link}");
                assert_eq!(read_to_string(at(target)).unwrap(), link);
            }
            assert_eq!(names(&at("models")), ["new", "old"]);
            symlink("nowhere/file", at("lost")).unwrap();
            symlink("circle", at("circle")).unwrap();
            refused(&at("lost"));
            assert_eq!(refused(&at("circle")).received, "links that lead to one another");
        }

        #[test]
        fn what_is_no_file_is_refused_and_stays() {
            let directory = tempfile::tempdir().unwrap();
            let at = |name: &str| directory.path().join(name);
            assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
            let socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
            symlink("/dev/null", at("null")).unwrap();
            assert_eq!(refused(&at("pipe")).received, "a pipe");
            assert_eq!(refused(&at("socket")).received, "a socket");
            assert_eq!(refused(&at("null")).received, "a device");
            assert_eq!(refused(Path::new("/dev/null")).received, "a device");
            assert!(std::fs::metadata("/dev/null").unwrap().file_type().is_char_device());
            assert!(std::fs::symlink_metadata(at("pipe")).unwrap().file_type().is_fifo());
            drop(socket);
        }

        /// Behind `/dev/stdout` there may be a file, which the process would go on to write.
        #[cfg(target_os = "linux")]
        #[test]
        fn an_open_file_of_a_process_is_refused() {
            use std::os::fd::AsRawFd;
            let file = tempfile::NamedTempFile::new().unwrap();
            let open = format!("/proc/self/fd/{}", file.as_file().as_raw_fd());
            let directory = tempfile::tempdir().unwrap();
            symlink(&open, directory.path().join("stdout")).unwrap();
            assert_eq!(refused(Path::new(&open)).received, "an open file of a process");
            assert_eq!(refused(&directory.path().join("stdout")).received, "an open file of a process");
        }

        #[test]
        fn a_file_keeps_its_permissions_and_a_read_only_one_its_content() {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("file");
            put(&path, "new").unwrap();
            let plain = tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o666)).tempfile().unwrap();
            assert_eq!(mode(&path), mode(plain.path()), "a new file has what the umask leaves");
            for kept in [0o600, 0o664, 0o777] {
                std::fs::set_permissions(&path, PermissionsExt::from_mode(kept)).unwrap();
                put(&path, "again").unwrap();
                assert_eq!(mode(&path), kept);
            }
            // For root as well, whom permissions do not bind.
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o444)).unwrap();
            assert_eq!(refused(&path).received, "a file that is read-only");
            assert_eq!((read_to_string(&path).unwrap(), mode(&path)), ("again".to_owned(), 0o444));
        }
    }
}
