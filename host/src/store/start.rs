//! The start: what was begun when the store was last left is finished or undone, and the loose ends are tied.
//!
//! Owns: the reconciliation of files, audit log and catalog. The files win. It looks at names and at the tail only;
//! whether old files are still what they were is the scrub's business.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use rusqlite::Connection;
use serde::Serialize;
use serde_json::json;

use super::audit_file;
use super::batch::{Batch, SeriesIndex};
use super::catalog::{self, Entry, Removed};
use super::database::{self, refused};
use super::directory::{self, StateDirectory};
use super::disk::Folder;
use super::error::StoreError;
use super::exclusive::{ExclusiveStore, Head, Tally};
use super::found::{FromAudit, Listed, Settled, identity_of_files, read_audit, read_entry, read_settled};
use super::lock::WriterLock;
use super::renew;
use super::reserve;
use super::swap;
use crate::audit;
use crate::model::{Moment, SnapshotId, StoreId, StoreRef, Wall};

/// How many files that the catalog does not have a start takes in before it goes on. An ordinary crash leaves one at
/// most; only a lost catalog leaves more, and those wait for [`ExclusiveStore::catch_up`].
const TAKEN_IN_AT_START: usize = 256;
/// How many names a report or an audit line lists.
const NAMES_LISTED: usize = 100;

/// The store's epoch, and where it was forked from, as JSON.
pub(super) const STORE: &str = "store";
/// The length of the audit log up to which the catalog knows everything that it says.
pub(super) const SETTLED: &str = "audit_settled";
/// The directory's [`Folder::stamp`] when the catalog last knew all that is in it.
pub(super) const STAMP: &str = "directory_stamp";
/// The number of the last heartbeat that a snapshot has.
pub(super) const SEALED_BEAT: &str = "sealed_beat";

/// The head of the chain when the store was last opened: after a restore, no snapshot that is there has its number.
pub(super) const HEAD: &str = "head";
/// What befell the record and no snapshot says yet, as JSON.
pub(super) const NOTICES: &str = "notices";

/// The number of the last heartbeat that was rolled up.
pub(super) const ROLLED_BEAT: &str = "rolled_beat";

/// What became of the database at the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum DatabaseStart {
    /// It was there and is used.
    #[default]
    Opened,
    /// There was none, and nothing says that there should be one.
    Created,
    /// There was none although there are snapshots: history and states are lost, as far as no copy has them.
    Lost,
    /// It was deleted or replaced while it was open, and was written anew: nothing is lost.
    PutBack,
    /// It was damaged, and is kept under another name: history and states are lost as far as it goes.
    SetAside {
        /// Where it is now.
        path: PathBuf,
        /// What was wrong with it.
        why: String,
    },
}

/// What a start found and did. Everything but the defaults is worth an event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StartReport {
    /// Whether the store was made just now.
    pub created: bool,
    /// What became of the database.
    pub database: DatabaseStart,
    /// When the copy was made from which a lost history goes on; none where there was none.
    pub history_from: Option<Wall>,
    /// Half-written files that were removed.
    pub temporaries_removed: usize,
    /// Snapshots whose file was durable and which the catalog did not have: it has them now.
    pub found: Vec<SnapshotId>,
    /// Deletions that were intended, begun and not finished: they are finished now.
    pub deletions_finished: Vec<SnapshotId>,
    /// Snapshots of the catalog whose file is gone although nothing says why.
    pub vanished: Vec<SnapshotId>,
    /// How many that are; `vanished` lists the first hundred.
    pub vanished_count: usize,
    /// Files that are named like snapshots of ours and could not be taken in, and why.
    pub rejected: BTreeMap<String, String>,
    /// Bytes of a torn last line of the audit log, which were never acknowledged and are cut off.
    pub audit_torn_bytes: u64,
    /// Why the last line of the audit log cannot be trusted.
    pub audit_flaw: Option<String>,
    /// Whether a backup was restored just now.
    pub restored: bool,
    /// Marks whose file was gone although nobody had taken them away: they are there again.
    pub marks_restored: Vec<SnapshotId>,
    /// Files that wait to be taken into the catalog.
    pub uncatalogued: usize,
}

