//! When the database is damaged, deleted or replaced: what is done about it while everything goes on.
//!
//! Owns: the copy beside the database (`ghost.db.copy`), from which history goes on when the database is lost, and the
//! exchange of the one for the other. Snapshots are never at stake: the catalog is made from their files. Must not
//! know: who notices.

use std::path::Path;

use rusqlite::Connection;

use super::database;
use super::directory::{self, StateDirectory};
use super::disk::{DiskError, Folder, TEMPORARY_PREFIX};
use super::error::StoreError;
use super::exclusive::ExclusiveStore;
use super::start::{self, DatabaseStart, StartReport};
use crate::model::{Moment, Wall};

/// The copy of the database, from which its history goes on when it is lost.
pub const COPY: &str = "ghost.db.copy";
/// What has to stay free when a copy is made, in sizes of the database: one for the copy, one for everybody else.
const FREE_SIZES: u64 = 2;

/// What a check of the database says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseCheck {
    /// Every page is sound, and the copy was made anew.
    Copied,
    /// Every page is sound; there is no room for a copy.
    NoRoom,
    /// There is no database.
    None,
    /// What is wrong with it.
    Damaged(Vec<String>),
}

/// Reads every page of the database, and where all are sound makes the copy anew. The writer goes on meanwhile.
pub fn check_and_copy(data_directory: &Path) -> Result<DatabaseCheck, StoreError> {
    let path = data_directory.join(directory::DATABASE);
    let Ok(metadata) = path.symlink_metadata() else { return Ok(DatabaseCheck::None) };
    let wrong = match database::check_database(&path) {
        Err(error) if error.is_damaged_database() => vec![error.to_string()],
        other => other?,
    };
    if !wrong.is_empty() {
        return Ok(DatabaseCheck::Damaged(wrong));
    }
    let space = rustix::fs::statvfs(data_directory).map_err(|errno| DiskError {
        operation: "look at",
        path: data_directory.to_owned(),
        source: errno.into(),
    })?;
    if space.f_bavail.saturating_mul(space.f_frsize) < metadata.len().saturating_mul(FREE_SIZES) {
        return Ok(DatabaseCheck::NoRoom);
    }
    let folder = Folder::open(data_directory)?;
    Ok(if copy_to(&folder, &path, COPY)? { DatabaseCheck::Copied } else { DatabaseCheck::None })
}

/// A consistent copy under another name in the same directory, whole or not at all.
fn copy_to(folder: &Folder, from: &Path, name: &str) -> Result<bool, StoreError> {
    let temporary = format!("{TEMPORARY_PREFIX}{}.db", uuid::Uuid::new_v4().as_simple());
    let path = folder.path().join(&temporary);
    let copied = database::copy_database(from, &path);
    if !matches!(copied, Ok(true)) {
        folder.unlink(&temporary)?;
        return copied;
    }
    folder.take_name(&temporary, name)?;
    Ok(true)
}

/// Puts the copy in place of a database that is gone. `None` where there is none that can be used; otherwise when it
/// was made.
pub(super) fn bring_back(directory: &StateDirectory) -> Result<Option<Wall>, StoreError> {
    use std::os::unix::fs::MetadataExt as _;
    let copy = directory.path().join(COPY);
    let Ok(metadata) = copy.symlink_metadata() else { return Ok(None) };
    if !database::check_database(&copy).is_ok_and(|wrong| wrong.is_empty()) {
        return Ok(None);
    }
    let brought = copy_to(&directory.open()?, &copy, directory::DATABASE)?;
    Ok(brought.then(|| Wall::from_millis(metadata.mtime().saturating_mul(1_000))))
}

impl ExclusiveStore {
    /// Whether the database is still the file that was opened. Somebody may have deleted it, or put another there.
    pub fn database_is_in_place(&self) -> bool {
        self.file.is_some() && database::file_at(&self.directory.database()) == self.file
    }

    /// The error of a database in which somebody who read all of it found something wrong.
    pub fn damaged_database(&self, wrong: &str) -> StoreError {
        let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        self.refused("use")(rusqlite::Error::SqliteFailure(corrupt, Some(wrong.to_owned())))
    }

    /// Deals with a database that is damaged (`error` says so), or is no longer in its place, and goes on. A damaged
    /// one is set aside, and history goes on from the copy; one that was deleted or replaced is written anew from what
    /// is still open.
    pub fn renew_database(&mut self, error: Option<&StoreError>, now: &Moment) -> Result<StartReport, StoreError> {
        let folder = self.directory.open()?;
        // None where an earlier attempt went only half the way: then what is in the database's place is ours.
        let was = self.file.take();
        let was_open = was.is_some();
        let mut put_back = None;
        if error.is_none() && was_open {
            let name = format!("{TEMPORARY_PREFIX}{}.db", uuid::Uuid::new_v4().as_simple());
            let path = folder.path().join(&name);
            database::make_private(&path)?;
            match self.db.execute("VACUUM INTO ?1", [path.to_string_lossy()]) {
                Ok(_) => put_back = Some(name),
                // What is open is all there is of it: it stays open until there is room.
                Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => {
                    folder.unlink(&name)?;
                    self.file = was;
                    return Err(self.refused("write anew")(error));
                }
                Err(error) => {
                    tracing::warn!(%error, "The database that was deleted cannot be read any more.");
                    folder.unlink(&name)?;
                }
            }
        }
        // Closes it. Until the end of this nothing can be recorded, and where it fails it is tried again.
        self.db = Connection::open_in_memory().map_err(self.refused("close"))?;
        let mut database = None;
        if was_open {
            match error {
                Some(error) => database = Some(start::set_database_aside(&self.directory, error, now)?),
                // Another one that somebody put there is nobody's.
                None if database::file_at(&self.directory.database()).is_some() => {
                    start::rename_database(&folder, now.wall)?;
                }
                None => {}
            }
            for name in ["ghost.db-wal", "ghost.db-shm"] {
                folder.unlink(name)?;
            }
        }
        if let Some(name) = put_back {
            folder.take_name(&name, directory::DATABASE)?;
            database = Some(DatabaseStart::PutBack);
        }
        let (store, mut report) = start::open(self.directory.clone(), self.lock.share()?, now, true)?;
        *self = store;
        if let Some(database) = database {
            report.database = database;
        }
        self.note(report.notice())?;
        Ok(report)
    }
}
