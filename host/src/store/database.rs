//! The database: how it is opened, what is in it, and how an older one is brought up to date.
//!
//! Owns: the schema and its migrations. Must not know: what a row means to anybody.
//!
//! `ghost.db` is SQLite in WAL mode. Of snapshots it is the catalog, which can be rebuilt from the files; of
//! everything else here (history, states, findings, events) it is the truth.
//!
//! | table | a row is |
//! | --- | --- |
//! | `meta` | a named fact of the store: its id, its epoch, the head of the chain |
//! | `snapshots` | a snapshot's file that is there |
//! | `removed` | a snapshot's file that is gone, with the reason, or none where nobody gave one |
//! | `sections` | the latest section of a collector, as JSON text, with what it was made by |
//! | `states` | a key of a collector's private state |
//! | `findings` | a finding, open or resolved |
//! | `heartbeats` | a heartbeat as JSON text; the texts are what a snapshot's digest is of |
//! | `events` | an event as JSON text |
//! | `series`, `samples` | what is measured, and all points of one collector at one instant, packed |
//! | `beat_summaries`, `sample_summaries` | the same of a minute or an hour, once it is old |
//! | `documents` | anything else that is small and replaced as a whole, by namespace and key |
//!
//! Times are nanoseconds since the Unix epoch.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::StoreError;

/// The schema that this program writes.
pub(super) const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;
/// `application_id` of the database's header, so that `file(1)` and a stranger's database can be told: `gho1`.
const APPLICATION_ID: i64 = 0x6768_6f31;
/// The page cache in KiB. A batch touches some twenty pages; the kernel caches the file anyway.
const CACHE_KIB: i64 = 512;
/// What the WAL is cut back to after a checkpoint.
const WAL_LIMIT_BYTES: i64 = 4 << 20;
/// How long a reader that has the database for itself for an instant is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_millis(2_000);

/// Statement `n` brings a database of schema `n` to schema `n + 1`. What is released is never changed, only added to.
///
/// The second repeats the end of the first: on its first day ghostd wrote databases that called themselves schema 1 and
/// had no tables of summaries.
const MIGRATIONS: [&str; 2] = [
    "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE snapshots (
    id TEXT NOT NULL UNIQUE,
    sequence INTEGER NOT NULL,
    captured_at INTEGER NOT NULL,
    entry TEXT NOT NULL,
    mark TEXT
);
CREATE INDEX snapshots_by_sequence ON snapshots (sequence);
CREATE TABLE removed (
    sequence INTEGER NOT NULL,
    id TEXT NOT NULL UNIQUE,
    reason TEXT,
    removed_at INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    previous TEXT
);
CREATE INDEX removed_by_sequence ON removed (sequence);
CREATE TABLE sections (
    collector TEXT NOT NULL,
    key TEXT NOT NULL,
    meta TEXT NOT NULL,
    section TEXT NOT NULL,
    UNIQUE (collector, key)
);
CREATE TABLE states (
    collector TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (collector, key)
) WITHOUT ROWID;
CREATE TABLE findings (
    collector TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    resolved_at INTEGER,
    by_hand TEXT,
    finding TEXT NOT NULL,
    UNIQUE (collector, fingerprint)
);
CREATE INDEX findings_by_resolution ON findings (resolved_at);
CREATE TABLE heartbeats (
    sequence INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    beat TEXT NOT NULL
);
CREATE INDEX heartbeats_by_time ON heartbeats (at);
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    event TEXT NOT NULL
);
CREATE INDEX events_by_time ON events (at);
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    collector TEXT NOT NULL,
    name TEXT NOT NULL,
    unit TEXT NOT NULL,
    kind INTEGER NOT NULL,
    labels TEXT NOT NULL,
    UNIQUE (collector, name, labels, unit, kind)
);
CREATE TABLE samples (
    collector TEXT NOT NULL,
    at INTEGER NOT NULL,
    points BLOB NOT NULL
);
CREATE INDEX samples_by_time ON samples (collector, at);
CREATE TABLE beat_summaries (
    width INTEGER NOT NULL,
    at INTEGER NOT NULL,
    summary TEXT NOT NULL,
    PRIMARY KEY (width, at)
) WITHOUT ROWID;
CREATE TABLE sample_summaries (
    width INTEGER NOT NULL,
    at INTEGER NOT NULL,
    collector TEXT NOT NULL,
    points BLOB NOT NULL,
    UNIQUE (width, at, collector)
);
CREATE INDEX sample_summaries_by_collector ON sample_summaries (collector, width, at);
CREATE TABLE documents (
    namespace TEXT NOT NULL,
    key TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (namespace, key)
) WITHOUT ROWID;
",
    "
CREATE TABLE IF NOT EXISTS beat_summaries (
    width INTEGER NOT NULL,
    at INTEGER NOT NULL,
    summary TEXT NOT NULL,
    PRIMARY KEY (width, at)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sample_summaries (
    width INTEGER NOT NULL,
    at INTEGER NOT NULL,
    collector TEXT NOT NULL,
    points BLOB NOT NULL,
    UNIQUE (width, at, collector)
);
CREATE INDEX IF NOT EXISTS sample_summaries_by_collector ON sample_summaries (collector, width, at);
",
];

