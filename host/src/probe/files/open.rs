//! An open regular file.
//!
//! Owns the rule that nothing else is ever opened: what a path names is looked at first, opened without waiting, and
//! looked at again, so that a FIFO put there in between cannot hold a thread.

use std::os::fd::OwnedFd;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use rustix::fs::{FileType, OFlags, SeekFrom};
use rustix::io::Errno;

use super::super::{Error, Result};
use super::{Identity, Kind, Metadata, metadata_of, refused};

/// How much one read gives at most.
pub const MAX_READ_BYTES: usize = 1024 * 1024;

/// A regular file, open for reading. Positions belong to each read, not to the file.
#[derive(Debug)]
pub struct OpenFile {
    file: OwnedFd,
    identity: Identity,
    root: String,
    path: String,
}

/// Opens what is a regular file and nothing else.
pub(super) fn open(directory: &Dir, root: &str, path: &str) -> Result<OpenFile> {
    let what = format!("`{path}` in root `{root}`");
    // A device may do something when it is opened, so what is none is found out before.
    let before = directory.metadata(path).map_err(|error| refused(&what, &error))?;
    if !before.is_file() {
        return Err(not_regular(&what));
    }
    let mut options = OpenOptions::new();
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    options.read(true).custom_flags(flags.cast_signed());
    let file = directory.open_with(path, &options).map_err(|error| refused(&what, &error))?;
    let file = OwnedFd::from(file.into_std());
    let stat = rustix::fs::fstat(&file).map_err(|errno| Error::from_errno(&what, errno))?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(not_regular(&what));
    }
    Ok(OpenFile { file, identity: metadata_of(&stat).identity, root: root.to_owned(), path: path.to_owned() })
}

impl OpenFile {
    /// Which file it is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// The root it was opened below.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// What it was called when it was opened.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// As it is now.
    pub fn metadata(&self) -> Result<Metadata> {
        rustix::fs::fstat(&self.file).map(|stat| metadata_of(&stat)).map_err(|errno| self.failed(errno))
    }

    /// Reads from `offset` into the buffer, at most [`MAX_READ_BYTES`]; how much was read. Less than the buffer holds
    /// only at the end, nothing behind it.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let length = buffer.len().min(MAX_READ_BYTES);
        let mut done = 0;
        while done < length {
            let at = offset.saturating_add(done as u64);
            // The kernel counts positions in signed numbers; behind their end there is nothing.
            if i64::try_from(at).is_err() {
                break;
            }
            match rustix::io::pread(&self.file, &mut buffer[done..length], at) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(self.failed(errno)),
            }
        }
        Ok(done)
    }

    /// Where the next data begins at or after `offset`; none when only a hole follows. Unavailable where the file
    /// system cannot tell.
    pub fn next_data(&self, offset: u64) -> Result<Option<u64>> {
        if i64::try_from(offset).is_err() {
            return Ok(None);
        }
        match rustix::fs::seek(&self.file, SeekFrom::Data(offset)) {
            Ok(at) => Ok(Some(at)),
            Err(Errno::NXIO) => Ok(None),
            Err(Errno::INVAL | Errno::OPNOTSUPP) => {
                Err(Error::Unavailable(format!("the holes of `{}` (its file system does not tell)", self.path)))
            }
            Err(errno) => Err(self.failed(errno)),
        }
    }

    fn failed(&self, errno: Errno) -> Error {
        Error::from_errno(&format!("`{}` in root `{}`", self.path, self.root), errno)
    }
}

fn not_regular(what: &str) -> Error {
    Error::Forbidden(format!("{what} is no regular file"))
}

/// The kind of an entry without following it.
pub(super) fn metadata_without_following(directory: &Dir, name: &str) -> std::io::Result<Metadata> {
    use rustix::fs::AtFlags;
    // A single name below an open directory cannot lead anywhere.
    debug_assert!(!name.contains('/'));
    let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(metadata_of(&stat))
}

