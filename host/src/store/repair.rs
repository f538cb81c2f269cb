//! Repair: the catalog made anew from the files, and what is damaged set aside.
//!
//! Owns: both. It deletes nothing: a damaged file gets another name beside the others, and the audit log says so, so
//! that the hole it leaves in the chain is one that is explained. Must not know: why anything was damaged.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use serde_json::json;

use super::batch::Batch;
use super::catalog::{self, Entry, Removed};
use super::chain::{Problem, Verdict};
use super::directory;
use super::error::StoreError;
use super::exclusive::ExclusiveStore;
use super::found;
use super::reader::Reader;
use super::start;
use super::verify::Said;
use crate::model::{SnapshotId, Wall};

/// What a damaged file's name ends with once it is set aside.
pub const DAMAGED_SUFFIX: &str = ".damaged";
/// How many entries go into the catalog in one transaction, so that a repair of 100,000 keeps no long one open.
const ENTRIES_A_TRANSACTION: usize = 1_000;

/// What a repair found and did.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// Snapshots that the catalog has now.
    pub catalogued: u64,
    /// Snapshots that it did not have before.
    pub added: u64,
    /// Files that were damaged, by the name that they have now.
    pub set_aside: BTreeMap<String, Problem>,
    /// What is wrong and was left as it is: files of another store, of a newer format, that cannot be read; and what
    /// is gone.
    pub left: Vec<Verdict>,
    /// Deletions that the audit log explains.
    pub explained: u64,
}

impl ExclusiveStore {
    /// Reads every file, sets aside what is damaged, and makes the catalog anew from the rest.
    pub fn repair(&mut self, now: Wall, progress: &mut dyn FnMut(u64, u64)) -> Result<Repaired, StoreError> {
        let reader = Reader::open(self.directory.path())?;
        let verdicts = reader.verify(progress)?.verdicts;
        let (mut said, _) = reader.read_audit(&[])?;
        drop(reader);
        let mut repaired = Repaired::default();
        self.set_damaged_aside(verdicts, &mut said, now, &mut repaired)?;
        let known: HashSet<SnapshotId> = catalog::ids(&self.db).map_err(self.refused("list"))?.into_iter().collect();
        let entries = self.entries_of_files()?;
        repaired.catalogued = entries.len() as u64;
        repaired.added = entries.iter().filter(|entry| !known.contains(&entry.id)).count() as u64;
        repaired.explained = said.ledger.deletions.len() as u64;
        self.rebuild(&entries, &said, now)?;
        let data = json!({
            "catalogued": repaired.catalogued, "added": repaired.added, "set_aside": repaired.set_aside.len(),
            "left": repaired.left.len(),
        });
        self.audit.append(now, "repair", data)?;
        // All that is there was read just now.
        self.stamp = self.snapshots.stamp();
        start::settle(self)?;
        Ok(repaired)
    }

    fn set_damaged_aside(
        &mut self,
        verdicts: Vec<Verdict>,
        said: &mut Said,
        now: Wall,
        repaired: &mut Repaired,
    ) -> Result<(), StoreError> {
        let mut damaged = Vec::new();
        for verdict in verdicts {
            let is_damage = |id| match verdict.problem {
                Problem::Altered(_) | Problem::Truncated(_) | Problem::TornTail(_) => true,
                // Of two that contradict each other the one that the audit log knows is genuine.
                Problem::OutOfOrder(_) => !self.is_vouched_for(id, said),
                Problem::Missing(_)
                | Problem::Foreign(_)
                | Problem::Unknown(_)
                | Problem::Unreadable(_)
                | Problem::Unsigned(_) => false,
            };
            match verdict.id {
                Some(id) if is_damage(id) => damaged.push((id, verdict.problem)),
                _ => repaired.left.push(verdict),
            }
        }
        if damaged.is_empty() {
            return Ok(());
        }
        // What is known of each from elsewhere, so that the chain can be verified across the hole.
        let holes: Vec<Removed> = damaged
            .iter()
            .filter_map(|(id, problem)| {
                let written = said.ledger.captures.values().find(|written| written.id == *id).cloned();
                let written = written.or_else(|| {
                    let entry = catalog::get(&self.db, *id).ok()??;
                    Some(start::removed_of(&entry, None))
                })?;
                Some(Removed { reason: Some(format!("set aside: {problem}")), ..written })
            })
            .collect();
        let files: Vec<String> = damaged.iter().map(|(id, _)| directory::snapshot_file(*id)).collect();
        self.audit.append(now, "set_aside", json!({ "files": files, "snapshots": holes }))?;
        self.audit.sync()?;
        for (id, problem) in damaged {
            let name = directory::snapshot_file(id);
            let aside = self.free_name(&format!("{name}{DAMAGED_SUFFIX}"))?;
            self.change(|snapshots| snapshots.rename(&name, &aside))?;
            repaired.set_aside.insert(aside, problem);
        }
        said.ledger.deletions.extend(holes.into_iter().map(|hole| (hole.sequence, hole)));
        Ok(())
    }

    fn is_vouched_for(&self, id: SnapshotId, said: &Said) -> bool {
        found::read_entry(&self.snapshots, id, &self.identity).is_ok_and(|entry| {
            let written = said.ledger.captures.get(&entry.sequence);
            written.is_some_and(|written| written.id == id && written.sha256 == entry.sha256)
        })
    }

    fn free_name(&self, wanted: &str) -> Result<String, StoreError> {
        let mut name = wanted.to_owned();
        let mut number = 1_u32;
        while self.snapshots.size_of(&name)?.is_some() {
            number += 1;
            name = format!("{wanted}-{number}");
        }
        Ok(name)
    }

    fn entries_of_files(&self) -> Result<Vec<Entry>, StoreError> {
        let names = self.snapshots.names()?;
        let ids = names.iter().filter_map(|name| directory::id_of_snapshot_file(name));
        let mut entries: Vec<Entry> =
            ids.filter_map(|id| found::read_entry(&self.snapshots, id, &self.identity).ok()).collect();
        entries.sort_by_key(|entry| entry.sequence);
        Ok(entries)
    }

    /// The catalog is emptied and filled in several transactions. A crash between them leaves one that lacks files,
    /// which the next start takes in.
    fn rebuild(&mut self, entries: &[Entry], said: &Said, now: Wall) -> Result<(), StoreError> {
        let there: HashSet<SnapshotId> = entries.iter().map(|entry| entry.id).collect();
        let gone: Vec<Removed> = said
            .ledger
            .captures
            .values()
            .map(|written| Removed { reason: None, ..written.clone() })
            .chain(said.ledger.deletions.values().cloned())
            .filter(|removed| !there.contains(&removed.id))
            .collect();
        self.transact(&Batch::default(), "repair", catalog::clear)?;
        for some in gone.chunks(ENTRIES_A_TRANSACTION) {
            self.transact(&Batch::default(), "repair", |db| {
                some.iter().try_for_each(|removed| catalog::remove(db, removed, now))
            })?;
        }
        for some in entries.chunks(ENTRIES_A_TRANSACTION) {
            self.transact(&Batch::default(), "repair", |db| {
                some.iter().try_for_each(|entry| catalog::insert(db, entry))
            })?;
        }
        for entry in entries {
            self.raise_head(&start::head_of(entry));
        }
        self.uncatalogued.clear();
        start::refresh_newest(self)
    }
}
