//! Backups: everything of a store in one file, verified as it is written, and put back only as a whole.
//!
//! ```text
//! <data>/backups/backup-{number}-{uuid}.tar.zst      (or another directory; `.tar.zst.age` where it is encrypted)
//!     backup.json                  what it is: format, number, time, store, the newest snapshot
//!     config/…                     the configuration's files, which hold no secret but references
//!     snapshots/snapshot-….json    the snapshots, the marks beside them, and what is left of purged ones
//!     ghost.db                     a consistent copy: history, states, findings
//!     audit.jsonl                  the audit log, at least as long as the snapshots know it
//!     MANIFEST.json                name, size and SHA-256 of each of these
//! ```
//!
//! It is an ordinary tar archive, so its contents can be had without ghostd. Keys of the installation are in none.
//! Behind it stands what all its bytes hash to, in a frame that zstd passes over; of an encrypted one, whose every
//! chunk is authenticated, the audit log has the hash.
//!
//! Owns: that file, and the order in which things go into it so that it is consistent while the store is written
//! to: snapshots, then database, then audit log, each knowing at least what the one before knows. Must not know: when
//! a backup is made, what is configured.

mod bundle;
mod create;
mod crypt;
mod read;
mod restore;
mod rewrite;
mod tar;
#[cfg(test)]
mod tests;
mod trailer;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{Digest, Previous, SnapshotId, StoreRef, Wall};
use crate::store::{DiskError, Excerpt, LockError, StoreError};

pub use bundle::{Stretch, bundle, unpack};
pub use create::{Created, Options, create, newest, prune, surplus};
pub use crypt::{KeyError, Keys, Recipient};
pub use read::{Contents, Listed, digest_of, is_encrypted, list, resolve, verify};
pub use restore::{Restored, restore};
pub use rewrite::{Fate, Purge, Swept, sweep};
pub use tar::TarError;

/// The version of the form that this program writes.
pub const FORMAT: &str = "ghostd-backup/1";
/// The file that says what a backup is; always the first.
pub const INFO: &str = "backup.json";
/// The file that says what is in a backup; always the last.
pub const MANIFEST: &str = "MANIFEST.json";

/// What a backup is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// [`FORMAT`].
    pub format: String,
    /// Grows by one with each; order goes by it and by no clock.
    pub number: u64,
    /// Its name.
    pub id: SnapshotId,
    /// When it was begun.
    pub created_at: Wall,
    /// Which store it is of.
    pub store: StoreRef,
    /// The newest snapshot when it was begun.
    pub newest: Previous,
    /// The place of that one.
    pub newest_sequence: u64,
    /// The version of ghostd that wrote it.
    pub ghostd_version: String,
    /// Why the database is not in it, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_database: Option<String>,
    /// Snapshots that were purged from it after it was made; their tombstones are in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub purged: Vec<SnapshotId>,
    /// The line of the audit log of the last purge that it obeys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purged_at_line: Option<u64>,
    /// Which part of the store it is, where it is no backup but a bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Excerpt>,
}

/// A file in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Its name in the archive.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of its contents.
    pub sha256: Digest,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    files: Vec<FileRecord>,
}

/// Why a backup was not made, read or put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is nothing to back up.
    #[error("there is no snapshot to back up in `{path}`")]
    Empty {
        /// Where.
        path: PathBuf,
    },
    /// What it is to be made of, or put back into, cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file operation failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The store is in use, or cannot be locked.
    #[error("cannot restore into a store that is in use (stop ghostd first)")]
    InUse(#[source] LockError),
    /// Its bytes are no archive, or hold what no backup holds.
    #[error("cannot read backup `{path}`")]
    Archive {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: TarError,
    },
    /// It is an archive, and what is in it is not what a backup has.
    #[error("backup `{path}` is damaged: {reason}")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// How.
        reason: String,
    },
    /// It is of another store.
    #[error(
        "backup `{path}` is of store `{theirs}`, and `{data_directory}` holds store `{ours}` (restore it into an empty directory)"
    )]
    Foreign {
        /// Which.
        path: PathBuf,
        /// Its store.
        theirs: String,
        /// Where it should go.
        data_directory: PathBuf,
        /// The store that is there.
        ours: String,
    },
    /// It is a part of a store.
    #[error("`{path}` is a bundle, a part of a store, and cannot be put back (`--data-dir {path}` reads it)")]
    Part {
        /// Which.
        path: PathBuf,
    },
    /// There is none of that name.
    #[error("there is no backup `{0}` (`ghostd backup list` names them)")]
    NotFound(String),
    /// It is encrypted, and no key was given that opens it.
    #[error("backup `{path}` is encrypted, and no key that was given opens it (give one with `--identity FILE`)")]
    Encrypted {
        /// Which.
        path: PathBuf,
    },
}
