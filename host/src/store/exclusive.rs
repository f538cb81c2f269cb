//! The store as its only writer has it.
//!
//! Owns: the order in which things become durable. Must not know: what is captured and when.
//!
//! Storing a snapshot: temporary file, write, fsync, rename, fsync of the directory; then the audit line; then one
//! transaction for the catalog and whatever came with it. It is acknowledged (a [`Stored`] exists) after the first
//! part at the earliest: the file is the truth, and a catalog that could not be written is mended from it.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::batch::{self, Batch, Recorded, SeriesIndex};
use super::catalog::{self, Entry, Mark};
use super::database::{self, refused};
use super::directory::{self, StateDirectory};
use super::disk::{DiskError, Folder};
use super::error::StoreError;
use super::excerpt::EXCERPT;
use super::found;
use super::lock::WriterLock;
use super::start::{self, StartReport};
use crate::audit;
use crate::model::{AuditHead, ChainLink, Digest, HeartbeatRange, Moment, Previous, SnapshotId, StoreRef, Wall};
use crate::seal::{self, Sealed};

/// How many files that the catalog lacks are taken in beside other work.
const CAUGHT_UP_AT_ONCE: usize = 16;

/// A snapshot that is durable. Only the store makes one, so nothing else can be published.
#[derive(Debug)]
pub struct Stored {
    entry: Entry,
    catalog_error: Option<StoreError>,
}

impl Stored {
    /// How lists show it.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Why the catalog or the audit log does not have it yet. The snapshot is safe all the same, but the batch that
    /// came with it was not recorded.
    pub fn catalog_error(&self) -> Option<&StoreError> {
        self.catalog_error.as_ref()
    }
}

/// The head of the chain: the snapshot that the next one will call its previous.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) sequence: u64,
    pub(super) previous: Previous,
}

/// The heartbeats since the last snapshot, hashed as they come.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    range: Option<(u64, u64, u64)>,
    hasher: Sha256,
}

impl Tally {
    pub(super) fn add(&mut self, sequence: u64, text: &str) {
        let (first, _, count) = self.range.unwrap_or((sequence, sequence, 0));
        self.range = Some((first, sequence, count + 1));
        self.hasher.update(text.as_bytes());
        self.hasher.update(b"\n");
    }

    fn range(&self) -> Option<HeartbeatRange> {
        self.range.map(|(first, last, count)| HeartbeatRange {
            first,
            last,
            count,
            sha256: Digest::finish(self.hasher.clone()),
        })
    }
}

/// The store, opened by the one who may write to it.
#[derive(Debug)]
pub struct ExclusiveStore {
    pub(super) directory: StateDirectory,
    pub(super) folder: Folder,
    pub(super) snapshots: Folder,
    pub(super) db: Connection,
    /// Which file it is: device and inode. None while it is not to be written to.
    pub(super) file: Option<(u64, u64)>,
    pub(super) audit: audit::Log,
    pub(super) series: SeriesIndex,
    pub(super) identity: StoreRef,
    pub(super) head: Option<Head>,
    /// The highest sequence that was ever given, also where its file is gone and nothing more is known of it.
    pub(super) highest_sequence: u64,
    pub(super) tally: Tally,
    pub(super) last_beat: u64,
    pub(super) newest: Option<Entry>,
    /// Files that the catalog does not have yet: only after it was lost, and then [`ExclusiveStore::catch_up`] has
    /// them taken in a few at a time.
    pub(super) uncatalogued: Vec<SnapshotId>,
    /// What [`Folder::stamp`] said when the catalog last knew all that is in the directory; none once somebody else
    /// has changed something there.
    pub(super) stamp: Option<String>,
    /// Deletions that were intended and could not be carried out: tried again by the next prune, or the next start.
    pub(super) unfinished: Vec<catalog::Removed>,
    /// What befell the record and no snapshot says yet.
    pub(super) notices: Vec<String>,
    pub(super) lock: WriterLock,
}

