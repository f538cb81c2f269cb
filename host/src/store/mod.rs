//! The store: snapshots as files, and beside them a database with the catalog, the history and the states.
//!
//! ```text
//! <data>/snapshots/snapshot-{uuid}.json   one snapshot; `crate::seal` describes its bytes
//! <data>/snapshots/snapshot-{uuid}.keep   a mark: who wants it kept, why, since when (JSON)
//! <data>/snapshots/snapshot-{uuid}.purged what is left of one that was purged: its place in the chain (JSON)
//! <data>/ghost.db                         `database` describes its tables
//! <data>/ghost.db.copy                    a day old at most: where history goes on from when ghost.db is lost
//! <data>/audit.jsonl                      `crate::audit` describes its lines, `audit_file` how it is rotated
//! <data>/lock                             held by the only writer; who that is
//! <data>/reserve                          room for the day the disk is full
//! ```
//!
//! The files are the truth of snapshots. The catalog is made from them and can be made again; a damaged database
//! never hides or deletes a file. Of history and state the database is the truth.
//!
//! Owns: everything below the data directory but `cache/`. Must not know: plugins, probes, configuration; settings
//! come as arguments, and so does the time.

mod audit_file;
mod batch;
mod catalog;
mod chain;
mod database;
mod derived;
mod directory;
mod disk;
mod erase;
mod error;
mod excerpt;
mod exclusive;
mod found;
mod history;
mod listing;
mod load;
mod lock;
mod marks;
mod name;
mod pages;
mod prune;
mod purge;
mod reader;
mod renew;
mod repair;
mod reserve;
mod rolled;
mod rollup;
mod samples;
mod scrub;
mod seals;
mod start;
mod swap;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod verify;

pub use audit_file::{AuditReader, audit_log};
pub use batch::{
    Batch, CollectorState, Document, HandResolution, MAX_EVENTS, MAX_RESOLVED_FINDINGS, MAX_SERIES_PER_COLLECTOR,
    Points, Recorded, StoredFinding, StoredSection,
};
pub use catalog::{Entry, Mark, Removed};
pub use chain::{Gap, Problem, Verdict};
pub use database::{check_database, copy_database};
pub use derived::Readers;
pub use directory::{
    AUDIT, BACKUPS, CACHE, DATABASE, DirectoryError, LOCK, SNAPSHOTS, StateDirectory, id_of_mark_file,
    id_of_snapshot_file, is_tombstone_file, mark_file, snapshot_file, tombstone_file,
};
#[cfg(test)]
pub(crate) use disk::fault;
pub use disk::{DiskError, Folder, TEMPORARY_PREFIX, atomic_write};
pub use erase::erase_in_copy;
pub use error::StoreError;
pub use excerpt::{EXCERPT, Excerpt, excerpt_database};
pub use exclusive::{ExclusiveStore, Stored};
pub use history::{BeatStretch, HistoryPoint, MAX_ROWS, NumberedEvent, Series, Span, StoodStretch};
pub use load::Loaded;
pub use lock::{Holder, LockError, WriterLock, holder};
pub use name::{MIN_PREFIX, Name, parse_time};
pub use pages::Page;
pub use prune::{Gone, Kept, Pruned, Spared, plan_retention};
pub use purge::{Purged, holds_in, purge_derived};
pub use reader::{Filter, Reader, Source};
pub use renew::{COPY, DatabaseCheck, check_and_copy};
pub use repair::{DAMAGED_SUFFIX, Repaired};
pub use rollup::{BeatSummary, DaemonSummary, HOUR_SECONDS, HistoryPolicy, MINUTE_SECONDS, Summary};
pub use scrub::Scrub;
pub use seals::{Head, SealCheck};
pub use start::{DatabaseStart, StartReport};
pub use swap::Swap;
pub use verify::{HeartbeatCheck, Verification, verify_file};
