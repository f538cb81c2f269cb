//! The catalog: one entry for each snapshot's file, so that finding one does not mean reading all.
//!
//! Owns: what an entry says and its row. Everything in an entry but the mark comes from the snapshot's own file, so
//! the catalog can be made anew from the files.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::database::int;
use crate::model::{
    Body, CallOutcome, Digest, FindingState, HeartbeatRange, Previous, SectionCompleteness, Severity, SnapshotId,
    Trigger, Wall,
};

/// A snapshot as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Its name.
    pub id: SnapshotId,
    /// Its place in the store's order.
    pub sequence: u64,
    /// When the capture was complete.
    pub captured_at: Wall,
    /// CLOCK_BOOTTIME then, in nanoseconds.
    pub boottime_ns: u64,
    /// Which boot that counts from.
    pub boot_id: String,
    /// SHA-256 of its body.
    pub sha256: Digest,
    /// Bytes of its file.
    pub size_bytes: u64,
    /// Why it was taken.
    pub trigger: Trigger,
    /// What whoever asked for it said, or what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it was marked to be kept when it was taken.
    pub important_at_capture: bool,
    /// The store's epoch.
    pub epoch: u64,
    /// The snapshot before.
    pub previous: Option<Previous>,
    /// The heartbeats since the snapshot before.
    pub heartbeats: Option<HeartbeatRange>,
    /// How many sections it has.
    pub sections: u32,
    /// Those of them that are not complete, by key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
    /// Collectors whose last call did not end well, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_collectors: Vec<String>,
    /// Findings that were open.
    pub open_findings: u32,
    /// The worst of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_severity: Option<Severity>,
    /// The mark beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
}

/// Why a snapshot is to be kept: what is in the `.keep` file beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mark {
    /// Who marked it: a person, an alert, ghostd itself.
    pub by: String,
    /// What for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When.
    pub at: Wall,
    /// Whether a person did: such a mark is above every cap.
    pub by_hand: bool,
}

impl Entry {
    /// What a checked file says.
    pub fn of(body: &Body, sha256: Digest, size_bytes: u64) -> Self {
        let open = || body.findings.iter().filter(|finding| finding.state != FindingState::Resolved);
        let incomplete = body
            .sections
            .iter()
            .filter(|(_, section)| section.completeness != SectionCompleteness::Complete)
            .map(|(key, _)| key.clone())
            .collect();
        let failed_collectors = body
            .collectors
            .iter()
            .filter(|health| !matches!(health.status, CallOutcome::Ok | CallOutcome::Pending))
            .map(|health| health.name.clone())
            .collect();
        Self {
            id: body.id,
            sequence: body.link.sequence,
            captured_at: body.captured_at,
            boottime_ns: body.capture.ended_boottime_ns,
            boot_id: body.host.boot_id.clone(),
            sha256,
            size_bytes,
            trigger: body.trigger,
            reason: body.reason.clone(),
            important_at_capture: body.important_at_capture,
            epoch: body.link.store.epoch,
            previous: body.link.previous.clone(),
            heartbeats: body.link.heartbeats.clone(),
            sections: u32::try_from(body.sections.len()).unwrap_or(u32::MAX),
            incomplete,
            failed_collectors,
            open_findings: u32::try_from(open().count()).unwrap_or(u32::MAX),
            worst_severity: open().map(|finding| finding.finding.severity).max(),
            mark: None,
        }
    }

    /// Whether it is marked to be kept, at its capture or later.
    pub fn is_important(&self) -> bool {
        self.important_at_capture || self.mark.is_some()
    }

    /// How the next snapshot refers to this one.
    pub fn as_previous(&self) -> Previous {
        Previous { id: self.id, sha256: self.sha256 }
    }
}

/// A snapshot's file that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Its place in the store's order.
    pub sequence: u64,
    /// Its name.
    pub id: SnapshotId,
    /// SHA-256 of its body.
    pub sha256: Digest,
    /// The snapshot before it.
    pub previous: Option<Previous>,
    /// Why it was removed; none where it was found gone and nobody had said why.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Adds an entry, or puts another in its place. The mark stays as it is given.
pub(super) fn insert(db: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    let mark = entry.mark.as_ref().map(json).transpose()?;
    let text = json(&Entry { mark: None, ..entry.clone() })?;
    db.prepare_cached(
        "INSERT INTO snapshots (id, sequence, captured_at, entry, mark) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) \
         DO UPDATE SET sequence = excluded.sequence, captured_at = excluded.captured_at, entry = excluded.entry, \
         mark = excluded.mark",
    )?
    .execute(params![entry.id.to_string(), int(entry.sequence), entry.captured_at.0, text, mark])?;
    db.prepare_cached("DELETE FROM removed WHERE id = ?1")?.execute([entry.id.to_string()])?;
    Ok(())
}

/// Sets or takes away a mark.
pub(super) fn set_mark(db: &Connection, id: SnapshotId, mark: Option<&Mark>) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE snapshots SET mark = ?2 WHERE id = ?1")?
        .execute(params![id.to_string(), mark.map(json).transpose()?])
        .map(drop)
}