/// Gives rusqlite's errors the operation and the file that they are about.
pub(super) fn refused<'a>(operation: &'static str, path: &'a Path) -> impl Fn(rusqlite::Error) -> StoreError + use<'a> {
    move |source| StoreError::Database { operation, path: path.to_owned(), source }
}

/// Opens the database for its only writer, makes it where there is none, and brings an older one up to date. `true`
/// where it was made.
pub(super) fn open_writer(path: &Path) -> Result<(Connection, bool), StoreError> {
    let fail = refused("open", path);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    // SQLite makes a database's -wal and -shm with the database's own mode, so it is private before it is one.
    make_private(path)?;
    let mut db = Connection::open_with_flags(path, flags).map_err(&fail)?;
    db.busy_timeout(BUSY_TIMEOUT).map_err(&fail)?;
    let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(&fail)?;
    if found > SCHEMA_VERSION {
        // What looks newer may be damage: of a newer one nothing else is wrong.
        if let Some(wrong) = quick_check(&db).map_err(&fail)?.into_iter().next() {
            let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
            return Err(fail(rusqlite::Error::SqliteFailure(corrupt, Some(wrong))));
        }
        return Err(StoreError::NewerDatabase { path: path.to_owned(), found, known: SCHEMA_VERSION });
    }
    if found == 0 {
        // Must come before the first table. Room that roll-ups free is then given back a little at a time.
        db.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(&fail)?;
    }
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(&fail)?;
    set_durable(&db, false).map_err(&fail)?;
    db.pragma_update(None, "cache_size", -CACHE_KIB).map_err(&fail)?;
    db.pragma_update(None, "temp_store", "MEMORY").map_err(&fail)?;
    db.pragma_update(None, "mmap_size", 0).map_err(&fail)?;
    db.pragma_update_and_check(None, "journal_size_limit", WAL_LIMIT_BYTES, |_| Ok(())).map_err(&fail)?;
    db.set_prepared_statement_cache_capacity(64);
    migrate(&mut db, found).map_err(refused("bring up to date the tables", path))?;
    Ok((db, found == 0))
}

/// Opens the database for a reader that need not be allowed to write; `None` where there is none.
pub(super) fn open_reader(path: &Path) -> Result<Option<Connection>, StoreError> {
    if !path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Ok(None);
    }
    let fail = refused("open", path);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let usable = |db: Connection| -> rusqlite::Result<(Connection, i64)> {
        db.busy_timeout(BUSY_TIMEOUT)?;
        db.pragma_update(None, "cache_size", -CACHE_KIB)?;
        let version = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        db.query_row("SELECT count(*) FROM (SELECT 1 FROM sqlite_schema LIMIT 1)", [], |_| Ok(()))?;
        Ok((db, version))
    };
    let opened = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NOFOLLOW).and_then(usable);
    let (db, version) = match opened {
        Ok(opened) => opened,
        // Whoever cannot write beside it cannot open a WAL database in the ordinary way (SQLite's `walformat`). When
        // nobody else has it open and its WAL is empty, reading the file as it is loses nothing.
        Err(error) if wal_is_empty(path) => {
            let uri = format!("file:{}?mode=ro&immutable=1", escape_uri(path));
            Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
                .and_then(usable)
                .map_err(|_| fail(error))?
        }
        Err(error) => return Err(fail(error)),
    };
    match version {
        0 => Ok(None),
        1..SCHEMA_VERSION => {
            lend_tables(&db).map_err(&fail)?;
            Ok(Some(db))
        }
        SCHEMA_VERSION => Ok(Some(db)),
        found => Err(StoreError::NewerDatabase { path: path.to_owned(), found, known: SCHEMA_VERSION }),
    }
}

/// Gives a reader of an older database, which it may not bring up to date, the tables that are missing: empty ones of
/// its own.
fn lend_tables(db: &Connection) -> rusqlite::Result<()> {
    db.pragma_update(None, "temp_store", "MEMORY")?;
    let newest = Connection::open_in_memory()?;
    for statements in MIGRATIONS {
        newest.execute_batch(statements)?;
    }
    let mut tables = newest.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql NOT NULL")?;
    let mut rows = tables.query([])?;
    while let Some(row) = rows.next()? {
        let (name, sql): (String, String) = (row.get(0)?, row.get(1)?);
        let is_there =
            db.prepare("SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?1")?.exists([&name])?;
        if !is_there && !name.starts_with("sqlite_") {
            db.execute_batch(&sql.replacen("CREATE TABLE", "CREATE TEMP TABLE", 1))?;
        }
    }
    Ok(())
}

