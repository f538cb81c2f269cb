//! Purging: taking out for good what should never have been recorded.
//!
//! Owns: its way through everything that the store has. The audit log says who purged which snapshots and why, never
//! what was looked for; a tombstone (`snapshot-{uuid}.purged`) keeps what the chain needs in each one's place; of
//! the database the rows go, and then the bytes; of what was set aside as damaged, the files. Backups are not touched
//! here: `crate::backup::rewrite` does that, and a restore puts nothing back that was purged since. Must not know: what
//! a secret looks like; the caller says what to look for.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::batch::{Batch, SeriesIndex};
use super::catalog::{self, Mark, Removed};
use super::directory;
use super::disk::{DiskError, Folder};
use super::erase;
use super::error::StoreError;
use super::exclusive::ExclusiveStore;
use super::repair::DAMAGED_SUFFIX;
use super::start::removed_of;
use crate::audit;
use crate::model::{SnapshotId, Wall};
use crate::seal;

/// What was purged, and what is left for a person to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    /// The snapshots that went.
    pub snapshots: Vec<SnapshotId>,
    /// Rows of the database that went, by table.
    pub rows: std::collections::BTreeMap<String, u64>,
    /// Files set aside as damaged that went.
    pub set_aside: Vec<String>,
    /// Marks whose reason went; the marks stay.
    pub marks: Vec<SnapshotId>,
    /// What could not be looked through or may not be changed, and why: it is for a person to deal with.
    pub left: Vec<(String, String)>,
    /// The number of the line of the audit log that says so.
    pub audit_line: Option<u64>,
}

impl ExclusiveStore {
    /// Purges some snapshots, as a whole.
    pub fn purge(
        &mut self,
        ids: &[SnapshotId],
        by: &str,
        why: &str,
        now: Wall,
        dry_run: bool,
    ) -> Result<Purged, StoreError> {
        let mut removed = Vec::new();
        for &id in ids {
            let entry = catalog::get(&self.db, id)
                .map_err(self.refused("read"))?
                .ok_or_else(|| StoreError::NotFound { name: id.to_string(), hint: String::new() })?;
            removed.push(removed_of(&entry, Some(reason_of(why))));
        }
        let mut purged = Purged { snapshots: ids.to_vec(), left: self.places_left()?, ..Purged::default() };
        if !dry_run && !removed.is_empty() {
            purged.audit_line = Some(self.bury(removed, by, now)?);
            erase::scour(&self.db).map_err(self.refused("vacuum"))?;
        }
        Ok(purged)
    }

    /// Purges every snapshot and every row of the database that `holds` says yes to. With `dry_run` it only says
    /// which. Nothing of what is looked for is written anywhere.
    pub fn purge_matching(
        &mut self,
        holds: &dyn Fn(&str) -> bool,
        by: &str,
        why: &str,
        now: Wall,
        dry_run: bool,
    ) -> Result<Purged, StoreError> {
        let mut purged = Purged { left: self.places_left()?, ..Purged::default() };
        // What the catalog does not have yet would be passed over.
        while self.uncatalogued() > 0 && self.catch_up(256)? > 0 {}
        let mut removed = Vec::new();
        for entry in catalog::entries(&self.db).map_err(self.refused("list"))? {
            let name = directory::snapshot_file(entry.id);
            match self.snapshots.read(&name, seal::MAX_FILE_BYTES) {
                Ok(bytes) if holds_in(&bytes, holds) => removed.push(removed_of(&entry, Some(reason_of(why)))),
                Ok(_) => {}
                Err(error) => purged.left.push((name, error.source.to_string())),
            }
        }
        purged.snapshots = removed.iter().map(|removed| removed.id).collect();
        // The line comes first, also where no snapshot goes: a restore must know that rows did.
        if !dry_run {
            purged.audit_line = Some(self.bury(removed, by, now)?);
        }
        self.transact(&Batch::default(), "purge", |db| {
            purged.rows = erase::erase(db, holds, dry_run)?;
            Ok(())
        })?;
        self.purge_marks(holds, dry_run, &mut purged)?;
        self.purge_set_aside(holds, dry_run, &mut purged)?;
        self.look_through_audit(holds, &mut purged)?;
        if !dry_run {
            erase::scour(&self.db).map_err(self.refused("vacuum"))?;
            // The copy has it still; the next is made within a day.
            self.folder.unlink(super::renew::COPY)?;
            self.folder.sync()?;
            self.series = SeriesIndex::load(&self.db).map_err(self.refused("read"))?;
        }
        Ok(purged)
    }