impl ExclusiveStore {
    /// Takes the lock, opens or makes what is there, and finishes or undoes what was begun when it was last left.
    pub fn open(path: &Path, now: &Moment) -> Result<(Self, StartReport), StoreError> {
        if path.join(EXCERPT).exists() {
            return Err(StoreError::Part { path: path.to_owned() });
        }
        let directory = StateDirectory::prepare(path)?;
        let lock = WriterLock::take(&directory.open()?, directory::LOCK, now.wall)?;
        start::open(directory, lock, now, false)
    }

    /// Where it is.
    pub fn directory(&self) -> &StateDirectory {
        &self.directory
    }

    /// Its name and epoch.
    pub fn identity(&self) -> &StoreRef {
        &self.identity
    }

    /// The last snapshot that is there.
    pub fn newest(&self) -> Option<&Entry> {
        self.newest.as_ref()
    }

    /// What the number of the next heartbeat has to be, at least.
    pub fn next_heartbeat_sequence(&self) -> u64 {
        self.last_beat.saturating_add(1)
    }

    /// The audit log goes on in a new file once the one that is added to has so many bytes.
    pub fn rotate_audit_at(&mut self, bytes: u64) {
        self.audit.rotate_at(bytes);
    }

    /// Tells others where to reach the daemon.
    pub fn set_control_socket(&mut self, socket: Option<&Path>) -> Result<(), StoreError> {
        Ok(self.lock.set_control_socket(socket)?)
    }

    /// What ties the next snapshot to everything before it. The audit log is synced for this. Asking again before
    /// the next [`ExclusiveStore::put`] gives the same place: a capture that failed takes none.
    pub fn link(&mut self) -> Result<ChainLink, StoreError> {
        let audit_head = self.audit.sync()?;
        Ok(ChainLink {
            sequence: self.highest_sequence.saturating_add(1),
            store: self.identity.clone(),
            previous: self.head.as_ref().map(|head| head.previous.clone()),
            audit_head,
            heartbeats: self.tally.range(),
            seal: None,
        })
    }

    /// Stores a snapshot, and records what came with it in the same transaction as its catalog entry.
    pub fn put(&mut self, sealed: &Sealed, batch: &Batch) -> Result<Stored, StoreError> {
        self.put_bytes(sealed.bytes(), batch)
    }

    /// The same with the bytes of a whole file, which are checked in any case: what could not be read again is not
    /// stored.
    pub(super) fn put_bytes(&mut self, bytes: &[u8], batch: &Batch) -> Result<Stored, StoreError> {
        let checked =
            seal::check(bytes).map_err(|damage| StoreError::Damaged { path: "(not stored)".into(), damage })?;
        let entry = Entry::of(&checked.body, checked.sha256, bytes.len() as u64);
        let next = self.highest_sequence.saturating_add(1);
        let fits = entry.sequence == next
            && entry.previous == self.head.as_ref().map(|head| head.previous.clone())
            && checked.body.link.store == self.identity;
        if !fits {
            return Err(StoreError::OutOfPlace { id: entry.id, sealed: entry.sequence, next });
        }
        self.try_to_catch_up();
        let name = directory::snapshot_file(entry.id);
        if let Err(error) = self.change(|snapshots| snapshots.create(&name, bytes)) {
            // It has its name, could not be made durable, and could not be taken back either. It is not
            // acknowledged, but it is there, so the chain has to go on after it.
            let is_there = matches!(self.snapshots.size_of(&name), Ok(Some(_)));
            if is_there && error.source.kind() != std::io::ErrorKind::AlreadyExists {
                self.uncatalogued.push(entry.id);
                self.advance(&entry)?;
            }
            return Err(error.into());
        }
        let catalog_error = self.advance(&entry).and_then(|()| self.catalogue(&entry, batch)).err();
        if let Some(error) = &catalog_error {
            tracing::warn!(%error, id = %entry.id, "The snapshot is safe, and the catalog does not have it yet.");
            self.uncatalogued.push(entry.id);
        }
        Ok(Stored { entry, catalog_error })
    }

