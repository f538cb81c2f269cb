//! Marks: which snapshots somebody or something wants kept.
//!
//! Owns: the `.keep` file beside a snapshot, its audit line and its place in the catalog, in that order of weight
//! turned round: the audit line is first and synced, so that a mark that was acknowledged outlives the loss of both
//! others, and one that was taken away stays away. Must not know: what is worth a mark.

use std::collections::{BTreeMap, HashSet};

use serde_json::json;

use super::batch::Batch;
use super::catalog::{self, Mark};
use super::database;
use super::directory;
use super::error::StoreError;
use super::exclusive::ExclusiveStore;
use super::start::{self, StartReport};
use crate::model::{SnapshotId, Wall};

/// What the audit log says of marks, the last word for each.
pub(super) type MarksSaid = BTreeMap<SnapshotId, Option<Mark>>;

impl ExclusiveStore {
    /// Marks a snapshot to be kept, in place of the mark that it has.
    pub fn keep(&mut self, id: SnapshotId, mark: &Mark) -> Result<(), StoreError> {
        if self.snapshots.size_of(&directory::snapshot_file(id))?.is_none() {
            return Err(StoreError::NotFound { name: id.to_string(), hint: String::new() });
        }
        self.audit.append(mark.at, "keep", json!({ "id": id, "mark": mark }))?;
        self.audit.sync()?;
        self.write_mark(id, mark)?;
        self.catalogue_mark(id, Some(mark))
    }

    /// The mark of a snapshot, if it has one.
    pub fn mark_of(&self, id: SnapshotId) -> Result<Option<Mark>, StoreError> {
        Ok(self.read_mark(id)?)
    }

    /// Takes the mark from a snapshot; `false` where it had none.
    pub fn unkeep(&mut self, id: SnapshotId, by: &str, at: Wall) -> Result<bool, StoreError> {
        let name = directory::mark_file(id);
        if self.snapshots.size_of(&name)?.is_none() && self.catalogued_mark(id)?.is_none() {
            return Ok(false);
        }
        self.audit.append(at, "unkeep", json!({ "id": id, "by": by }))?;
        self.audit.sync()?;
        self.remove_mark(id)?;
        Ok(true)
    }

    /// Brings files and catalog to what the audit log says, and each to what the other knows: a mark in either
    /// counts. Without a list of names, which is not needed where nobody else has changed anything, only the former.
    pub(super) fn reconcile_marks(
        &mut self,
        names: Option<&[String]>,
        said: MarksSaid,
        report: &mut StartReport,
    ) -> Result<(), StoreError> {
        let is_listed = names.is_some();
        let names = names.unwrap_or_default();
        let mut files: HashSet<SnapshotId> = names.iter().filter_map(|name| directory::id_of_mark_file(name)).collect();
        for (id, mark) in said {
            match mark {
                Some(mark) if !files.contains(&id) => self.restore_mark(id, &mark, report)?,
                Some(_) => {}
                None => {
                    files.remove(&id);
                    self.remove_mark(id)?;
                }
            }
        }
        if !is_listed {
            return Ok(());
        }
        let known = catalog::marked(&self.db).map_err(self.refused("list"))?;
        let unknown: Vec<SnapshotId> = files.iter().filter(|id| !known.contains_key(id)).copied().collect();
        for (id, mark) in known.into_iter().filter(|(id, _)| !files.contains(id)) {
            self.restore_mark(id, &mark, report)?;
        }
        for id in unknown {
            if let Some(mark) = self.read_mark(id)? {
                self.catalogue_mark(id, Some(&mark))?;
            }
        }
        Ok(())
    }

    fn restore_mark(&mut self, id: SnapshotId, mark: &Mark, report: &mut StartReport) -> Result<(), StoreError> {
        let is_there = self.snapshots.size_of(&directory::snapshot_file(id))?.is_some();
        if is_there && self.snapshots.size_of(&directory::mark_file(id))?.is_none() {
            self.write_mark(id, mark)?;
            self.catalogue_mark(id, Some(mark))?;
            report.marks_restored.push(id);
        }
        Ok(())
    }

    fn remove_mark(&mut self, id: SnapshotId) -> Result<(), StoreError> {
        self.change(|snapshots| {
            snapshots.unlink(&directory::mark_file(id))?;
            snapshots.sync()
        })?;
        self.catalogue_mark(id, None)
    }

    fn write_mark(&mut self, id: SnapshotId, mark: &Mark) -> Result<(), StoreError> {
        let mut text = serde_json::to_vec(mark).unwrap_or_default();
        text.push(b'\n');
        Ok(self.change(|snapshots| snapshots.replace(&directory::mark_file(id), &text))?)
    }

    fn catalogued_mark(&self, id: SnapshotId) -> Result<Option<Mark>, StoreError> {
        let entry = catalog::get(&self.db, id).map_err(self.refused("read"))?;
        Ok(entry.and_then(|entry| entry.mark))
    }

    fn catalogue_mark(&mut self, id: SnapshotId, mark: Option<&Mark>) -> Result<(), StoreError> {
        let stamp = self.stamp_to_store();
        self.transact(&Batch::default(), "catalogue", |db| {
            catalog::set_mark(db, id, mark)?;
            database::set_meta(db, start::STAMP, &stamp)
        })?;
        if let Some(newest) = self.newest.as_mut().filter(|newest| newest.id == id) {
            newest.mark = mark.cloned();
        }
        Ok(())
    }
}
