//! The files a collector may read, as little of them as following needs. The sandbox's `files` capability is behind
//! it in the component, [`Directory`] in native tests.

#[cfg(unix)]
mod directory;

#[cfg(unix)]
pub use directory::Directory;

use serde::{Deserialize, Serialize};

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The device.
    #[serde(rename = "d")]
    pub device: u64,
    /// The inode on it.
    #[serde(rename = "i")]
    pub inode: u64,
}

/// What is known of a file without reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Which file it is.
    pub identity: Identity,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// What of it is really there.
    pub allocated_bytes: u64,
    /// The last change of its content, in nanoseconds since the epoch.
    pub modified_ns: i64,
    /// Its names; 0 once it is deleted.
    pub links: u64,
}

/// A file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path below the root.
    pub path: String,
    /// What is known of it.
    pub meta: Meta,
}

/// The result of a search.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Regular files, sorted by path.
    pub entries: Vec<Entry>,
    /// Entries that are no regular files or could not be looked at.
    pub left_alone: u64,
    /// There are more than were asked for.
    pub truncated: bool,
}

/// Why something could not be done. The text is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is not there (any more).
    Gone,
    /// Not supported here.
    Unsupported,
    /// Anything else.
    Failed(String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gone => f.write_str("it is not there"),
            Self::Unsupported => f.write_str("not supported"),
            Self::Failed(text) => f.write_str(text),
        }
    }
}

/// An open file.
pub trait LogFile {
    /// What it is now.
    ///
    /// # Errors
    /// When the host cannot tell.
    fn meta(&mut self) -> Result<Meta, Trouble>;

    /// Up to `length` bytes from `offset`; fewer, or none, at the end.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read_at(&mut self, offset: u64, length: u32) -> Result<Vec<u8>, Trouble>;

    /// Where data begins at or behind `offset`; `None` if only a hole follows.
    ///
    /// # Errors
    /// [`Trouble::Unsupported`] where nobody knows.
    fn next_data(&mut self, offset: u64) -> Result<Option<u64>, Trouble>;

    /// Asks that it stays open until the next capture; `false` if there is no room.
    fn keep(&mut self) -> bool;

    /// No longer keeps it open.
    fn release(&mut self);
}

/// The files that may be read.
pub trait Logs {
    /// Regular files below `root` that match `pattern`, at most `limit`.
    ///
    /// # Errors
    /// When the root is not there, or the pattern is none.
    fn find(&mut self, root: &str, pattern: &str, limit: u32) -> Result<Listing, Trouble>;

    /// Opens a file by name.
    ///
    /// # Errors
    /// When it is not there or no regular file.
    fn open(&mut self, root: &str, path: &str) -> Result<Box<dyn LogFile>, Trouble>;

    /// Opens a file that was kept open, though it was renamed or deleted.
    ///
    /// # Errors
    /// [`Trouble::Gone`] when it was not kept.
    fn reopen(&mut self, identity: Identity) -> Result<Box<dyn LogFile>, Trouble>;
}