    /// Records a batch: as a whole, or not at all.
    pub fn record(&mut self, batch: &Batch) -> Result<Recorded, StoreError> {
        self.transact(batch, "record", |_| Ok(()))
    }

    /// Reads every page of the database and says what is wrong with it; empty for nothing.
    pub fn check_database(&self) -> Result<Vec<String>, StoreError> {
        database::quick_check(&self.db).map_err(self.refused("check"))
    }

    /// Adds a line to the audit log. It is durable with the next snapshot at the latest; `durable` waits for it now.
    /// What `data` says must be sanitized.
    pub fn audit(&mut self, at: Wall, operation: &str, data: Json, durable: bool) -> Result<AuditHead, StoreError> {
        let head = self.audit.append(at, operation, data)?;
        if durable {
            self.audit.sync()?;
        }
        Ok(head)
    }

    /// What befell the record and no snapshot says yet: it belongs into the next.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Remembers what befell the record until a snapshot says it.
    pub(super) fn note(&mut self, notice: Option<String>) -> Result<(), StoreError> {
        let Some(notice) = notice else { return Ok(()) };
        self.notices.push(notice);
        let text = serde_json::to_string(&self.notices).unwrap_or_default();
        self.transact(&Batch::default(), "note", |db| database::set_meta(db, start::NOTICES, &text)).map(drop)
    }

    /// How many files the catalog does not have yet.
    pub fn uncatalogued(&self) -> usize {
        self.uncatalogued.len()
    }

    /// Takes at most `limit` files into the catalog that it does not have yet, and says how many are left.
    pub fn catch_up(&mut self, limit: usize) -> Result<usize, StoreError> {
        let from = self.uncatalogued.len().saturating_sub(limit);
        let some = self.uncatalogued.split_off(from);
        if let Err(error) = start::take_in(self, &some) {
            self.uncatalogued.extend(some);
            return Err(error);
        }
        Ok(self.uncatalogued.len())
    }

    /// The same at a time when room is likely to be there again, without a fuss where it is not.
    pub(super) fn try_to_catch_up(&mut self) {
        if !self.uncatalogued.is_empty()
            && let Err(error) = self.catch_up(CAUGHT_UP_AT_ONCE)
        {
            tracing::debug!(%error, "The catalog still lacks snapshots.");
        }
    }

    fn catalogue(&mut self, entry: &Entry, batch: &Batch) -> Result<(), StoreError> {
        let data = json!({
            "sequence": entry.sequence, "id": entry.id, "sha256": entry.sha256, "previous": entry.previous,
            "trigger": entry.trigger,
        });
        self.audit.append(entry.captured_at, "capture", data)?;
        // An intent that was not carried out must be found by the next start.
        let settled = self.unfinished.is_empty().then(|| self.audit.length());
        let stamp = self.stamp_to_store();
        self.transact(batch, "catalogue", |db| {
            catalog::insert(db, entry)?;
            if let Some(heartbeats) = &entry.heartbeats {
                database::set_meta(db, start::SEALED_BEAT, &heartbeats.last.to_string())?;
            }
            settled.map_or(Ok(()), |length| database::set_meta(db, start::SETTLED, &length.to_string()))?;
            database::set_meta(db, start::NOTICES, "[]")?;
            database::set_meta(db, start::STAMP, &stamp)
        })?;
        self.notices.clear();
        Ok(())
    }