/// Which file a path is now: device and inode.
pub(super) fn file_at(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    path.symlink_metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Writes a consistent copy of a database to `to`, which may exist if it is empty. The writer goes on meanwhile.
/// `false` where there is no database.
pub fn copy_database(from: &Path, to: &Path) -> Result<bool, StoreError> {
    let Some(db) = open_reader(from)? else { return Ok(false) };
    make_private(to)?;
    let copied = db.execute("VACUUM INTO ?1", [to.to_string_lossy()]).map_err(refused("copy", from));
    copied.map(|_| true)
}

/// Reads every page of a database and says what is wrong with it; empty for nothing.
pub fn check_database(path: &Path) -> Result<Vec<String>, StoreError> {
    let Some(db) = open_reader(path)? else { return Ok(vec!["it is empty".to_owned()]) };
    quick_check(&db).map_err(refused("check", path))
}

/// The same of an open one.
pub(super) fn quick_check(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = db.prepare("PRAGMA quick_check(20)")?;
    let mut said: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    said.retain(|line| line != "ok");
    Ok(said)
}

/// Whether the next commits wait for the disk. Without it a power cut may take the last of them, never a part of one.
pub(super) fn set_durable(db: &Connection, durable: bool) -> rusqlite::Result<()> {
    db.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })
}

/// A named fact of the store.
pub(super) fn meta(db: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    use rusqlite::OptionalExtension as _;
    db.prepare_cached("SELECT value FROM meta WHERE key = ?1")?.query_row([key], |row| row.get(0)).optional()
}

/// Sets a named fact of the store.
pub(super) fn set_meta(db: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value")?
        .execute([key, value])
        .map(drop)
}

/// A number as SQLite has it. Sequences and counts never come near the end of the signed range.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn migrate(db: &mut Connection, found: i64) -> rusqlite::Result<()> {
    for (version, statements) in (0_i64..).zip(MIGRATIONS).skip_while(|(version, _)| *version < found) {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(statements)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

pub(super) fn make_private(path: &Path) -> Result<(), StoreError> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR).map(drop).map_err(|errno| {
        super::disk::DiskError { operation: "open", path: path.to_owned(), source: errno.into() }.into()
    })
}

fn wal_is_empty(path: &Path) -> bool {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    std::fs::metadata(wal).map_or(true, |metadata| metadata.len() == 0)
}

/// A path as SQLite's URIs want it: `?`, `#` and `%` have meanings there.
pub(super) fn escape_uri(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_database_is_private_and_has_the_schema() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ghost.db");
        let (db, made) = open_writer(&path).unwrap();
        assert!(made);
        set_meta(&db, "a", "1").unwrap();
        set_meta(&db, "a", "2").unwrap();
        assert_eq!(meta(&db, "a").unwrap().as_deref(), Some("2"));
        for name in ["ghost.db", "ghost.db-wal", "ghost.db-shm"] {
            let mode = dir.path().join(name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        drop(db);
        assert!(!open_writer(&path).unwrap().1);
    }

    #[test]
    fn a_database_of_the_first_day_is_brought_up_to_date_and_read_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ghost.db");
        let old = include_str!("../../../tests/fixtures/store/schema-1-first-day.sql");
        Connection::open(&path).unwrap().execute_batch(old).unwrap();
        let count = |db: &Connection, table: &str| -> i64 {
            db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
        };
        // Somebody who may only read finds what is there, and nothing where nothing can be.
        let reader = open_reader(&path).unwrap().unwrap();
        assert_eq!((count(&reader, "heartbeats"), count(&reader, "beat_summaries")), (1, 0));
        drop(reader);
        let version =
            |db: &Connection| -> i64 { db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap() };
        let (db, made) = open_writer(&path).unwrap();
        assert_eq!((made, version(&db)), (false, SCHEMA_VERSION));
        assert_eq!((count(&db, "heartbeats"), count(&db, "events"), count(&db, "documents")), (1, 1, 1));
        let schema = |db: &Connection| -> Vec<String> {
            let mut statement = db.prepare("SELECT name FROM sqlite_schema ORDER BY name").unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let (new, _) = open_writer(&dir.path().join("new.db")).unwrap();
        assert_eq!(schema(&db), schema(&new));
    }

    #[test]
    fn a_newer_database_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ghost.db");
        let (db, _) = open_writer(&path).unwrap();
        db.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
        drop(db);
        let before = std::fs::read(&path).unwrap();
        for error in [open_writer(&path).map(drop).unwrap_err(), open_reader(&path).map(drop).unwrap_err()] {
            assert!(matches!(error, StoreError::NewerDatabase { .. }), "{error}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn what_is_no_database_is_told_apart_from_what_cannot_be_opened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ghost.db");
        super::super::disk::atomic_write(&path, &[7; 5_000]).unwrap();
        assert!(open_writer(&path).map(drop).unwrap_err().is_damaged_database());
        let elsewhere = dir.path().join("none/ghost.db");
        assert!(!open_writer(&elsewhere).map(drop).unwrap_err().is_damaged_database());
        assert!(open_reader(&elsewhere).unwrap().is_none());
    }
}