    /// The intent, the tombstones, and then the deletion as any other. Gives the number of its audit line.
    fn bury(&mut self, removed: Vec<Removed>, by: &str, now: Wall) -> Result<u64, StoreError> {
        let line = self.audit.append(now, "purge", json!({ "by": by, "snapshots": removed }))?;
        self.audit.sync()?;
        for one in &removed {
            let text = serde_json::to_vec(one).unwrap_or_default();
            self.change(|snapshots| snapshots.replace(&directory::tombstone_file(one.id), &text))?;
        }
        self.unfinished.extend(removed);
        self.finish_deletions(now)?;
        Ok(line.sequence)
    }

    /// A reason that somebody gave for a mark goes; that it is marked stays.
    fn purge_marks(
        &mut self,
        holds: &dyn Fn(&str) -> bool,
        dry_run: bool,
        purged: &mut Purged,
    ) -> Result<(), StoreError> {
        for (id, mark) in catalog::marked(&self.db).map_err(self.refused("list"))? {
            if mark.why.as_deref().is_some_and(holds) || holds(&mark.by) {
                purged.marks.push(id);
                if !dry_run {
                    self.keep(id, &Mark { by: "purged".to_owned(), why: None, ..mark })?;
                }
            }
        }
        Ok(())
    }

    /// Files that a repair has set aside, and marks and tombstones nobody knows.
    fn purge_set_aside(
        &mut self,
        holds: &dyn Fn(&str) -> bool,
        dry_run: bool,
        purged: &mut Purged,
    ) -> Result<(), StoreError> {
        for name in self.snapshots.names()?.into_iter().filter(|name| name.contains(DAMAGED_SUFFIX)) {
            match self.snapshots.read(&name, seal::MAX_FILE_BYTES) {
                Ok(bytes) if holds_in(&bytes, holds) => {
                    if !dry_run {
                        self.change(|snapshots| snapshots.unlink(&name).and_then(|_| snapshots.sync()))?;
                    }
                    purged.set_aside.push(name);
                }
                Ok(_) => {}
                Err(error) => purged.left.push((name, error.source.to_string())),
            }
        }
        Ok(())
    }

    /// No line of the audit log can be taken out without breaking its chain, so one that holds it is named.
    fn look_through_audit(&mut self, holds: &dyn Fn(&str) -> bool, purged: &mut Purged) -> Result<(), StoreError> {
        let path = self.directory.audit();
        let Some(mut log) = super::audit_file::read_from(&path, 0)? else { return Ok(()) };
        let mut lines = Vec::new();
        audit::verify(&mut log, &[], &mut |line| {
            if holds(&line.data.to_string()) {
                lines.push(line.sequence);
            }
        })
        .map_err(|source| DiskError { operation: "read", path, source })?;
        for line in lines {
            let why = "its chain allows no line to be taken out".to_owned();
            purged.left.push((format!("audit log, line {line}"), why));
        }
        Ok(())
    }

    /// What lies in the data directory and cannot be looked through: damaged databases, and what restores replaced.
    fn places_left(&self) -> Result<Vec<(String, String)>, StoreError> {
        let mut left = Vec::new();
        for name in self.folder.names()? {
            let why = if name.starts_with("ghost.db.damaged-") {
                "a damaged database cannot be searched; remove it once nobody needs it"
            } else if name.starts_with("replaced-") {
                "what a restore has replaced; remove it once nobody needs it"
            } else {
                continue;
            };
            left.push((name, why.to_owned()));
        }
        left.sort();
        Ok(left)
    }
}