/// Every mark.
pub(super) fn marked(db: &Connection) -> rusqlite::Result<BTreeMap<SnapshotId, Mark>> {
    db.prepare("SELECT id, mark FROM snapshots WHERE mark IS NOT NULL")?
        .query_map([], |row| Ok((parsed(row, 0)?, json_column(row, 1)?)))?
        .collect()
}

/// Forgets everything.
pub(super) fn clear(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch("DELETE FROM snapshots; DELETE FROM removed;")
}

/// Takes an entry out and remembers what is needed to verify the chain around it.
pub(super) fn remove(db: &Connection, removed: &Removed, at: Wall) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM snapshots WHERE id = ?1")?.execute([removed.id.to_string()])?;
    let previous = removed.previous.as_ref().map(json).transpose()?;
    db.prepare_cached(
        "INSERT INTO removed (sequence, id, reason, removed_at, sha256, previous) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (id) DO UPDATE SET reason = coalesce(excluded.reason, reason)",
    )?
    .execute(params![
        int(removed.sequence),
        removed.id.to_string(),
        removed.reason,
        at.0,
        removed.sha256.to_string(),
        previous
    ])?;
    Ok(())
}

/// The entry of that name.
pub(super) fn get(db: &Connection, id: SnapshotId) -> rusqlite::Result<Option<Entry>> {
    db.prepare_cached("SELECT entry, mark FROM snapshots WHERE id = ?1")?
        .query_row([id.to_string()], read_entry)
        .optional()
}

/// The entry of the highest sequence.
pub(super) fn newest(db: &Connection) -> rusqlite::Result<Option<Entry>> {
    db.prepare_cached("SELECT entry, mark FROM snapshots ORDER BY sequence DESC LIMIT 1")?
        .query_row([], read_entry)
        .optional()
}

/// The name of the one in that place.
pub(super) fn id_of_sequence(db: &Connection, sequence: u64) -> rusqlite::Result<Option<SnapshotId>> {
    db.prepare_cached("SELECT id FROM snapshots WHERE sequence = ?1 LIMIT 1")?
        .query_row([int(sequence)], |row| parsed(row, 0))
        .optional()
}

/// How many there are.
pub(super) fn count(db: &Connection) -> rusqlite::Result<u64> {
    db.query_row("SELECT count(*) FROM snapshots", [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}

/// Every name, in no order.
pub(super) fn ids(db: &Connection) -> rusqlite::Result<Vec<SnapshotId>> {
    db.prepare_cached("SELECT id FROM snapshots")?.query_map([], |row| parsed(row, 0))?.collect()
}

/// The query for [`read_entry`] over all of them.
pub(super) const NEWEST_FIRST: &str = "SELECT entry, mark FROM snapshots ORDER BY sequence DESC";

/// The same of those before a place.
pub(super) const NEWEST_FIRST_BEFORE: &str =
    "SELECT entry, mark FROM snapshots WHERE sequence < ?1 ORDER BY sequence DESC";

/// Every entry, newest first.
pub(super) fn entries(db: &Connection) -> rusqlite::Result<Vec<Entry>> {
    db.prepare_cached(NEWEST_FIRST)?.query_map([], read_entry)?.collect()
}

/// The newest entries.
pub(super) fn newest_entries(db: &Connection, limit: usize) -> rusqlite::Result<Vec<Entry>> {
    db.prepare_cached(NEWEST_FIRST)?.query_map([], read_entry)?.take(limit).collect()
}

/// The names that begin so, at most `limit`.
pub(super) fn ids_beginning_with(db: &Connection, prefix: &str, limit: usize) -> rusqlite::Result<Vec<SnapshotId>> {
    // Ids have digits, lower-case letters up to `f` and hyphens: `g` is behind everything that begins so.
    db.prepare_cached("SELECT id FROM snapshots WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT ?2")?
        .query_map((prefix, int(limit as u64)), |row| parsed(row, 0))?
        .collect()
}

/// What is known of the file of that name, which is gone.
pub(super) fn get_removed(db: &Connection, id: SnapshotId) -> rusqlite::Result<Option<Removed>> {
    db.prepare_cached("SELECT sequence, id, sha256, previous, reason FROM removed WHERE id = ?1")?
        .query_row([id.to_string()], read_removed)
        .optional()
}

pub(super) fn read_entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let mut entry: Entry = json_column(row, 0)?;
    entry.mark = match row.get_ref(1)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some(json_column(row, 1)?),
    };
    Ok(entry)
}

pub(super) fn read_removed(row: &Row<'_>) -> rusqlite::Result<Removed> {
    let previous = match row.get_ref(3)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some(json_column(row, 3)?),
    };
    Ok(Removed {
        sequence: row.get::<_, i64>(0)?.unsigned_abs(),
        id: parsed(row, 1)?,
        sha256: parsed(row, 2)?,
        previous,
        reason: row.get(4)?,
    })
}

/// Something as JSON text for a column.
pub(super) fn json<T: Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// A column that holds JSON text. What cannot be read is damage of the row, and named as such.
pub(super) fn json_column<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.get_ref(column)?.as_str()?.parse().map_err(|error: T::Err| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}
