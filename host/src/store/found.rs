//! What a start finds: files, audit log, catalog.
//!
//! Owns: reading the three, each for itself and as far as it goes. Must not know: what is done about where they
//! differ; `start` does.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use rusqlite::Connection;

use super::audit_file;
use super::catalog::{self, Entry, Mark, Removed};
use super::database;
use super::directory;
use super::disk::{DiskError, Folder};
use super::error::StoreError;
use super::exclusive::Head;
use super::marks::MarksSaid;
use super::start::{HEAD, ROLLED_BEAT, SEALED_BEAT, SETTLED, STAMP, STORE};
use crate::audit;
use crate::model::{Previous, SnapshotId, StoreRef, Wall};
use crate::seal;

/// The largest `.keep` file that is read.
const MAX_MARK_BYTES: u64 = 64 << 10;

/// What the audit log says beyond what the catalog has settled.
#[derive(Debug, Default)]
pub(super) struct FromAudit {
    pub(super) deleted: BTreeMap<SnapshotId, Removed>,
    pub(super) head: Option<Head>,
    pub(super) identity: Option<StoreRef>,
    /// The store as a restore has left it.
    pub(super) restored: Option<StoreRef>,
    pub(super) marks: MarksSaid,
}

impl FromAudit {
    /// What a restore put back is not to be deleted again, nor marked, for what was said before it; and the chain
    /// goes on from the last that it put back, above every number that was ever given.
    fn hear_restore(&mut self, data: &serde_json::Value) {
        self.deleted.clear();
        self.marks.clear();
        self.restored = serde_json::from_value(data["store"].clone()).ok();
        let sequence = data["highest_sequence"].as_u64();
        let forked_from = self.restored.as_ref().and_then(|store| store.forked_from.clone());
        if let (Some(sequence), Some(previous)) = (sequence, forked_from) {
            self.head = Some(Head { sequence, previous });
        }
    }
}

/// The mark beside a snapshot. One that cannot be read still counts: somebody wanted it kept.
pub(super) fn read_mark(snapshots: &Folder, id: SnapshotId) -> Result<Option<Mark>, DiskError> {
    let bytes = match snapshots.read(&directory::mark_file(id), MAX_MARK_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    let unreadable =
        || Mark { by: "unknown (the mark cannot be read)".to_owned(), why: None, at: Wall(0), by_hand: true };
    Ok(Some(serde_json::from_slice(&bytes).unwrap_or_else(|_| unreadable())))
}

/// What is in the directory, held against the catalog.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) names: Vec<String>,
    pub(super) files: HashSet<SnapshotId>,
    pub(super) known: HashSet<SnapshotId>,
    /// Files that the catalog does not have, sorted by name.
    pub(super) missing: Vec<SnapshotId>,
}

impl Listed {
    pub(super) fn of(names: Vec<String>, known: Vec<SnapshotId>, said: &FromAudit) -> Self {
        let files: HashSet<SnapshotId> = names.iter().filter_map(|name| directory::id_of_snapshot_file(name)).collect();
        let known: HashSet<SnapshotId> = known.into_iter().collect();
        let unknown = files.iter().filter(|id| !known.contains(id) && !said.deleted.contains_key(id));
        let mut missing: Vec<SnapshotId> = unknown.copied().collect();
        missing.sort_unstable();
        Self { names, files, known, missing }
    }
}

/// What the catalog knew when the store was last left.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub(super) offset: u64,
    pub(super) sealed_beat: u64,
    pub(super) rolled_beat: u64,
    pub(super) stamp: Option<String>,
    pub(super) identity: Option<StoreRef>,
    pub(super) heads: Vec<Head>,
}