    /// One transaction, retried by nobody: what it could not write is still the caller's.
    pub(super) fn transact(
        &mut self,
        batch: &Batch,
        operation: &'static str,
        more: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<Recorded, StoreError> {
        let beats: Vec<String> = batch
            .heartbeats
            .iter()
            .map(catalog::json)
            .collect::<rusqlite::Result<_>>()
            .map_err(refused(operation, &self.directory.database()))?;
        let written = (|| {
            if batch.durable {
                database::set_durable(&self.db, true)?;
            }
            let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let written = batch::write(&transaction, batch, &beats, &self.series)?;
            more(&transaction)?;
            transaction.commit()?;
            Ok(written)
        })();
        if batch.durable
            && let Err(error) = database::set_durable(&self.db, false)
        {
            tracing::debug!(%error, "Commits go on waiting for the disk.");
        }
        let (recorded, added) = written.map_err(refused(operation, &self.directory.database()))?;
        added.join(&mut self.series);
        for (beat, text) in batch.heartbeats.iter().zip(&beats) {
            self.tally.add(beat.sequence, text);
            self.last_beat = self.last_beat.max(beat.sequence);
        }
        Ok(recorded)
    }

    /// The chain goes on after a file that is durable.
    fn advance(&mut self, entry: &Entry) -> Result<(), StoreError> {
        self.highest_sequence = self.highest_sequence.max(entry.sequence);
        self.head = Some(Head { sequence: entry.sequence, previous: entry.as_previous() });
        self.newest = Some(entry.clone());
        let sealed = entry.heartbeats.as_ref().map_or(0, |range| range.last);
        let came_between = self.tally.range.is_some_and(|(_, last, _)| last > sealed);
        self.tally = Tally::default();
        // Heartbeats that were recorded after the link was asked for belong to the next snapshot.
        if came_between { start::count_heartbeats(self, sealed) } else { Ok(()) }
    }

    /// What the catalog may say of the directory: nothing while it lacks files.
    pub(super) fn stamp_to_store(&self) -> String {
        if self.uncatalogued.is_empty() { self.stamp.clone().unwrap_or_default() } else { String::new() }
    }

    /// Changes something in the directory of snapshots. As long as nobody else does, its stamp says that the catalog
    /// knows everything that is in it, and nobody needs to list it.
    pub(super) fn change<T>(&mut self, change: impl FnOnce(&Folder) -> Result<T, DiskError>) -> Result<T, DiskError> {
        let is_ours_alone = self.stamp.is_some() && self.snapshots.stamp() == self.stamp;
        let changed = change(&self.snapshots);
        // What failed half-way may have left something behind.
        let is_clean = changed.is_ok() && !self.snapshots.has_leftovers();
        self.stamp = if is_ours_alone && is_clean { self.snapshots.stamp() } else { None };
        changed
    }

    /// Looks whether the catalog knows all that is in the directory, where that is in doubt, so that others need not.
    pub(super) fn settle_doubt(&mut self) -> Result<(), StoreError> {
        if self.stamp.is_some() || !self.uncatalogued.is_empty() {
            return Ok(());
        }
        self.snapshots.remove_temporaries()?;
        let stamp = self.snapshots.stamp();
        let names = self.snapshots.names()?;
        let ids = |of: fn(&str) -> Option<SnapshotId>| -> BTreeSet<SnapshotId> {
            names.iter().filter_map(|name| of(name)).collect()
        };
        let known: BTreeSet<SnapshotId> = catalog::ids(&self.db).map_err(self.refused("list"))?.into_iter().collect();
        let marked = catalog::marked(&self.db).map_err(self.refused("list"))?;
        if ids(directory::id_of_snapshot_file) == known && ids(directory::id_of_mark_file).iter().eq(marked.keys()) {
            self.stamp = stamp;
            let stamp = self.stamp_to_store();
            self.transact(&Batch::default(), "settle", |db| database::set_meta(db, start::STAMP, &stamp))?;
        }
        Ok(())
    }

    /// The mark beside a snapshot, as its file says.
    pub(super) fn read_mark(&self, id: SnapshotId) -> Result<Option<Mark>, DiskError> {
        found::read_mark(&self.snapshots, id)
    }

    pub(super) fn refused(&self, operation: &'static str) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
        let path = self.directory.database();
        move |source| StoreError::Database { operation, path: path.clone(), source }
    }
}
