//! Reading below named directories, for collectors that are granted it.
//!
//! Owns the walls: everything is opened below a root by the kernel's own rules (openat2 with RESOLVE_BENEATH where
//! there is one), and only what fstat says is a regular file is read. Must not know what the files mean, nor who is
//! granted which root.
//!
//! A hard link made from outside into a root is a file of that root like any other; `links` tells that it has further
//! names.

mod find;
mod glob;
mod kept;
mod open;

use std::collections::BTreeMap;
use std::path::PathBuf;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::{Error, Result};
pub use find::{Entry, Found, MAX_ENTRIES};
pub use kept::{Kept, KeptFile, MAX_KEPT};
pub use open::{MAX_READ_BYTES, OpenFile};

/// How long a path may be, relative to its root.
pub const MAX_PATH_BYTES: usize = 4096;

/// Which file it is, whatever it is called now. Inode numbers are reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The device's number.
    pub device: u64,
    /// The inode's number.
    pub inode: u64,
}

/// What kind of thing an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, wherever it leads.
    SymbolicLink,
    /// A FIFO, a socket, a device.
    Other,
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Which one.
    pub identity: Identity,
    /// What it is.
    pub kind: Kind,
    /// Its length in bytes.
    pub size: u64,
    /// Bytes that are really there: far below `size` for a sparse file.
    pub allocated: u64,
    /// Last change of the content in nanoseconds since the epoch.
    pub modified_ns: i64,
    /// Number of names it has; 0 once it was deleted.
    pub links: u64,
}

/// The named directories that are lent.
#[derive(Debug, Clone, Default)]
pub struct Roots {
    roots: BTreeMap<String, PathBuf>,
}

impl Roots {
    /// Opens nothing yet: a root may be mounted later, and is opened anew with each call.
    pub fn new(roots: impl IntoIterator<Item = (String, PathBuf)>) -> Self {
        Self { roots: roots.into_iter().collect() }
    }

    /// Their names, sorted.
    pub fn names(&self) -> Vec<String> {
        self.roots.keys().cloned().collect()
    }

    /// Opens a regular file below a root.
    pub fn open(&self, root: &str, path: &str) -> Result<OpenFile> {
        check(path)?;
        open::open(&self.directory(root)?, root, path)
    }

    /// Looks for entries below a root. `*` and `?` match within a name, a leading dot included, `[...]` is a set, and
    /// `**` stands for any number of directories. At most `limit` entries, sorted by path.
    pub fn find(&self, root: &str, pattern: &str, limit: u32) -> Result<Found> {
        check(pattern)?;
        find::find(&self.directory(root)?, &glob::Pattern::parse(pattern)?, limit)
    }

    fn directory(&self, root: &str) -> Result<Dir> {
        let path = self.roots.get(root).ok_or_else(|| {
            Error::Denied(format!(
                "root `{root}` is not lent (`[collector.NAME.files]` in the configuration lends `{}`)",
                self.names().join("`, `")
            ))
        })?;
        Dir::open_ambient_dir(path, ambient_authority())
            .map_err(|error| Error::from_io(&format!("root `{root}`"), &error))
    }
}

/// Paths and patterns alike: relative, plain, and of a sane length.
fn check(path: &str) -> Result<()> {
    let why = if path.is_empty() {
        "it is empty"
    } else if path.len() > MAX_PATH_BYTES {
        return Err(Error::Invalid(format!("a path of {} bytes is longer than {MAX_PATH_BYTES}", path.len())));
    } else if path.starts_with('/') {
        "it must be relative to its root"
    } else if path.contains('\0') {
        "it contains a zero byte"
    } else if path.split('/').any(|name| matches!(name, "" | "." | "..")) {
        "it must have no empty names, `.` or `..`"
    } else {
        return Ok(());
    };
    Err(Error::Invalid(format!("path `{}`: {why}", path.escape_debug())))
}

fn metadata_of(stat: &rustix::fs::Stat) -> Metadata {
    use rustix::fs::FileType;
    #[expect(clippy::unnecessary_cast, reason = "the types of these fields differ between platforms")]
    let (device, inode, links, blocks, seconds, nanoseconds) = (
        stat.st_dev as u64,
        stat.st_ino as u64,
        stat.st_nlink as u64,
        stat.st_blocks as u64,
        stat.st_mtime as i64,
        stat.st_mtime_nsec as i64,
    );
    Metadata {
        identity: Identity { device, inode },
        kind: match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::SymbolicLink,
            _ => Kind::Other,
        },
        size: u64::try_from(stat.st_size).unwrap_or(0),
        allocated: blocks.saturating_mul(512),
        modified_ns: seconds.saturating_mul(super::NS_PER_S as i64).saturating_add(nanoseconds),
        links,
    }
}

/// An error below a root. A path that leads out of it is forbidden whatever the sandbox calls it.
fn refused(what: &str, error: &std::io::Error) -> Error {
    use rustix::io::Errno;
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::XDEV) => Error::Forbidden(format!("{what} leads out of its root")),
        Some(Errno::LOOP) => Error::Invalid(format!("{what}: too many symbolic links")),
        None if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Error::Forbidden(format!("{what} leads out of its root"))
        }
        _ => Error::from_io(what, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_climb_or_start_above_are_refused_before_anything_is_opened() {
        for path in ["", "/etc/passwd", "..", "a/../b", "a//b", "./a", "a/", "a\0b", &"x".repeat(5_000)] {
            assert!(matches!(check(path), Err(Error::Invalid(_))), "{path:?}");
        }
        for path in ["a", "a/b", "..a", "a..", ".hidden/x", "ä b"] {
            assert_eq!(check(path), Ok(()), "{path:?}");
        }
    }

    #[test]
    fn a_root_that_is_not_lent_is_denied_and_one_that_is_not_there_is_not_found() {
        let roots = Roots::new([("logs".to_owned(), PathBuf::from("/does/not/exist"))]);
        assert!(matches!(roots.open("etc", "passwd"), Err(Error::Denied(_))));
        assert!(roots.open("logs", "x").unwrap_err().is_not_found());
        assert_eq!(roots.names(), ["logs"]);
    }
}
