//! A part of a store: the snapshots and the history of some time, to be handed to somebody.
//!
//! Owns: what such a part says of itself, and the database of one. It lies in a data directory like any other, with the
//! file `excerpt.json` beside the rest, by which a reader knows that what is outside was left out on purpose. Must not
//! know: in what form it is handed over.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, params};
use serde::{Deserialize, Serialize};

use super::database::{self, int, refused};
use super::disk::{DiskError, Folder};
use super::error::StoreError;
use super::start::STORE;
use crate::model::Wall;

/// The file's name.
pub const EXCERPT: &str = "excerpt.json";
/// More than the file ever has.
const MAX_EXCERPT_BYTES: u64 = 64 << 10;

/// Which part of a store it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    /// From when on; none for as far back as the store went.
    pub since: Option<Wall>,
    /// Until when; none for up to when it was made.
    pub until: Option<Wall>,
    /// The place of its first snapshot in the store's order.
    pub first_sequence: u64,
    /// The place of its last.
    pub last_sequence: u64,
}

impl Excerpt {
    /// What a directory says; `None` where it is a whole store.
    pub(super) fn of(folder: &Folder) -> Result<Option<Self>, DiskError> {
        match folder.read(EXCERPT, MAX_EXCERPT_BYTES) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| DiskError {
                operation: "read",
                path: folder.path().join(EXCERPT),
                source: std::io::Error::new(std::io::ErrorKind::InvalidData, error),
            }),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a place is in it.
    pub fn has(&self, sequence: u64) -> bool {
        (self.first_sequence..=self.last_sequence).contains(&sequence)
    }
}

/// What of the database belongs to a part: a table, and which of its rows. Everything else stays where it is: states
/// and documents are the installation's own.
const TABLES: [(&str, &str); 11] = [
    ("meta", "key = ?5"),
    ("snapshots", "sequence BETWEEN ?1 AND ?2"),
    ("removed", "sequence BETWEEN ?1 AND ?2"),
    ("findings", "opened_at <= ?4 AND (resolved_at IS NULL OR resolved_at >= ?3)"),
    ("heartbeats", "at BETWEEN ?3 AND ?4"),
    ("events", "at BETWEEN ?3 AND ?4"),
    ("series", "1"),
    ("samples", "at BETWEEN ?3 AND ?4"),
    ("beat_summaries", "at BETWEEN ?3 AND ?4"),
    ("sample_summaries", "at BETWEEN ?3 AND ?4"),
    // The latest sections are of now, and so belong to a part that goes up to now.
    ("sections", "?4 = 9223372036854775807"),
];

/// Writes the database of a part to `to`, which must not exist. The writer of `from` goes on meanwhile. `false` where
/// there is no database.
pub fn excerpt_database(from: &Path, to: &Path, excerpt: &Excerpt) -> Result<bool, StoreError> {
    if database::open_reader(from)?.is_none() {
        return Ok(false);
    }
    let fail = refused("copy", from);
    drop(database::open_writer(to)?);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let db = Connection::open_with_flags(to, flags).map_err(&fail)?;
    copy_rows(&db, from, excerpt).map_err(&fail)?;
    // One file, with nothing beside it, that whoever cannot write can read.
    db.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).map_err(&fail)?;
    db.execute_batch("VACUUM").map_err(&fail)?;
    Ok(true)
}

fn copy_rows(db: &Connection, from: &Path, excerpt: &Excerpt) -> rusqlite::Result<()> {
    let whole = format!("file:{}?mode=ro", database::escape_uri(from));
    db.execute("ATTACH ?1 AS whole", [whole])?;
    let (since, until) = (excerpt.since.map_or(i64::MIN, |at| at.0), excerpt.until.map_or(i64::MAX, |at| at.0));
    let (first, last) = (int(excerpt.first_sequence), int(excerpt.last_sequence));
    db.execute_batch("BEGIN")?;
    for (table, rows) in TABLES {
        // Each parameter is there, so that each table can be asked with all of them.
        let all = "(?1 IS NOT NULL AND ?2 IS NOT NULL AND ?3 IS NOT NULL AND ?4 IS NOT NULL AND ?5 IS NOT NULL)";
        let copy = format!("INSERT OR REPLACE INTO main.{table} SELECT * FROM whole.{table} WHERE {all} AND {rows}");
        db.execute(&copy, params![first, last, since, until, STORE])?;
    }
    db.execute_batch("COMMIT; DETACH whole")
}