/// Opens the store. A database that turns out to be damaged, wherever that shows, is set aside, and then the files
/// and the audit log alone have to do.
pub(super) fn open(
    directory: StateDirectory,
    lock: WriterLock,
    now: &Moment,
    is_renewed: bool,
) -> Result<(ExclusiveStore, StartReport), StoreError> {
    // A restore that is to be finished decides itself which database there is.
    let is_missing = database::file_at(&directory.database()).is_none()
        && database::file_at(&directory.path().join(swap::JOURNAL)).is_none();
    let brought = if is_missing { renew::bring_back(&directory)? } else { None };
    let (mut store, report) = match attempt(directory.clone(), lock.share()?, now) {
        Err(error) if is_beyond_use(&error) => {
            let aside = set_database_aside(&directory, &error, now)?;
            let brought = renew::bring_back(&directory)?;
            let (store, report) = attempt(directory, lock, now)?;
            (store, StartReport { database: aside, history_from: brought, ..report })
        }
        Ok((mut store, report)) if brought.is_some() && !is_renewed => {
            let report = StartReport { database: DatabaseStart::Lost, history_from: brought, ..report };
            store.audit.append(now.wall, "database_lost", json!(report.database))?;
            (store, report)
        }
        other => other.map(|(store, report)| (store, StartReport { history_from: brought, ..report }))?,
    };
    if !is_renewed {
        store.note(report.notice())?;
    }
    Ok((store, report))
}

impl StartReport {
    /// What befell the record, in words for those who read it later; none where nothing did.
    pub fn notice(&self) -> Option<String> {
        let since = match self.history_from {
            Some(at) => format!("history goes on from a copy of {at}, what came between is lost"),
            None => "history and the collectors' states are lost".to_owned(),
        };
        match &self.database {
            DatabaseStart::Opened | DatabaseStart::Created => None,
            DatabaseStart::PutBack => Some(
                "the database was deleted or replaced while it was open, and is written anew: nothing is lost"
                    .to_owned(),
            ),
            DatabaseStart::Lost => Some(format!("the database was gone: {since}; snapshots are not")),
            DatabaseStart::SetAside { path, why } => {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                Some(format!(
                    "the database was damaged ({why}) and is set aside as `{name}`: {since}; snapshots are not"
                ))
            }
        }
    }
}

/// Gives a damaged database another name.
pub(super) fn set_database_aside(
    directory: &StateDirectory,
    error: &StoreError,
    now: &Moment,
) -> Result<DatabaseStart, StoreError> {
    let why = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let aside = rename_database(&directory.open()?, now.wall)?;
    tracing::warn!(%why, aside, "The database is damaged and set aside; a new one is made.");
    Ok(DatabaseStart::SetAside { path: directory.path().join(aside), why })
}