/// Whether bytes hold it: as they are, or in a text as JSON means it (`\"` is a quotation mark).
pub fn holds_in(bytes: &[u8], holds: &dyn Fn(&str) -> bool) -> bool {
    if holds(&String::from_utf8_lossy(bytes)) {
        return true;
    }
    bytes.contains(&b'\\') && serde_json::from_slice(bytes).is_ok_and(|value| holds_in_value(&value, holds))
}

fn holds_in_value(value: &serde_json::Value, holds: &dyn Fn(&str) -> bool) -> bool {
    use serde_json::Value as Json;
    match value {
        Json::String(text) => holds(text),
        Json::Array(items) => items.iter().any(|item| holds_in_value(item, holds)),
        Json::Object(object) => object.iter().any(|(key, item)| holds(key) || holds_in_value(item, holds)),
        _ => false,
    }
}

/// Takes it out of published files, which are derived and written anew: of a log the lines go, any other file goes as a
/// whole. Only files whose names begin with one of `ours` are looked at: the directory may be shared with others. Links
/// are not followed. Says which files were changed.
pub fn purge_derived(
    directory: &Path,
    ours: &[&str],
    holds: &dyn Fn(&str) -> bool,
    dry_run: bool,
) -> Result<Vec<String>, StoreError> {
    let folder = match Folder::open(directory) {
        Ok(folder) => folder,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut changed = Vec::new();
    for name in folder.names()? {
        if !ours.iter().any(|own| name.starts_with(own)) || folder.size_of(&name)?.is_none() {
            continue;
        }
        let bytes = folder.read(&name, MAX_DERIVED_BYTES)?;
        if !holds_in(&bytes, holds) && !bytes.split(|&byte| byte == b'\n').any(|line| holds_in(line, holds)) {
            continue;
        }
        if !dry_run {
            if name.ends_with(".log") || name.ends_with(".jsonl") {
                let lines = bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| !holds_in(line, holds));
                folder.replace_like(&name, &lines.collect::<Vec<_>>().concat())?;
            } else {
                folder.unlink(&name)?;
                folder.sync()?;
            }
        }
        changed.push(name);
    }
    changed.sort();
    Ok(changed)
}

/// The largest published file that is looked through.
const MAX_DERIVED_BYTES: u64 = 256 << 20;

fn reason_of(why: &str) -> String {
    format!("purge: {why}")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "files of others in a test's own directory")]
    fn published_files_are_purged_and_those_of_others_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("events.log"), "{\"message\":\"a\"}\n{\"message\":\"hunter2\"}\n{\"message\":\"b\"}\n").unwrap();
        fs::write(path("heartbeat-state.json"), "{\"reason\":\"hunter2\"}").unwrap();
        fs::write(path("snapshot-state.json"), "{}").unwrap();
        fs::write(path("relay-state.json"), "{\"of\":\"hunter2\"}").unwrap();
        let ours = ["heartbeat-state.json", "snapshot-state.json", "events.log"];
        let holds = |text: &str| text.contains("hunter2");
        let expected = ["events.log".to_owned(), "heartbeat-state.json".to_owned()];
        assert_eq!(purge_derived(directory.path(), &ours, &holds, true).unwrap(), expected);
        assert!(path("heartbeat-state.json").exists(), "a dry run changes nothing");
        assert_eq!(purge_derived(directory.path(), &ours, &holds, false).unwrap(), expected);
        assert_eq!(fs::read_to_string(path("events.log")).unwrap(), "{\"message\":\"a\"}\n{\"message\":\"b\"}\n");
        assert!(!path("heartbeat-state.json").exists() && path("snapshot-state.json").exists());
        assert!(fs::read_to_string(path("relay-state.json")).unwrap().contains("hunter2"), "it is somebody else's");
        assert!(purge_derived(&path("nowhere"), &ours, &holds, false).unwrap().is_empty());
    }
}
