//! Reading below named directories: `[collector.NAME.files] logs = "/var/log"` lends the root `logs`.
//!
//! Regular files only, never outside a root. Paths are relative to the root, separated by `/`, without
//! `.` and `..`.

pub use crate::bindings::ghost::host::files::{Entry, Found, Identity, KeptFile, Kind, Metadata};

use super::backend;
use crate::Error;

/// The most that one [`File::read_at`] returns, in bytes. The host's bound, stated for buffers.
pub const MAX_READ_BYTES: u32 = 1024 * 1024;

/// An open file. Dropping it closes it, unless it is kept.
#[derive(Debug)]
pub struct File(backend::files::File);

/// The names of the roots that are lent, sorted.
#[must_use]
pub fn roots() -> Vec<String> {
    backend::files::roots()
}

/// Looks for files below a root, sorted by path, at most `limit` of them (and at most 16,384).
///
/// In `pattern`, `*` and `?` match within a name, `[...]` is a set, and `**` stands for any number of
/// directories; `*` lists the root itself.
///
/// # Errors
/// `denied` for a root that is not lent, `invalid` for a pattern that is none, `io`.
pub fn find(root: &str, pattern: &str, limit: u32) -> Result<Found, Error> {
    backend::files::find(root, pattern, limit)
}

/// Opens a regular file.
///
/// # Errors
/// `not-found`, `denied` for a root that is not lent, `forbidden` for what is no regular file or leads
/// out of its root, `io`.
pub fn open(root: &str, path: &str) -> Result<File, Error> {
    backend::files::open(root, path).map(File)
}

/// Opens again a file that an earlier call kept ([`File::keep`]), though it was renamed or deleted since.
///
/// # Errors
/// `not-found` where it is not kept (any more): ghostd was started anew, or the quota was reached.
pub fn reopen(identity: Identity) -> Result<File, Error> {
    backend::files::reopen(identity).map(File)
}

/// The files that are kept open for this collector.
#[must_use]
pub fn kept() -> Vec<KeptFile> {
    backend::files::kept()
}

impl File {
    /// What it is now: its size, its identity, whether it still has a name.
    ///
    /// # Errors
    /// `io`.
    pub fn metadata(&self) -> Result<Metadata, Error> {
        self.0.metadata()
    }

    /// Up to `length` bytes (and at most [`MAX_READ_BYTES`]) from `offset`; fewer at the end, none behind
    /// it.
    ///
    /// # Errors
    /// `io`.
    pub fn read_at(&self, offset: u64, length: u32) -> Result<Vec<u8>, Error> {
        self.0.read_at(offset, length)
    }

    /// The whole file where it has at most `limit` bytes.
    ///
    /// # Errors
    /// `exhausted` where it is longer, also when it grew meanwhile; `io`.
    pub fn read_all(&self, limit: u64) -> Result<Vec<u8>, Error> {
        let mut content = Vec::new();
        loop {
            let chunk = self.read_at(content.len() as u64, MAX_READ_BYTES)?;
            if chunk.is_empty() {
                return Ok(content);
            }
            content.extend_from_slice(&chunk);
            if content.len() as u64 > limit {
                return Err(Error::Exhausted(format!("file has more than {limit} bytes")));
            }
        }
    }

    /// Where the next data begins at or after `offset`, so that the holes of a sparse file need not be
    /// read; none when only a hole follows.
    ///
    /// # Errors
    /// `unavailable` where the file system cannot tell: read on then.
    pub fn next_data(&self, offset: u64) -> Result<Option<u64>, Error> {
        self.0.next_data(offset)
    }

    /// Keeps it open after this call, so that its end can be read though it is rotated away.
    ///
    /// # Errors
    /// `exhausted` beyond the quota (256 files by default).
    pub fn keep(&self) -> Result<(), Error> {
        self.0.keep()
    }

    /// No longer keeps it.
    pub fn release(&self) {
        self.0.release();
    }
}