pub(super) fn read_settled(db: &Connection) -> rusqlite::Result<Settled> {
    let number =
        |key| -> rusqlite::Result<Option<u64>> { Ok(database::meta(db, key)?.and_then(|text| text.parse().ok())) };
    let last_removed = db
        .prepare("SELECT sequence, id, sha256, previous, reason FROM removed ORDER BY sequence DESC LIMIT 1")?
        .query_map([], catalog::read_removed)?
        .next()
        .transpose()?;
    let last_removed = last_removed.map(|removed: catalog::Removed| Head {
        sequence: removed.sequence,
        previous: Previous { id: removed.id, sha256: removed.sha256 },
    });
    let known = database::meta(db, HEAD)?.and_then(|text| {
        let value: serde_json::Value = serde_json::from_str(&text).ok()?;
        let previous = serde_json::from_value(value["previous"].clone()).ok()?;
        Some(Head { sequence: value["sequence"].as_u64()?, previous })
    });
    Ok(Settled {
        offset: number(SETTLED)?.unwrap_or(0),
        sealed_beat: number(SEALED_BEAT)?.unwrap_or(0),
        rolled_beat: number(ROLLED_BEAT)?.unwrap_or(0),
        identity: database::meta(db, STORE)?.and_then(|text| serde_json::from_str(&text).ok()),
        stamp: database::meta(db, STAMP)?,
        heads: last_removed.into_iter().chain(known).collect(),
    })
}

/// What the audit log says from `offset` on. Damaged lines are skipped here; `audit verify` names them.
pub(super) fn read_audit(path: &Path, offset: u64) -> Result<FromAudit, StoreError> {
    let mut said = FromAudit::default();
    let Some(mut log) = audit_file::read_from(path, offset)? else {
        return Ok(said);
    };
    let fail = |source| DiskError { operation: "read", path: path.to_owned(), source };
    audit::verify(&mut log, &[], &mut |line| match line.operation.as_str() {
        "create" => said.identity = serde_json::from_value(line.data["store"].clone()).ok(),
        "capture" => {
            let sequence = line.data["sequence"].as_u64();
            let previous: Option<Previous> = serde_json::from_value(line.data.clone()).ok();
            if let (Some(sequence), Some(previous)) = (sequence, previous)
                && said.head.as_ref().is_none_or(|head| head.sequence < sequence)
            {
                said.head = Some(Head { sequence, previous });
            }
        }
        "delete" | "purge" => {
            for removed in line.data["snapshots"].as_array().into_iter().flatten() {
                if let Ok(removed) = serde_json::from_value::<Removed>(removed.clone()) {
                    said.deleted.insert(removed.id, removed);
                }
            }
        }
        "keep" | "unkeep" => {
            if let Ok(id) = serde_json::from_value(line.data["id"].clone()) {
                said.marks.insert(id, serde_json::from_value(line.data["mark"].clone()).ok());
            }
        }
        "restore" => said.hear_restore(&line.data),
        _ => {}
    })
    .map_err(fail)?;
    Ok(said)
}

/// The newest file that says which store it belongs to, taken for ours where nothing else is known.
pub(super) fn identity_of_files(snapshots: &Folder, sorted: &[SnapshotId]) -> Option<StoreRef> {
    sorted.iter().rev().find_map(|&id| {
        let bytes = snapshots.read(&directory::snapshot_file(id), seal::MAX_FILE_BYTES).ok()?;
        seal::check(&bytes).ok().map(|checked| checked.body.link.store)
    })
}

pub(super) fn read_entry(snapshots: &Folder, id: SnapshotId, identity: &StoreRef) -> Result<Entry, String> {
    let name = directory::snapshot_file(id);
    let describe = |error: &dyn std::error::Error| match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let bytes = snapshots.read(&name, seal::MAX_FILE_BYTES).map_err(|error| describe(&error))?;
    let checked = seal::check(&bytes).map_err(|damage| describe(&damage))?;
    if checked.body.id != id {
        return Err(format!("it says that it is `{}`", checked.body.id));
    }
    if checked.body.link.store.id != identity.id {
        return Err(format!("it belongs to store `{}`", checked.body.link.store.id));
    }
    let mut entry = Entry::of(&checked.body, checked.sha256, bytes.len() as u64);
    entry.mark = read_mark(snapshots, id).map_err(|error| describe(&error))?;
    Ok(entry)
}