fn attempt(
    directory: StateDirectory,
    lock: WriterLock,
    now: &Moment,
) -> Result<(ExclusiveStore, StartReport), StoreError> {
    let mut report = StartReport::default();
    let folder = directory.open()?;
    let restored = swap::finish(&folder)?;
    let snapshots = directory.open_snapshots()?;
    for folder in [&folder, &Folder::open(&directory.backups())?] {
        report.temporaries_removed += folder.remove_temporaries()?;
    }
    let (db, settled) = open_database(&directory, &mut report)?;
    let (mut audit, tail) = audit_file::open(&directory.audit())?;
    if let Some(swap) = restored {
        swap.conclude(&folder, &mut audit, &directory.audit())?;
        report.restored = true;
    }
    report.audit_torn_bytes = tail.torn_bytes;
    report.audit_flaw.clone_from(&tail.flaw);
    let said = read_audit(&directory.audit(), settled.offset)?;

    // Listing 100,000 names takes a while, and is needed only where something was changed behind the catalog's back:
    // by a crash in the middle of something, or by somebody.
    let stamp = snapshots.stamp();
    let listed = if stamp.is_some() && stamp == settled.stamp {
        None
    } else {
        report.temporaries_removed += snapshots.remove_temporaries()?;
        let known = catalog::ids(&db).map_err(refused("list", &directory.database()))?;
        Some(Listed::of(snapshots.names()?, known, &said))
    };
    let is_new = tail == audit::Tail::default()
        && listed.as_ref().is_some_and(|listed| listed.files.is_empty() && listed.known.is_empty());
    if report.database == DatabaseStart::Created && !is_new {
        report.database = DatabaseStart::Lost;
    }
    report.created = is_new && report.database == DatabaseStart::Created;
    let missing = listed.as_ref().map_or(&[][..], |listed| &listed.missing);
    let identity = match said.restored.clone().or(settled.identity).or_else(|| said.identity.clone()) {
        Some(identity) => identity,
        None => identity_of_files(&snapshots, missing).unwrap_or_else(|| StoreRef {
            id: StoreId::random(),
            epoch: 1,
            forked_from: None,
        }),
    };
    let newest = catalog::newest(&db).map_err(refused("read", &directory.database()))?;
    let file = database::file_at(&directory.database());
    let notices = database::meta(&db, NOTICES).map_err(refused("read", &directory.database()))?;
    let notices = notices.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let mut store = ExclusiveStore {
        series: SeriesIndex::load(&db).map_err(refused("read", &directory.database()))?,
        directory,
        folder,
        snapshots,
        db,
        file,
        audit,
        identity,
        head: None,
        highest_sequence: 0,
        tally: Tally::default(),
        last_beat: 0,
        newest: None,
        uncatalogued: Vec::new(),
        stamp: None,
        unfinished: Vec::new(),
        notices,
        lock,
    };
    for head in said.head.iter().cloned().chain(settled.heads).chain(newest.as_ref().map(head_of)) {
        store.raise_head(&head);
    }
    store.newest = newest;
    if report.created {
        let data = json!({ "store": store.identity });
        store.audit.append(now.wall, "create", data)?;
    }
    store.stamp = store.snapshots.stamp();
    finish_deletions(&mut store, &said, &mut report)?;
    let wait = missing.len().saturating_sub(TAKEN_IN_AT_START);
    let (wait, at_once) = missing.split_at(wait);
    store.uncatalogued = wait.to_vec();
    report.uncatalogued = wait.len();
    let taken = take_in(&mut store, at_once)?;
    report.found = taken.found;
    report.rejected = taken.rejected;
    if !wait.is_empty() && said.head.is_none() {
        raise_head_from_files(&mut store, wait);
    }
    let names = listed.as_ref().map(|listed| &listed.names[..]);
    store.reconcile_marks(names, said.marks.clone(), &mut report)?;
    if let Some(listed) = &listed {
        note_vanished(&mut store, listed, &said, now.wall, &mut report)?;
    }
    if !report.rejected.is_empty() {
        // What the catalog does not have has to be looked for by everybody.
        store.stamp = None;
    }
    note_troubles(&mut store, &report, now.wall)?;
    reserve::take(&store.folder)?;
    settle(&mut store)?;
    let newest = store.newest.as_ref().and_then(|newest| newest.heartbeats.as_ref()).map_or(0, |range| range.last);
    count_heartbeats(&mut store, newest.max(settled.sealed_beat))?;
    store.last_beat = store.last_beat.max(settled.rolled_beat);
    Ok((store, report))
}

/// What was taken in from files.
#[derive(Debug, Default)]
pub(super) struct TakenIn {
    found: Vec<SnapshotId>,
    rejected: BTreeMap<String, String>,
}