/// Whether an entry is a directory itself.
pub(super) fn is_directory(directory: &Dir, name: &str) -> bool {
    metadata_without_following(directory, name).is_ok_and(|metadata| metadata.kind == Kind::Directory)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt as _, symlink};
    use std::time::{Duration, Instant};

    use super::super::super::testing::put;
    use super::super::Roots;
    use super::*;

    fn lent() -> (tempfile::TempDir, Roots) {
        let outer = tempfile::tempdir().unwrap();
        put(&outer.path().join("secret"), "secret");
        put(&outer.path().join("root/a/log"), "0123456789");
        let roots = Roots::new([("r".to_owned(), outer.path().join("root"))]);
        (outer, roots)
    }

    #[test]
    fn reads_are_positioned_and_end_at_the_end() {
        let (_outer, roots) = lent();
        let file = roots.open("r", "a/log").unwrap();
        let mut buffer = [0; 4];
        assert_eq!((file.read_at(3, &mut buffer).unwrap(), &buffer), (4, b"3456"));
        assert_eq!((file.read_at(8, &mut buffer).unwrap(), &buffer[..2]), (2, &b"89"[..]));
        assert_eq!(file.read_at(10, &mut buffer).unwrap(), 0);
        assert_eq!(file.read_at(u64::MAX, &mut buffer).unwrap(), 0);
        assert_eq!((file.metadata().unwrap().size, file.metadata().unwrap().links), (10, 1));
        assert_eq!((file.root(), file.path()), ("r", "a/log"));
    }

    #[test]
    fn a_read_is_at_most_a_megabyte() {
        let (outer, roots) = lent();
        put(&outer.path().join("root/big"), vec![7; MAX_READ_BYTES + 10]);
        let mut buffer = vec![0; MAX_READ_BYTES + 10];
        assert_eq!(roots.open("r", "big").unwrap().read_at(0, &mut buffer).unwrap(), MAX_READ_BYTES);
    }

    #[test]
    fn links_are_followed_inside_the_root_and_not_out_of_it() {
        let (outer, roots) = lent();
        let root = outer.path().join("root");
        symlink("../a/log", root.join("a/inside")).unwrap();
        symlink("a", root.join("b")).unwrap();
        symlink("../secret", root.join("out")).unwrap();
        symlink("/etc/passwd", root.join("absolute")).unwrap();
        symlink("..", root.join("up")).unwrap();
        symlink("self", root.join("self")).unwrap();
        symlink("/proc/self/root/etc/passwd", root.join("magic")).unwrap();
        assert!(roots.open("r", "a/inside").is_ok());
        assert!(roots.open("r", "b/log").is_ok());
        for path in ["out", "absolute", "up/secret", "magic"] {
            let error = roots.open("r", path).unwrap_err();
            assert!(matches!(error, Error::Forbidden(_)), "{path}: {error}");
        }
        assert!(matches!(roots.open("r", "self"), Err(Error::Invalid(_))));
        assert!(roots.open("r", "missing").unwrap_err().is_not_found());
    }

    #[test]
    fn a_hard_link_from_outside_is_a_file_with_a_second_name() {
        let (outer, roots) = lent();
        std::fs::hard_link(outer.path().join("secret"), outer.path().join("root/linked")).unwrap();
        assert_eq!(roots.open("r", "linked").unwrap().metadata().unwrap().links, 2);
    }

    #[test]
    fn what_is_no_regular_file_is_refused_without_waiting() {
        let (outer, roots) = lent();
        let root = outer.path().join("root");
        rustix::fs::mknodat(rustix::fs::CWD, root.join("fifo"), FileType::Fifo, 0o600.into(), 0).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        let begin = Instant::now();
        for path in ["fifo", "socket", "a"] {
            assert!(matches!(roots.open("r", path), Err(Error::Forbidden(_))), "{path}");
        }
        let devices = Roots::new([("dev".to_owned(), "/dev".into())]);
        for path in ["null", "tty", "zero"] {
            assert!(devices.open("dev", path).is_err(), "{path}");
        }
        assert!(begin.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_file_stays_what_it_was_when_it_is_renamed_and_deleted() {
        let (outer, roots) = lent();
        let root = outer.path().join("root/a");
        let file = roots.open("r", "a/log").unwrap();
        #[expect(clippy::disallowed_methods, reason = "this is the rotation that is tested")]
        std::fs::rename(root.join("log"), root.join("log.1")).unwrap();
        put(&root.join("log"), "new");
        assert_eq!(file.metadata().unwrap().size, 10);
        assert_ne!(roots.open("r", "a/log").unwrap().identity(), file.identity());
        std::fs::remove_file(root.join("log.1")).unwrap();
        assert_eq!(file.metadata().unwrap().links, 0);
    }

    #[test]
    fn holes_are_skipped() {
        let (outer, roots) = lent();
        let sparse = std::fs::File::create(outer.path().join("root/sparse")).unwrap();
        sparse.set_len(8 << 20).unwrap();
        sparse.write_at(b"x", 4 << 20).unwrap();
        let file = roots.open("r", "sparse").unwrap();
        let metadata = file.metadata().unwrap();
        assert!(metadata.allocated < metadata.size);
        match file.next_data(0) {
            Ok(Some(at)) => {
                // A file system that cannot tell says that everything is data.
                assert!(at <= 4 << 20);
                assert_eq!(file.next_data(4 << 20).unwrap(), Some(4 << 20));
                assert_eq!(file.next_data(8 << 20).unwrap(), None);
                assert_eq!(file.next_data(u64::MAX).unwrap(), None);
            }
            other => assert!(matches!(other, Err(Error::Unavailable(_))), "{other:?}"),
        }
    }
}
