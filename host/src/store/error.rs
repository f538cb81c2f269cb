//! What can go wrong in the store.

use std::path::PathBuf;

use super::directory::DirectoryError;
use super::disk::DiskError;
use super::lock::LockError;
use crate::audit::AuditError;
use crate::model::SnapshotId;
use crate::seal::Damage;

/// Why something could not be stored, read or found.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data directory is not one to work in.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Somebody else writes to it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file operation failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The audit log could not be written.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The database refused.
    #[error("cannot {operation} in database `{path}`")]
    Database {
        /// What was tried: `record`, `list`.
        operation: &'static str,
        /// Which database.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The database was written by a newer ghostd. It is readable by that one alone, and never changed by this one.
    #[error("database `{path}` has schema {found}, this ghostd knows up to {known} (a newer ghostd wrote it)")]
    NewerDatabase {
        /// Which.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A snapshot was sealed for another place in the chain than the one that is next.
    #[error("snapshot `{id}` was sealed as number {sealed}, and number {next} is next (seal it again with a new link)")]
    OutOfPlace {
        /// Which.
        id: SnapshotId,
        /// The place it was sealed for.
        sealed: u64,
        /// The place that is free.
        next: u64,
    },
    /// It is a part of a store, for reading.
    #[error("`{path}` is a part of a store that was handed over, and is only for reading")]
    Part {
        /// Which.
        path: PathBuf,
    },
    /// A snapshot's file is not what was stored.
    #[error("snapshot file `{path}` is damaged")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// How.
        #[source]
        damage: Damage,
    },
    /// A snapshot's file is whole, and another one than the catalog remembers.
    #[error("snapshot file `{path}` was replaced by another: {reason}")]
    Replaced {
        /// Which.
        path: PathBuf,
        /// How that is known.
        reason: String,
    },
    /// Nothing has that name.
    #[error("there is no snapshot `{name}`{hint}")]
    NotFound {
        /// What was asked for.
        name: String,
        /// What became of it, in parentheses; empty where nothing is known.
        hint: String,
    },
    /// Several have that name.
    #[error("`{prefix}` is the beginning of {count} snapshot ids (give more of it)")]
    Ambiguous {
        /// What was asked for.
        prefix: String,
        /// How many.
        count: usize,
    },
    /// It is no name.
    #[error(
        "`{name}` names no snapshot (give an id or its beginning, `latest`, `latest~2`, `@2026-11-21T03:12Z` or `@-2h`)"
    )]
    BadName {
        /// What was asked for.
        name: String,
    },
}

impl StoreError {
    /// Whether there is no room: retention first, then it is reported, then it is tried again.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Disk(error) | Self::Lock(LockError::Disk(error)) => error.is_full(),
            Self::Audit(error) => error.is_full(),
            Self::Database { source, .. } => source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            _ => false,
        }
    }

    /// Whether the database itself is damaged, so that it is to be set aside and made anew.
    pub fn is_damaged_database(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        matches!(self, Self::Database { source, .. }
            if matches!(source.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)))
    }
}