/// Reads files that the catalog does not have, and gives it an entry for each that is whole and ours.
pub(super) fn take_in(store: &mut ExclusiveStore, ids: &[SnapshotId]) -> Result<TakenIn, StoreError> {
    let mut taken = TakenIn::default();
    let mut entries = Vec::new();
    for &id in ids {
        match read_entry(&store.snapshots, id, &store.identity) {
            Ok(entry) => entries.push(entry),
            Err(reason) => {
                taken.rejected.insert(directory::snapshot_file(id), reason);
            }
        }
    }
    entries.sort_by_key(|entry| entry.sequence);
    if entries.is_empty() {
        return Ok(taken);
    }
    store.transact(&Batch::default(), "catalogue", |db| {
        entries.iter().try_for_each(|entry| catalog::insert(db, entry))
    })?;
    for entry in entries {
        store.raise_head(&head_of(&entry));
        store.identity.epoch = store.identity.epoch.max(entry.epoch);
        if store.newest.as_ref().is_none_or(|newest| newest.sequence < entry.sequence) {
            store.newest = Some(entry.clone());
        }
        taken.found.push(entry.id);
    }
    Ok(taken)
}

impl ExclusiveStore {
    pub(super) fn raise_head(&mut self, head: &Head) {
        self.highest_sequence = self.highest_sequence.max(head.sequence);
        if self.head.as_ref().is_none_or(|known| known.sequence < head.sequence) {
            self.head = Some(head.clone());
        }
    }
}

pub(super) fn head_of(entry: &Entry) -> Head {
    Head { sequence: entry.sequence, previous: entry.as_previous() }
}

fn open_database(directory: &StateDirectory, report: &mut StartReport) -> Result<(Connection, Settled), StoreError> {
    let path = directory.database();
    let (db, made) = database::open_writer(&path)?;
    let settled = read_settled(&db).map_err(refused("read", &path))?;
    if made {
        report.database = DatabaseStart::Created;
    }
    Ok((db, settled))
}

/// Whether a database can only be set aside: damaged pages, no database at all, rows that cannot be read.
fn is_beyond_use(error: &StoreError) -> bool {
    error.is_damaged_database()
        || matches!(error, StoreError::Database { source, .. } if matches!(
            source,
            rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..)
        ) || matches!(source.sqlite_error_code(), Some(rusqlite::ErrorCode::Unknown)))
}

pub(super) fn rename_database(folder: &Folder, now: Wall) -> Result<String, StoreError> {
    let taken: HashSet<String> = folder.names()?.into_iter().collect();
    let stem = |n: u32| format!("{}.damaged-{}-{n}", directory::DATABASE, now.millis() / 1_000);
    let aside = (0..).map(stem).find(|name| !taken.contains(name)).unwrap_or_default();
    for suffix in ["-wal", "-shm", ""] {
        let from = format!("{}{suffix}", directory::DATABASE);
        if taken.contains(&from) {
            folder.rename(&from, &format!("{aside}{suffix}"))?;
        }
    }
    Ok(aside)
}

/// Where neither catalog nor audit log knows the head of the chain, every file is asked for its place.
fn raise_head_from_files(store: &mut ExclusiveStore, ids: &[SnapshotId]) {
    for &id in ids {
        if let Ok(entry) = read_entry(&store.snapshots, id, &store.identity) {
            store.raise_head(&head_of(&entry));
        }
    }
}

fn finish_deletions(store: &mut ExclusiveStore, said: &FromAudit, report: &mut StartReport) -> Result<(), StoreError> {
    for &id in said.deleted.keys() {
        let was_there = store.change(|snapshots| {
            snapshots.unlink(&directory::mark_file(id))?;
            snapshots.unlink(&directory::snapshot_file(id))
        })?;
        if was_there {
            report.deletions_finished.push(id);
        }
    }
    if !report.deletions_finished.is_empty() {
        store.snapshots.sync()?;
    }
    if said.deleted.is_empty() {
        return Ok(());
    }
    store
        .transact(&Batch::default(), "catalogue", |db| {
            said.deleted.values().try_for_each(|removed| catalog::remove(db, removed, Wall(0)))
        })
        .map(drop)?;
    refresh_newest(store)
}

fn note_vanished(
    store: &mut ExclusiveStore,
    listed: &Listed,
    said: &FromAudit,
    now: Wall,
    report: &mut StartReport,
) -> Result<(), StoreError> {
    let gone = listed.known.difference(&listed.files);
    let mut vanished: Vec<SnapshotId> = gone.filter(|id| !said.deleted.contains_key(id)).copied().collect();
    if vanished.is_empty() {
        return Ok(());
    }
    vanished.sort_unstable();
    store.transact(&Batch::default(), "catalogue", |db| {
        for &id in &vanished {
            if let Some(entry) = catalog::get(db, id)? {
                catalog::remove(db, &removed_of(&entry, None), now)?;
            }
        }
        Ok(())
    })?;
    report.vanished_count = vanished.len();
    vanished.truncate(NAMES_LISTED);
    let data = json!({ "count": report.vanished_count, "snapshots": vanished });
    store.audit.append(now, "missing", data)?;
    report.vanished = vanished;
    refresh_newest(store)
}

fn note_troubles(store: &mut ExclusiveStore, report: &StartReport, now: Wall) -> Result<(), StoreError> {
    if report.audit_torn_bytes > 0 || report.audit_flaw.is_some() {
        let data = json!({ "torn_bytes": report.audit_torn_bytes, "flaw": report.audit_flaw });
        store.audit.append(now, "audit_damaged", data)?;
    }
    if matches!(report.database, DatabaseStart::Lost | DatabaseStart::SetAside { .. }) {
        store.audit.append(now, "database_lost", json!(report.database))?;
    }
    Ok(())
}

/// The catalog now knows everything that the audit log says.
pub(super) fn settle(store: &mut ExclusiveStore) -> Result<(), StoreError> {
    store.audit.sync()?;
    let length = store.audit.length().to_string();
    let identity = serde_json::to_string(&store.identity).unwrap_or_default();
    let stamp = store.stamp_to_store();
    let head = store.head.as_ref().map(|head| json!({ "sequence": head.sequence, "previous": head.previous }));
    store
        .transact(&Batch::default(), "settle", |db| {
            head.map_or(Ok(()), |head| database::set_meta(db, HEAD, &head.to_string()))?;
            database::set_meta(db, STORE, &identity)?;
            database::set_meta(db, STAMP, &stamp)?;
            database::set_meta(db, SETTLED, &length)
        })
        .map(drop)
}

/// Hashes the heartbeats after the last that a snapshot has.
pub(super) fn count_heartbeats(store: &mut ExclusiveStore, sealed: u64) -> Result<(), StoreError> {
    let mut tally = Tally::default();
    let mut last = sealed;
    let counted = (|| {
        let mut statement =
            store.db.prepare("SELECT sequence, beat FROM heartbeats WHERE sequence > ?1 ORDER BY sequence")?;
        let mut rows = statement.query([database::int(sealed)])?;
        while let Some(row) = rows.next()? {
            last = row.get::<_, i64>(0)?.unsigned_abs();
            tally.add(last, row.get_ref(1)?.as_str()?);
        }
        Ok(())
    })();
    counted.map_err(refused("read", &store.directory.database()))?;
    store.tally = tally;
    store.last_beat = last;
    Ok(())
}

pub(super) fn removed_of(entry: &Entry, reason: Option<String>) -> Removed {
    Removed { sequence: entry.sequence, id: entry.id, sha256: entry.sha256, previous: entry.previous.clone(), reason }
}

pub(super) fn refresh_newest(store: &mut ExclusiveStore) -> Result<(), StoreError> {
    store.newest = catalog::newest(&store.db).map_err(refused("read", &store.directory.database()))?;
    Ok(())
}
